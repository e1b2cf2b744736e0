namespace Uml.CI;

/// <summary>One line, taken apart by its own text alone; what it belongs to is the parser's business.</summary>
/// <remarks>
/// A line is a prefix by printk, then any number of "#" marks with white space before each, then the content. What a mark
/// means depends: kselftest puts one before every line of a nested program's output, and a diagnostic has one of its own. So
/// the content is classified behind all of them, and the marks are kept.
/// </remarks>
internal ref struct KtapLine
{
    public const int MaxMarks = 8;
    private const int TabStop = 8;

    private KtapMarks _indents;
    private KtapMarks _starts;

    private KtapLine(ReadOnlySpan<char> text) => Text = text;

    /// <summary>The line as it was.</summary>
    public ReadOnlySpan<char> Text { get; }

    /// <summary>Where the message begins, behind what printk (or a learned prefix) put before it.</summary>
    public int MessageStart { get; private set; }

    /// <summary>The stamp in microseconds, or -1.</summary>
    public long Stamp { get; private set; }

    public KtapLineKind Kind { get; private set; }

    /// <summary>How many "#" marks there are before the content.</summary>
    public int Marks { get; private set; }

    /// <summary>What is behind the marks.</summary>
    public ReadOnlySpan<char> Content { get; private set; }

    /// <summary>The number of a version, plan or result; -1 when a result has none.</summary>
    public int Number { get; private set; }

    public bool IsKtap { get; private set; }

    public bool IsOk { get; private set; }

    /// <summary>The name of a result or suite.</summary>
    public ReadOnlySpan<char> Name { get; private set; }

    public KtapDirective Directive { get; private set; }

    /// <summary>What follows the directive, or the text of "Bail out!".</summary>
    public ReadOnlySpan<char> Reason { get; private set; }

    /// <summary>A line of the kernel's log that got into this one; empty when none did.</summary>
    public ReadOnlySpan<char> Interleaved { get; private set; }

    /// <summary>The column of the content behind this many marks.</summary>
    public readonly int Indent(int marks) => _indents[marks];

    /// <summary>The text behind this many marks, one space less.</summary>
    public readonly ReadOnlySpan<char> After(int marks) => Text[_starts[marks]..];

    public static KtapLine Read(ReadOnlySpan<char> text, ReadOnlySpan<char> learnedPrefix)
    {
        KtapLine line = new(text) { Number = -1, Stamp = -1 };

        // What the kernel itself puts there comes first: a prefix learned from a torn line must not hide it.
        int at = KernelLogPrefix.Measure(text, out long stamp, out _);
        if (at == 0 && learnedPrefix.Length > 0 && HasShape(text, learnedPrefix))
            at = learnedPrefix.Length + KernelLogPrefix.Measure(text[learnedPrefix.Length..], out stamp, out _);
        line.Stamp = stamp;
        line.MessageStart = at;
        line._starts[0] = at;
        int column = 0;
        while (true)
        {
            while (at < text.Length && text[at] is ' ' or '\t')
                column = text[at++] == '\t' ? (column + TabStop) / TabStop * TabStop : column + 1;
            line._indents[line.Marks] = column;
            if (at >= text.Length || text[at] != '#' || line.Marks == MaxMarks)
                break;
            line.Marks++;
            column = 0;
            at++;
            if (at < text.Length && text[at] == ' ')
                at++;
            line._starts[line.Marks] = at;
        }

        line.Content = text[at..].TrimEnd();
        line.Classify();
        return line;
    }

    /// <summary>Reads a result from the middle of a line.</summary>
    public static bool TryReadResult(ReadOnlySpan<char> text, out KtapLine line)
    {
        line = new KtapLine(text) { Number = -1, Stamp = -1, Content = text.TrimEnd() };
        if (!line.TryResult() || line.Number < 0)
            return false;
        line.Kind = KtapLineKind.Result;
        return true;
    }

    private void Classify()
    {
        Kind = Marks > 0 ? KtapLineKind.Diagnostic : KtapLineKind.Other;
        if (Content.IsEmpty)
            return;
        switch (Content[0])
        {
            case 'K' when TryVersion("KTAP version "):
                Kind = KtapLineKind.Version;
                IsKtap = true;
                break;
            case 'T' when TryVersion("TAP version "):
                Kind = KtapLineKind.Version;
                break;
            case '1' when TryPlan():
                Kind = KtapLineKind.Plan;
                break;
            case 'o' or 'n' when TryResult():
                Kind = KtapLineKind.Result;
                break;
            case 'S' when Marks > 0 && Content.StartsWith("Subtest: ", StringComparison.Ordinal):
                Kind = KtapLineKind.Subtest;
                Name = Content["Subtest: ".Length..].Trim();
                break;
            case 'B' when Content.StartsWith("Bail out!", StringComparison.Ordinal):
                Kind = KtapLineKind.BailOut;
                Reason = Content["Bail out!".Length..].Trim();
                break;
            default:
                break;
        }
    }

    private bool TryVersion(ReadOnlySpan<char> word)
    {
        if (!Content.StartsWith(word, StringComparison.Ordinal))
            return false;
        int digits = Digits(Content[word.Length..], out int number);
        Number = number;
        return digits > 0 && word.Length + digits == Content.Length;
    }

    private bool TryPlan()
    {
        if (!Content.StartsWith("1..", StringComparison.Ordinal))
            return false;
        int digits = Digits(Content[3..], out int number);
        if (digits == 0)
            return false;
        ReadOnlySpan<char> rest = Content[(3 + digits)..];
        if (rest.Length > 0 && rest[0] is not (' ' or '\t' or '#'))
            return false;
        rest = rest.Trim();
        if (rest.Length > 0 && rest[0] != '#')
            return false;
        Number = number;
        if (rest.Length > 0)
            Directive = ReadDirective(rest[1..].Trim(), ok: true, out _, out ReadOnlySpan<char> reason) is KtapDirective.Skip && SetReason(reason) ? KtapDirective.Skip : KtapDirective.None;
        return true;
    }

    private bool SetReason(ReadOnlySpan<char> reason)
    {
        Reason = reason;
        return true;
    }

    private bool TryResult()
    {
        ReadOnlySpan<char> rest = Content;
        if (rest.StartsWith("not ok", StringComparison.Ordinal))
            rest = rest[6..];
        else if (rest.StartsWith("ok", StringComparison.Ordinal))
            rest = rest[2..];
        else
            return false;
        IsOk = Content[0] == 'o';
        if (rest.Length > 0 && rest[0] is not (' ' or '\t'))
            return false;
        rest = rest.TrimStart();
        int digits = Digits(rest, out int number);
        if (digits > 0)
        {
            if (digits < rest.Length && rest[digits] is not (' ' or '\t' or '#' or ':'))
                return false;
            Number = number;
            rest = rest[digits..].TrimStart();
        }
        else if (rest.Length > 0 && rest[0] != '#' && !rest.StartsWith("- ", StringComparison.Ordinal))
        {
            // "ok" without a number may well be prose.
            return false;
        }

        // kunit.py lets ":- " pass for "- ".
        if (rest.StartsWith("- ", StringComparison.Ordinal))
            rest = rest[2..];
        else if (rest.StartsWith(":- ", StringComparison.Ordinal))
            rest = rest[3..];
        else if (rest is "-" or ":" or ":-")
            rest = [];
        rest = CutInterleaved(rest.TrimStart());
        SplitReason(rest);
        return true;
    }

    // A program writes "ok 4 name" and the kernel its own line before the new line came.
    private ReadOnlySpan<char> CutInterleaved(ReadOnlySpan<char> rest)
    {
        int from = 0;
        while (rest[from..].IndexOf('[') is int found and >= 0)
        {
            int at = from + found;
            if (KernelLogPrefix.Stamp(rest[at..], out _) > 0)
            {
                Interleaved = rest[at..];
                return rest[..at].TrimEnd();
            }

            from = at + 1;
        }

        return rest;
    }

    private void SplitReason(ReadOnlySpan<char> rest)
    {
        int first = -1;
        for (int at = 0; at < rest.Length; at++)
        {
            if (rest[at] != '#' || (at > 0 && rest[at - 1] is not (' ' or '\t')))
                continue;
            ReadOnlySpan<char> data = rest[(at + 1)..];
            KtapDirective directive = ReadDirective(data.TrimStart(), IsOk, out _, out ReadOnlySpan<char> reason);
            if (directive != KtapDirective.None)
            {
                Name = rest[..at].TrimEnd();
                Directive = directive;
                Reason = reason;
                return;
            }

            // "test #3" is a name.
            if (first < 0 && (data.IsEmpty || data[0] is ' ' or '\t'))
                first = at;
        }

        if (first < 0)
        {
            Name = rest;
            return;
        }

        Name = rest[..first].TrimEnd();
        Reason = rest[(first + 1)..].Trim();
    }

    private static KtapDirective ReadDirective(ReadOnlySpan<char> data, bool ok, out int length, out ReadOnlySpan<char> reason)
    {
        length = 0;
        while (length < data.Length && length < 12 && char.IsAsciiLetter(data[length]))
            length++;
        ReadOnlySpan<char> word = data[..length];
        reason = [];
        if (length < data.Length && data[length] is not (' ' or '\t' or ':'))
            return KtapDirective.None;
        KtapDirective directive =
            word.Equals("SKIP", StringComparison.OrdinalIgnoreCase) || word.Equals("SKIPPED", StringComparison.OrdinalIgnoreCase) ? KtapDirective.Skip
            : word.Equals("TODO", StringComparison.OrdinalIgnoreCase) ? KtapDirective.Todo
            : word.Equals("XFAIL", StringComparison.OrdinalIgnoreCase) ? KtapDirective.XFail
            : word.Equals("XPASS", StringComparison.OrdinalIgnoreCase) ? KtapDirective.XPass
            : word.Equals("TIMEOUT", StringComparison.OrdinalIgnoreCase) ? KtapDirective.Timeout
            : word.Equals("ERROR", StringComparison.OrdinalIgnoreCase) ? KtapDirective.Error
            : word is "CRASHED" ? KtapDirective.Crashed
            : word is "NOTRUN" ? KtapDirective.NotRun
            : KtapDirective.None;

        // "ok 5 rate # error rate 0 %" is a remark; "ok 5 rate # ERROR" is a contradiction.
        if (ok && directive is KtapDirective.Timeout or KtapDirective.Error && !word.SequenceEqual(directive is KtapDirective.Error ? "ERROR" : "TIMEOUT"))
            return KtapDirective.None;
        if (directive != KtapDirective.None)
        {
            data = data[length..];
            reason = (data.Length > 0 && data[0] == ':' ? data[1..] : data).Trim();
        }

        return directive;
    }

    private static int Digits(ReadOnlySpan<char> text, out int number)
    {
        int at = 0;
        long value = 0;
        while (at < text.Length && char.IsAsciiDigit(text[at]))
            value = Math.Min((value * 10) + (text[at++] - '0'), int.MaxValue - 1);
        number = (int)value;
        return at;
    }

    // A log collector's prefix differs from line to line in its digits only.
    private static bool HasShape(ReadOnlySpan<char> text, ReadOnlySpan<char> shape)
    {
        if (text.Length < shape.Length)
            return false;
        for (int at = 0; at < shape.Length; at++)
        {
            if (text[at] != shape[at] && !(IsCount(text[at]) && IsCount(shape[at])))
                return false;
        }

        return true;

        static bool IsCount(char c) => c == ' ' || char.IsAsciiDigit(c);
    }
}
