using System.Globalization;

namespace Uml.CI.Cli;

/// <summary>Durations as people write them: <c>2s</c>, <c>500ms</c>, <c>1h30m</c>, <c>1.5m</c>, plain seconds.</summary>
internal static class Duration
{
    private const string Forms = "write a number with ms, s, m, h or d, such as 500ms, 2s or 1h30m; a plain number is seconds";

    // Task.Delay and its like take no more.
    private static readonly TimeSpan Longest = TimeSpan.FromDays(40);

    /// <summary>Reads a duration; null with the reason when the text is none.</summary>
    public static TimeSpan? Parse(string text, out string problem, TimeSpan? longest = null)
    {
        problem = $"\"{text}\" is not a duration: {Forms}";
        ReadOnlySpan<char> rest = text.AsSpan().Trim();
        if (rest.IsEmpty)
            return null;

        double seconds = 0;
        bool plain = rest.IndexOfAnyExcept("0123456789.") < 0;
        double previousUnit = double.MaxValue;
        while (!rest.IsEmpty)
        {
            int digits = rest.IndexOfAnyExcept("0123456789.");
            if (digits < 0)
                digits = rest.Length;
            if (!double.TryParse(rest[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value))
                return null;
            rest = rest[digits..];
            int letters = rest.IndexOfAny("0123456789.");
            if (letters < 0)
                letters = rest.Length;
            double unit = (plain ? "s" : rest[..letters]) switch { "ms" => 0.001, "s" => 1, "m" or "min" => 60, "h" => 3600, "d" => 86400, "w" => 7 * 86400, _ => 0 };
            rest = rest[letters..];
            // 30m1h and 1s1s are slips, not durations.
            if (unit == 0 || unit >= previousUnit)
                return null;
            previousUnit = unit;
            seconds += value * unit;
        }

        if (seconds is 0)
        {
            problem = $"the duration \"{text}\" is nothing: leave the option out for no deadline of your own";
            return null;
        }

        TimeSpan limit = longest ?? Longest;
        if (seconds > limit.TotalSeconds)
        {
            problem = $"the duration \"{text}\" is over the limit of {limit.TotalDays:0} days";
            return null;
        }

        return TimeSpan.FromSeconds(seconds);
    }

    /// <summary>Writes a duration for people: <c>132 ms</c>, <c>2.5 s</c>.</summary>
    public static string Format(TimeSpan time) => GuestProcess.Format(time);
}
