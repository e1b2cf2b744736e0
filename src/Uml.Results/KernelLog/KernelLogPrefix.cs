namespace Uml.CI;

/// <summary>
/// What printk puts before a message: "&lt;6&gt;", "[   12.345678]", "[  T123]" or "[    C0]", in that order, each optional,
/// then one space (kernel/printk/printk.c, info_print_prefix); or the "6,123,456789,-;" of /dev/kmsg
/// (Documentation/ABI/testing/dev-kmsg).
/// </summary>
internal static class KernelLogPrefix
{
    private const int LongestGroup = 40;

    /// <summary>How long the prefix is, its space included; its time stamp in microseconds and its log level, -1 when there is none.</summary>
    public static int Measure(ReadOnlySpan<char> line, out long microseconds, out int level)
    {
        microseconds = -1;
        level = -1;
        int at = Level(line, ref level);
        if (at == 0 && line.Length > 0 && char.IsAsciiDigit(line[0]) && Device(line, out microseconds, out level) is int header and > 0)
            return header;

        int stamp = Stamp(line[at..], out microseconds);
        if (stamp == 0)
        {
            // A caller without a stamp: printk.time=0 with CONFIG_PRINTK_CALLER.
            int caller = Caller(line[at..]);
            if (caller == 0)
                return at;
            at += caller;
        }
        else
        {
            at += stamp;
            int caller = Caller(line[at..]);
            if (caller == 0 && at < line.Length && line[at] == ' ' && Caller(line[(at + 1)..]) is int spaced and > 0)
                caller = spaced + 1;
            at += caller;
        }

        return at < line.Length && line[at] == ' ' ? at + 1 : at;
    }

    /// <summary>The message without its prefix.</summary>
    public static ReadOnlySpan<char> Strip(ReadOnlySpan<char> line) => line[Measure(line, out _, out _)..];

    /// <summary>The length of a time stamp such as "[   12.345678]", or 0.</summary>
    public static int Stamp(ReadOnlySpan<char> text, out long microseconds)
    {
        microseconds = -1;
        if (text.Length < 10 || text[0] != '[')
            return 0;
        int at = 1;
        while (at < text.Length && at < LongestGroup && text[at] == ' ')
            at++;
        int digits = at;
        long seconds = 0;
        while (at < text.Length && at - digits < 12 && char.IsAsciiDigit(text[at]))
            seconds = (seconds * 10) + (text[at++] - '0');
        if (at == digits || at >= text.Length || text[at] != '.')
            return 0;
        digits = ++at;
        long fraction = 0;
        while (at < text.Length && at - digits < 7 && char.IsAsciiDigit(text[at]))
            fraction = (fraction * 10) + (text[at++] - '0');
        if (at - digits != 6 || at >= text.Length || text[at] != ']')
            return 0;
        microseconds = (seconds * 1_000_000) + fraction;
        return at + 1;
    }

    private static int Level(ReadOnlySpan<char> line, ref int level)
    {
        if (line.Length < 3 || line[0] != '<')
            return 0;
        int value = 0;
        for (int at = 1; at < line.Length && at <= 4; at++)
        {
            if (line[at] == '>' && at > 1)
            {
                level = value & 7;
                return at + 1;
            }

            if (!char.IsAsciiDigit(line[at]))
                return 0;
            value = (value * 10) + (line[at] - '0');
        }

        return 0;
    }

    // "[  T123]", "[    C0]": a task or a processor.
    private static int Caller(ReadOnlySpan<char> text)
    {
        if (text.Length < 4 || text[0] != '[')
            return 0;
        int at = 1;
        while (at < text.Length && at < LongestGroup && text[at] == ' ')
            at++;
        if (at >= text.Length || text[at] is not ('T' or 'C'))
            return 0;
        int digits = ++at;
        while (at < text.Length && at - digits < 12 && char.IsAsciiDigit(text[at]))
            at++;
        return at > digits && at < text.Length && text[at] == ']' ? at + 1 : 0;
    }

    private static int Device(ReadOnlySpan<char> line, out long microseconds, out int level)
    {
        microseconds = -1;
        level = -1;
        Span<long> fields = stackalloc long[3];
        int at = 0;
        for (int field = 0; field < fields.Length; field++)
        {
            int digits = at;
            while (at < line.Length && at - digits < 18 && char.IsAsciiDigit(line[at]))
                fields[field] = (fields[field] * 10) + (line[at++] - '0');
            if (at == digits || at >= line.Length || line[at] != ',')
                return 0;
            at++;
        }

        // Flags, then more fields such as "caller=T1", none of them with a space.
        for (int start = at; at < line.Length && at - start < 64 && line[at] != ' '; at++)
        {
            if (line[at] == ';')
            {
                microseconds = fields[2];
                level = (int)(fields[0] & 7);
                return at + 1;
            }
        }

        return 0;
    }
}
