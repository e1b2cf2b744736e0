using System.Globalization;

namespace Uml.CI;

/// <summary>
/// Writes what <see cref="KtapParser"/> read from a kernel as KTAP version 1 again, for kernel people's tools: the tree with all it
/// knows. <see cref="KtapReportWriter"/> is for reports, which come from tools of any kind and have less.
/// </summary>
/// <remarks>
/// The parser reads the same tree back, except that log lines in which a result or a header could be seen get a backslash there,
/// that a plan whose tests are not all in the tree is left out, and that "ok" becomes "not ok" where nothing else would show why a
/// test failed. Durations and the outcomes KTAP has no word for are written in a way other readers pass over or take for failures:
/// "# name.duration: 0.25s", "not ok 2 name # CRASHED why", "# NOTRUN why".
/// </remarks>
public static class KtapTreeWriter
{
    private const int IndentStep = 2;

    /// <summary>The tree as text.</summary>
    /// <param name="root">As <see cref="KtapResults.Root"/>: its subtests are the tests of the top level.</param>
    public static string Write(KtapTest root)
    {
        using StringWriter writer = new(CultureInfo.InvariantCulture) { NewLine = "\n" };
        Write(writer, root);
        return writer.ToString();
    }

    /// <summary>Writes the tree.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="root">As <see cref="KtapResults.Root"/>: its subtests are the tests of the top level.</param>
    public static void Write(TextWriter writer, KtapTest root)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(root);
        writer.Write("KTAP version 1\n");
        if (root.Plan is { } plan && plan <= root.Subtests.Length)
        {
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"1..{plan}"));
            if (root.Directive == KtapDirective.Skip)
                writer.Write(root.Reason.Length > 0 ? " # SKIP " + OneLine(root.Reason) : " # SKIP");
            writer.Write('\n');
        }

        foreach (KtapTest test in root.Subtests)
            WriteTest(writer, test, 0);
        // A run may fail as a whole: KUnit's executor could not start, the totals knew of more failures.
        if (root.Outcome.IsFailure() && root.Counts.Bad == 0 && !root.Subtests.IsEmpty && !root.Log.Any(line => !line.IsDiagnostic && line.Text.StartsWith("Bail out!", StringComparison.Ordinal)))
            writer.Write("Bail out! the run failed outside of its tests\n");
        WriteLog(writer, root.Log.AsSpan(), "");
    }

    private static void WriteTest(TextWriter writer, KtapTest test, int level)
    {
        string indent = new(' ', level * IndentStep);
        string name = OneLine(test.Name);
        int within = 0;
        if (test.IsSuite)
        {
            string inner = new(' ', (level + 1) * IndentStep);
            writer.Write(inner + "KTAP version 1\n");
            if (name.Length > 0)
                writer.Write($"{inner}# Subtest: {name}\n");
            if (test.Plan is { } plan && plan <= test.Subtests.Length)
                writer.Write(string.Create(CultureInfo.InvariantCulture, $"{inner}1..{plan}\n"));
            foreach (KtapTest subtest in test.Subtests)
                WriteTest(writer, subtest, level + 1);

            // kselftest's totals are about the level they are printed at.
            within = TotalsEnd(test);
            WriteLog(writer, test.Log.AsSpan()[..within], inner);
        }

        WriteLog(writer, test.Log.AsSpan()[within..], indent);
        foreach ((string key, string value) in test.Attributes)
            writer.Write($"{indent}# {name}.{key}: {OneLine(value)}\n");
        if (test.Duration is { } duration)
            writer.Write(string.Create(CultureInfo.InvariantCulture, $"{indent}# {name}.duration: {(decimal)duration.Ticks / TimeSpan.TicksPerSecond:0.0######}s\n"));

        // "ok" with an outcome that nothing else here shows would read as good.
        bool ok = test.IsOk && (!test.Outcome.IsFailure() || test.Outcome == KtapOutcome.NoTests || test.Directive != KtapDirective.None || test.Subtests.Any(subtest => subtest.Outcome.IsFailure()));
        string escaped = name.Replace("#", "\\#", StringComparison.Ordinal);
        writer.Write(string.Create(CultureInfo.InvariantCulture, $"{indent}{(ok ? "ok" : "not ok")} {test.Number}"));
        if (escaped.Length > 0)
            writer.Write((escaped[0] is '-' or ':' ? " - " : " ") + escaped);
        string? directive = Word(test.Directive);
        string reason = OneLine(test.Reason);
        if (directive is not null || reason.Length > 0)
            writer.Write(" # " + directive + (directive is not null && reason.Length > 0 ? " " : "") + reason);
        writer.Write('\n');
    }

    private static string? Word(KtapDirective directive) => directive switch
    {
        KtapDirective.None => null,
        KtapDirective.Skip => "SKIP",
        KtapDirective.Todo => "TODO",
        KtapDirective.XFail => "XFAIL",
        KtapDirective.XPass => "XPASS",
        KtapDirective.Timeout => "TIMEOUT",
        KtapDirective.Error => "ERROR",
        KtapDirective.Crashed => "CRASHED",
        _ => "NOTRUN",
    };

    private static int TotalsEnd(KtapTest test)
    {
        for (int at = test.Log.Length; at > 0; at--)
        {
            KtapLogLine line = test.Log[at - 1];
            if (line.IsDiagnostic && line.Text.StartsWith("Totals: ", StringComparison.Ordinal) && KtapTotals.Parse(line.Text, 0) is { IsKselftest: true })
                return at;
        }

        return 0;
    }

    private static void WriteLog(TextWriter writer, ReadOnlySpan<KtapLogLine> log, string indent)
    {
        foreach (KtapLogLine line in log)
        {
            string text = OneLine(line.Text);
            if (!line.IsDiagnostic)
            {
                writer.Write(Quote(text));
            }
            else
            {
                string marked = "# " + text;
                writer.Write(indent);
                writer.Write(KtapLine.Read(marked, []).Kind is KtapLineKind.Diagnostic or KtapLineKind.BailOut ? marked : "# \\" + text);
            }

            writer.Write('\n');
        }
    }

    // Results and version lines are found behind other text as well.
    private static string Quote(string text)
    {
        var line = KtapLine.Read(text, []);
        if (line.Kind is not (KtapLineKind.Other or KtapLineKind.BailOut) || line.Content.StartsWith("Linux version ", StringComparison.Ordinal) || line.Content.StartsWith("kunit executor: ", StringComparison.Ordinal))
            text = "\\" + text;
        for (int at = text.IndexOf("ok ", StringComparison.Ordinal); at >= 0; at = text.IndexOf("ok ", at + 3, StringComparison.Ordinal))
        {
            if (KtapLine.TryReadResult(text.AsSpan(at), out _))
                text = text.Insert(at + 2, "\\");
        }

        int version = text.LastIndexOf("TAP version ", StringComparison.Ordinal);
        return version >= 0 && KtapLine.Read(text.AsSpan(version), []).Kind is KtapLineKind.Version ? text + "\\" : text;
    }

    private static string OneLine(string text) =>
        text.AsSpan().ContainsAny('\r', '\n') ? text.Replace("\r\n", " ", StringComparison.Ordinal).Replace('\n', ' ').Replace('\r', ' ') : text;
}
