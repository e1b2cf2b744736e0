using System.Globalization;
using System.Text;

namespace Uml.CI;

/// <summary>Markdown for a job's summary on GitHub: what failed first, all else folded, never longer than GitHub takes.</summary>
/// <remarks>
/// What tests said stands in HTML that is escaped, so that it is neither markup nor a mention; and no line begins with what
/// a runner takes for a command, in case the text is printed to a job's log.
/// </remarks>
internal sealed class MarkdownWriter
{
    private const int MostDetails = 4000;
    private const int MostInCell = 200;
    private const int MostFailures = 500;
    private const int MostRows = 3000;
    private const int Reserve = 2048;

    private readonly Report _report;
    private readonly ReportMatrix _matrix;
    private readonly string _title;
    private readonly StringBuilder _text = new();
    private int _left;

    private MarkdownWriter(Report report, ReportWriteOptions options)
    {
        _report = report;
        _matrix = ReportMatrix.Of(report);
        _title = options.Title.Length > 0 ? options.Title : string.Join(", ", report.Runs.Select(r => r.Name).Distinct(StringComparer.Ordinal));
        _left = options.MarkdownLimit - Reserve;
    }

    public static void Write(Report report, ReportTarget target)
    {
        var writer = new MarkdownWriter(report, target.Options);
        writer.Compose();
        target.Stream.Write(Encoding.UTF8.GetBytes(writer._text.ToString()));
    }

    private void Compose()
    {
        TryAdd($"## {(_report.Succeeded ? "✅" : "❌")} {Code(_title)}: {Summary()}\n\n");
        if (_matrix.Kernels is not ([] or [""]))
            AddKernels();
        AddFailures();
        AddComplaints();
        AddMatrix();
    }

    private string Summary()
    {
        List<string> parts = [.. ReportOutcomes.WorstFirst.Select(o => (Outcome: o, Count: _report.Count(o))).Where(c => c.Count > 0).Select(c => Invariant($"{c.Count} {c.Outcome.Words()}"))];
        int others = _report.Runs.Sum(r => r.FailedOtherwise.Length);
        if (others > 0)
            parts.Insert(0, ReportText.Count(others, "problem outside tests", "problems outside tests"));
        return parts.Count > 0 ? $"{string.Join(", ", parts)} in {ReportText.Duration(_report.Duration)}" : "no tests";
    }

    private void AddKernels()
    {
        ReportOutcome[] outcomes = [.. ReportOutcomes.WorstFirst.Where(o => _report.Count(o) > 0)];
        var table = new StringBuilder();
        table.Append($"| kernel | release |{string.Concat(outcomes.Select(o => $" {o.Words()} |"))} problems | time |\n|---|---|{string.Concat(outcomes.Select(_ => "--:|"))}--:|--:|\n");
        foreach (string kernel in _matrix.Kernels)
        {
            ReportRun[] runs = [.. _report.Runs.Where(r => r.Kernel == kernel)];
            string release = string.Join(", ", runs.Select(r => r.Release).Where(r => r.Length > 0).Distinct(StringComparer.Ordinal));
            table.Append(Invariant($"| {(runs.All(r => r.Succeeded) ? "✅" : "❌")} {Code(kernel.Length > 0 ? kernel : "none")} | {(release.Length > 0 ? Code(release) : "did not come up")} |{string.Concat(outcomes.Select(o => Invariant($" {runs.Sum(r => r.Count(o))} |")))} {runs.Sum(r => r.FailedOtherwise.Length)} | {ReportText.Duration(TimeSpan.FromTicks(runs.Sum(r => r.Duration.Ticks)))} |\n"));
        }

        TryAdd(table.Append('\n').ToString());
    }

    private void AddFailures()
    {
        var others = _report.Runs.SelectMany(r => r.FailedOtherwise.Where(e => e.Kind != ReportEntryKind.Complaint).Select(e => (Run: r, e.Test))).ToArray();
        ReportMatrix.Row[] failed = [.. _matrix.Rows.Where(r => r.Failed)];
        if (others.Length + failed.Length == 0)
            return;
        TryAdd("### Failures\n\n");
        int added = 0;
        foreach ((ReportRun run, ReportTest test) in others)
        {
            string where = run.Kernel.Length > 0 ? $" on {Code(run.Kernel)}" : "";
            if (!TryAdd(Fold($"❌ {Code(run.Name)}{where}: {Said(test.Message)}", [("", test)])))
                break;
            added++;
        }

        foreach (ReportMatrix.Row row in failed)
        {
            if (added >= MostFailures || added < others.Length)
                break;
            var groups = row.Tests.Select((t, i) => (Test: t, Kernel: _matrix.Kernels[i])).Where(t => t.Test is not null && t.Test.Outcome.IsFailure())
                .GroupBy(t => (t.Test!.Outcome, t.Test.Message, t.Test.Details)).ToArray();
            string kernels = string.Join(", ", groups.SelectMany(g => g).Where(t => t.Kernel.Length > 0).Select(t => Code(t.Kernel)));
            ReportTest first = groups[0].First().Test!;
            string title = $"❌ {Code(row.FullName)}{(kernels.Length > 0 ? $" on {kernels}" : "")}: {Said(first.Message.Length > 0 ? first.Message : first.Outcome.Words())}";
            string full = Fold(title, [.. groups.Select(g => (string.Join(", ", g.Select(t => t.Kernel)), g.First().Test!))]);

            // Where the room goes to an end, names are worth more than details.
            if (full.Length > _left / 8 ? !TryAdd($"- {title}\n") : !TryAdd(full))
                break;
            added++;
        }

        int left = others.Length + failed.Length - added;
        if (left > 0)
            _text.Append(Invariant($"\n…and {left} more.\n"));
        _text.Append('\n');
    }

    private static string Fold(string title, (string Kernels, ReportTest Test)[] tests)
    {
        var fold = new StringBuilder($"<details><summary>{title}</summary>\n\n");
        foreach ((string kernels, ReportTest test) in tests)
        {
            if (tests.Length > 1)
                fold.Append($"{test.Outcome.Words()} on {Code(kernels)}:\n\n");
            if (test.SourceFile is { } file)
                fold.Append($"{Code(file + (test.SourceLine is { } line ? Invariant($":{line}") : ""))}\n\n");
            string said = string.Join('\n', ((string[])[ReportText.Head(test.Message, MostDetails), ReportText.Head(test.Details, MostDetails)]).Where(t => t.Length > 0));
            if (test.Output.Length > 0)
                said += $"\n\n{ReportText.Tail(test.Output, MostDetails)}";
            if (said.Length > 0)
                fold.Append(Pre(said));
        }

        return fold.Append("</details>\n\n").ToString();
    }

    private void AddComplaints()
    {
        var all = _report.Runs.SelectMany(r => r.Complaints.Select(c => (Run: r, Complaint: c))).ToArray();
        if (all.Length == 0)
            return;
        TryAdd("### Kernel complaints\n\n");
        foreach (var same in all.GroupBy(c => (c.Complaint.Title, c.Complaint.AllowedBecause)).OrderBy(g => g.Key.AllowedBecause is not null))
        {
            ReportComplaint first = same.First().Complaint;
            string where = string.Join(", ", same.Select(s => s.Run.Kernel).Where(k => k.Length > 0).Distinct(StringComparer.Ordinal).Select(Code));
            string title = $"{(first.AllowedBecause is null ? "❌" : "➖")} {Code(first.Title)}{(where.Length > 0 ? $" on {where}" : "")}{(first.AllowedBecause is { } reason ? $", allowed: {Said(reason)}" : "")}";
            if (!TryAdd($"<details><summary>{title}</summary>\n\n{(first.Text.Length > 0 ? Pre(ReportText.Head(first.Text, MostDetails)) : "")}</details>\n\n"))
                break;
        }
    }

    private void AddMatrix()
    {
        if (_matrix.Suites.Count == 0)
            return;
        string head = $"| test | {string.Join(" | ", _matrix.Kernels.Select(k => Code(k.Length > 0 ? k : "outcome")))} |\n|---|{string.Concat(_matrix.Kernels.Select(_ => "---|"))}\n";
        int rows = 0;
        int shown = 0;
        foreach (ReportMatrix.Suite suite in _matrix.Suites)
        {
            string counts = string.Join("; ", _matrix.Kernels.Select((_, i) => string.Join(", ", ReportOutcomes.WorstFirst.Select(o => (Outcome: o, Count: suite.Rows.Count(r => r.Tests[i]?.Outcome == o)))
                .Where(c => c.Count > 0).Select(c => Invariant($"{c.Count} {c.Outcome.Words()}")))).Where(c => c.Length > 0).Distinct(StringComparer.Ordinal));
            var fold = new StringBuilder($"<details><summary>{(suite.Rows.Exists(r => r.Failed) ? "❌" : "✅")} {Code(suite.Name)}: {counts}</summary>\n\n{head}");
            foreach (ReportMatrix.Row row in suite.Rows)
                fold.Append($"| {Code(row.Name)} | {string.Join(" | ", row.Tests.Select(Cell))} |\n");
            if (shown == 0 && !TryAdd("### Tests\n\n") || rows + suite.Rows.Count > MostRows || !TryAdd(fold.Append("\n</details>\n\n").ToString()))
                break;
            rows += suite.Rows.Count;
            shown++;
        }

        if (shown < _matrix.Suites.Count)
            _text.Append(Invariant($"\n…and {_matrix.Suites.Count - shown} more suites.\n"));
    }

    private static string Cell(ReportTest? test) => test is null ? "" : test.Outcome switch
    {
        ReportOutcome.Passed => $"✅ {(test.Duration > TimeSpan.Zero ? ReportText.Duration(test.Duration).Replace("<", "&lt;", StringComparison.Ordinal) : "passed")}{(test.Flaky ? " (flaky)" : "")}",
        ReportOutcome.Skipped or ReportOutcome.NotRun => $"➖ {test.Outcome.Words()}",
        ReportOutcome.ExpectedFailure => $"⚠️ {test.Outcome.Words()}",
        _ => $"❌ {test.Outcome.Words()}",
    };

    private bool TryAdd(string text)
    {
        int size = Encoding.UTF8.GetByteCount(text);
        if (size > _left)
            return false;
        _left -= size;
        _text.Append(text);
        return true;
    }

    // In <code>, GitHub makes no mentions or links of anything.
    private static string Code(string text) => $"<code>{Escape(Brief(text))}</code>";

    private static string Said(string text) => Escape(Brief(ReportText.FirstLine(text)));

    private static string Brief(string text)
    {
        string line = text.ReplaceLineEndings(" ");
        return line.Length > MostInCell ? line[..(char.IsHighSurrogate(line[MostInCell - 1]) ? MostInCell - 1 : MostInCell)] + "…" : line;
    }

    // Everything that Markdown or GitHub gives a meaning to, as a character reference: those have none.
    private static string Escape(string text)
    {
        text = HtmlText.WithoutSequences(text);
        var html = new StringBuilder(text.Length + 16);

        // :word: would be a picture, and a command has two; one alone is nothing. Within a word, neither is a low line.
        bool colons = text.AsSpan().Count(':') > 1 || text.Contains("//", StringComparison.Ordinal);
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            bool inWord = i > 0 && i + 1 < text.Length && char.IsAsciiLetterOrDigit(text[i - 1]) && char.IsAsciiLetterOrDigit(text[i + 1]);
            if (c is '\\' or '`' or '*' or '[' or ']' or '<' or '>' or '&' or '"' or '\'' or '#' or '|' or '~' or '@' or '$' or '!' || c == ':' && colons || c == '_' && !inWord)
                html.Append(CultureInfo.InvariantCulture, $"&#{(int)c};");
            else
                html.Append(c);
        }

        return Visible(html.ToString());
    }

    private static string Pre(string text) =>
        $"<pre>\n{HtmlText.Of(text.TrimEnd()).Replace("::", "&#58;&#58;", StringComparison.Ordinal).Replace("##[", "&#35;&#35;[", StringComparison.Ordinal)}\n</pre>\n\n";

    // What cannot be seen, or turns the text around it.
    private static string Visible(string text) => text.AsSpan().ContainsAnyInRange('\u202a', '\u202e') || text.AsSpan().ContainsAnyInRange('\u2066', '\u2069') || text.AsSpan().ContainsAnyInRange('\0', '\u001f') || text.AsSpan().ContainsAnyInRange('\ud800', '\udfff')
        ? HtmlText.Of(text).Replace("&amp;", "&", StringComparison.Ordinal)
        : text;

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
