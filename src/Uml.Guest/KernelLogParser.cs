using System.Globalization;

namespace Uml.CI;

/// <summary>Takes one raw line of the kernel's console apart.</summary>
internal static class KernelLogParser
{
    // More digits than any uptime has; more would overflow a TimeSpan.
    private const int MaxSecondsDigits = 10;

    /// <summary>
    /// Parses a line such as <c>[    0.123456] text</c> or <c>[    0.123456][  T123] text</c>.
    /// A line without a time stamp, which the kernel did not print or printed with printk.time=0, is all text.
    /// </summary>
    /// <param name="raw">The line, with or without its line end.</param>
    /// <param name="received">When the host read it.</param>
    public static KernelLogLine Parse(ReadOnlySpan<char> raw, DateTimeOffset received)
    {
        ReadOnlySpan<char> line = raw.TrimEnd("\r\n");
        return TryReadTime(line, out TimeSpan time, out int textStart)
            ? new KernelLogLine(received, time, line[textStart..].ToString())
            : new KernelLogLine(received, null, line.ToString());
    }

    private static bool TryReadTime(ReadOnlySpan<char> line, out TimeSpan time, out int textStart)
    {
        time = default;
        textStart = 0;
        if (line.IsEmpty || line[0] != '[')
            return false;

        int close = line.IndexOf(']');
        if (close < 0)
            return false;
        ReadOnlySpan<char> stamp = line[1..close].TrimStart(' ');
        int point = stamp.IndexOf('.');
        if (point is < 1 or > MaxSecondsDigits || stamp.Length - point - 1 != 6)
            return false;
        if (!long.TryParse(stamp[..point], NumberStyles.None, CultureInfo.InvariantCulture, out long seconds)
            || !long.TryParse(stamp[(point + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out long microseconds))
            return false;

        int next = close + 1;
        next += CallerLength(line[next..]);
        // The kernel always puts a space here; some consoles cut it off an empty line.
        if (next < line.Length && line[next] != ' ')
            return false;

        time = TimeSpan.FromTicks((seconds * TimeSpan.TicksPerSecond) + (microseconds * TimeSpan.TicksPerMicrosecond));
        textStart = Math.Min(next + 1, line.Length);
        return true;
    }

    // CONFIG_PRINTK_CALLER: "[  T123]" for a task, "[    C0]" for a CPU, without a space before it.
    private static int CallerLength(ReadOnlySpan<char> rest)
    {
        if (rest.IsEmpty || rest[0] != '[')
            return 0;
        int close = rest.IndexOf(']');
        if (close < 0)
            return 0;
        ReadOnlySpan<char> caller = rest[1..close].TrimStart(' ');
        return caller.Length >= 2 && caller[0] is 'T' or 'C' && char.IsAsciiDigit(caller[1]) ? close + 1 : 0;
    }
}
