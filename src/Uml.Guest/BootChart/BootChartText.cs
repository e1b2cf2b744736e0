using System.Globalization;
using System.Text;

namespace Uml.CI;

/// <summary>Sums boots up in a few lines of text. Pure.</summary>
internal static class BootChartText
{
    private const int MostPhases = 10, MostCalls = 10;
    private const int Bars = 24;

    /// <summary>Writes the summary.</summary>
    /// <param name="boots">The boots.</param>
    /// <param name="first">How long the first boot of this process took, which paid for what is done once.</param>
    public static string Write(BootMeasurement boots, TimeSpan? first)
    {
        BootTimeline boot = boots.Shown;
        var text = new StringBuilder();
        text.Append(BootChartSvg.Title(boots)).Append('\n');
        foreach (string fact in BootChartSvg.Facts(boots))
            text.Append("  ").Append(fact).Append('\n');
        if (first is { } cold)
            text.Append("  The first boot of this process took ").Append(BootScale.Milliseconds(cold)).Append(" ms.\n");

        BootPhase[] phases = [.. boot.Phases.OrderByDescending(p => p.Duration).Take(MostPhases)];
        TimeSpan longest = phases.Length > 0 ? phases[0].Duration : TimeSpan.Zero;
        text.Append(CultureInfo.InvariantCulture, $"\nlongest phases{"ms",35}\n");
        foreach (BootPhase phase in phases)
            AppendRow(text, $"{BootChartSvg.Name(phase.Actor)}: {phase.Name}", phase.Duration, longest);

        if (boot.Initcalls.Length == 0)
            return text.ToString();
        BootInitcall[] calls = [.. boots.Slowest().Take(MostCalls)];
        longest = calls.FirstOrDefault(c => c.Duration is not null)?.Duration ?? TimeSpan.Zero;
        string title = $"slowest of {boot.Initcalls.Length.ToString(CultureInfo.InvariantCulture)} initcalls ({BootScale.Milliseconds(BootChartSvg.Sum(boot.Initcalls))} ms)";
        text.Append(CultureInfo.InvariantCulture, $"\n{title,-42}{"ms",7}\n");
        foreach (BootInitcall call in calls)
            AppendRow(text, call.Module.Length > 0 ? $"{call.Name} [{call.Module}]" : call.Name, call.Duration, longest);
        return text.ToString();
    }

    private static void AppendRow(StringBuilder text, string name, TimeSpan? time, TimeSpan longest)
    {
        string value = time is { } known ? BootScale.Milliseconds(known) : "-";
        int bar = time is { } duration && longest > TimeSpan.Zero ? (int)Math.Round(Bars * (duration / longest)) : 0;
        text.Append($"  {BootScale.Shorten(name, 39),-39} {value,7} {new string('#', Math.Clamp(bar, 0, Bars))}".TrimEnd()).Append('\n');
    }
}
