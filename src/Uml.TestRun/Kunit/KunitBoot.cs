using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>One kernel that ran unit tests.</summary>
/// <param name="Glob">The pattern of its tests; empty for all.</param>
/// <param name="End">How it ended.</param>
/// <param name="Results">What it printed.</param>
/// <param name="Log">Its log.</param>
/// <param name="Duration">From its start to its end.</param>
public sealed record KunitBoot(string Glob, KunitBootEnd End, KtapResults Results, ImmutableArray<KernelLogLine> Log, TimeSpan Duration)
{
    /// <summary>The test that ended it, where that is known.</summary>
    public KunitTestName? Culprit { get; init; }

    /// <summary>In words, why it did not end as it should; empty when it did.</summary>
    public string Problem { get; init; } = "";

    /// <summary>The log as the kernel wrote it, line by line.</summary>
    public IEnumerable<string> LogText => Log.Select(Text);

    /// <summary>A line with its time stamp, as the kernel wrote it.</summary>
    internal static string Text(KernelLogLine line)
    {
        if (line.KernelTime is not { } time)
            return line.Text;
        long seconds = time.Ticks / TimeSpan.TicksPerSecond;
        long microseconds = time.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond;
        return $"[{seconds,5}.{microseconds:000000}] {line.Text}";
    }
}
