using System.Globalization;
using System.Text;

namespace Uml.CI;

/// <summary>The kernel's own format: nested TAP (Documentation/dev-tools/ktap.rst).</summary>
/// <remarks>
/// A run of its own is the top level; several are a test each there. What is no test and failed is a test, as elsewhere. Other than
/// <see cref="KtapTreeWriter"/> it writes results of any origin, for people and CI systems to read: names and texts are made to fit.
/// </remarks>
internal static class KtapReportWriter
{
    private const int MostOutput = 256 * 1024;

    public static void Write(Report report, ReportTarget target)
    {
        using var to = new StreamWriter(target.Stream, new UTF8Encoding(false), 64 * 1024, leaveOpen: true) { NewLine = "\n" };
        var root = new Node("");
        foreach (ReportRun run in report.Runs)
        {
            Node top = root;
            if (report.Runs.Length > 1)
                root.Children.Add(top = new Node(run.Kernel.Length > 0 ? $"{run.Name} [{run.Kernel}]" : run.Name));
            foreach (ReportEntry entry in ReportEntry.Of(run))
                Place(top, entry.Test);
        }

        to.Write("KTAP version 1\n");
        WriteChildren(to, root, "");
    }

    private sealed class Node(string name)
    {
        private Dictionary<string, Node>? _suites;

        public string Name { get; } = name;

        public ReportTest? Test { get; init; }

        public List<Node> Children { get; } = [];

        public Node Suite(string name)
        {
            _suites ??= new Dictionary<string, Node>(StringComparer.Ordinal);
            if (!_suites.TryGetValue(name, out Node? suite))
                Children.Add(suite = _suites[name] = new Node(name));
            return suite;
        }
    }

    private static void Place(Node node, ReportTest test)
    {
        foreach (string suite in test.Path.Take(test.Path.Length - 1))
            node = node.Suite(suite);
        node.Children.Add(new Node(test.Name) { Test = test });
    }

    // As kunit does it: a suite with nothing but skipped tests is skipped.
    private static ReportOutcome WriteChildren(StreamWriter to, Node node, string indent)
    {
        to.Write(string.Create(CultureInfo.InvariantCulture, $"{indent}1..{node.Children.Count}\n"));
        ReportOutcome worst = ReportOutcome.Skipped;
        for (int i = 0; i < node.Children.Count; i++)
        {
            Node child = node.Children[i];
            ReportOutcome outcome;
            if (child.Test is { } test)
            {
                outcome = test.Outcome;
                Diagnose(to, indent, test.Message.Length > 0 && test.Outcome.IsFailure() ? test.Message : "");
                Diagnose(to, indent, test.Details);
                Diagnose(to, indent, ReportText.Tail(test.Output, MostOutput));
                if (test.Duration > TimeSpan.Zero)
                    to.Write(string.Create(CultureInfo.InvariantCulture, $"{indent}# duration: {test.Duration.TotalMilliseconds:0.###} ms\n"));
            }
            else
            {
                to.Write($"{indent}    KTAP version 1\n{indent}    # Subtest: {Description(child.Name)}\n");
                outcome = WriteChildren(to, child, indent + "    ");
            }

            to.Write(string.Create(CultureInfo.InvariantCulture, $"{indent}{(outcome.IsFailure() ? "not ok" : "ok")} {i + 1} {Description(child.Name)}{Directive(outcome, child.Test)}\n"));
            if (outcome.IsFailure())
                worst = ReportOutcome.Failed;
            else if (outcome is not (ReportOutcome.Skipped or ReportOutcome.NotRun) && !worst.IsFailure())
                worst = ReportOutcome.Passed;
        }

        return worst;
    }

    private static string Directive(ReportOutcome outcome, ReportTest? test)
    {
        string? word = outcome switch
        {
            ReportOutcome.Skipped => "SKIP",
            ReportOutcome.NotRun => "SKIP not run",
            ReportOutcome.ExpectedFailure => "XFAIL",
            ReportOutcome.TimedOut => "TIMEOUT",
            ReportOutcome.Error or ReportOutcome.Crashed => "ERROR",
            _ => null,
        };
        string why = test is null ? "" : Line(ReportText.FirstLine(test.Message)).Replace('#', ' ');
        return word is null ? "" : why.Length > 0 ? $" # {word} {why}" : $" # {word}";
    }

    private static void Diagnose(StreamWriter to, string indent, string text)
    {
        if (text.Length == 0)
            return;
        foreach (ReadOnlySpan<char> line in text.AsSpan().TrimEnd().EnumerateLines())
            to.Write($"{indent}# {Line(line.ToString())}\n");
    }

    // A number sign would begin a directive, and there is no way to say that it does not.
    private static string Description(string name) => Line(name).Replace("#", "%23", StringComparison.Ordinal).Trim() is { Length: > 0 } said ? said : "unnamed";

    private static string Line(string text) =>
        HtmlText.WithoutSequences(text).ReplaceLineEndings(" ") is var line && line.Any(char.IsControl) ? string.Concat(line.Select(c => char.IsControl(c) && c != '\t' ? '?' : c)) : line;
}
