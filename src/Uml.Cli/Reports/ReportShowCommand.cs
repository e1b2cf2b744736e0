using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml report show</c>: a report on a terminal.</summary>
internal static class ReportShowCommand
{
    private const int MessageLines = 12;

    public static Command Create()
    {
        Argument<string[]> files = ReportCommand.Files(ArgumentArity.OneOrMore);
        var all = new Option<bool>("--all", "-a") { Description = "Show every test, not only those that failed" };
        var command = new Command("show", "Show what failed, and a table over the kernels") { files, all };
        command.SetAction((result, _) => Task.FromResult(Show(result.GetValue(files)!, result.GetValue(all))));
        HelpText.Describe(command, "uml report show [--all] FILE...", """
            Several reports are shown as one. Colours are for terminals, and not where NO_COLOR is set.

            Exit status: 0, whatever the report says; 125 if it cannot be read.
            """);
        return command;
    }

    private static int Show(string[] files, bool all)
    {
        Report[] reports = [.. files.Select(ReportCommand.Read)];
        Report report = reports.Length == 1 ? reports[0] : Report.Merge(reports);
        var matrix = ReportMatrix.Of(report);
        ShowFailures(report, matrix);
        ShowTable(report, matrix, all);
        ShowVerdict(report);
        return 0;
    }

    private static void ShowFailures(Report report, ReportMatrix matrix)
    {
        foreach (ReportRun run in report.Runs)
        {
            foreach (ReportEntry entry in run.FailedOtherwise)
                ShowFailure(entry.Kind == ReportEntryKind.Complaint ? "KERNEL" : "ERROR", entry.Kind == ReportEntryKind.Complaint ? entry.Test.Message : run.Name, run.Kernel, entry.Test);
        }

        foreach (ReportMatrix.Row row in matrix.Rows.Where(r => r.Failed))
        {
            var groups = row.Tests.Select((t, i) => (Test: t, Kernel: matrix.Kernels[i])).Where(t => t.Test is not null && t.Test.Outcome.IsFailure())
                .GroupBy(t => (t.Test!.Outcome, t.Test.Message, t.Test.Details));
            foreach (var group in groups)
                ShowFailure(group.Key.Outcome.Words().ToUpperInvariant(), row.FullName, string.Join(", ", group.Select(g => g.Kernel).Where(k => k.Length > 0)), group.First().Test!);
        }
    }

    // No line begins as what a CI system takes for a command.
    private static void ShowFailure(string word, string name, string kernels, ReportTest test)
    {
        string where = kernels.Length > 0 ? $" [{Color.Line(kernels)}]" : "";
        Descriptor.Output.WriteLine($"{Color.Bad(word)} {Color.Strong(Color.Line(name))}{where}");
        if (test.SourceFile is { } file)
            Descriptor.Output.WriteLine($"  | {Color.Line(file)}{(test.SourceLine is { } line ? $":{line}" : "")}");
        string text = test.Message == name ? test.Details : test.Message.Length > 0 ? test.Message : test.Details;
        string[] lines = text.TrimEnd().Split('\n');
        foreach (string said in lines.Take(MessageLines).Where(l => text.Length > 0))
            Descriptor.Output.WriteLine($"  | {Color.Line(said.TrimEnd('\r'))}");
        if (lines.Length > MessageLines)
            Descriptor.Output.WriteLine($"  | ... {lines.Length - MessageLines} more lines");
    }

    private static void ShowTable(Report report, ReportMatrix matrix, bool all)
    {
        List<string[]> rows = [["", .. matrix.Kernels.Select(k => k.Length > 0 ? Color.Line(k) : "tests")]];
        foreach (ReportMatrix.Suite suite in matrix.Suites)
        {
            ReportMatrix.Row[] shown = [.. suite.Rows.Where(r => all || r.Failed)];
            string[] counts = [.. matrix.Kernels.Select((_, i) => string.Join(", ", ReportOutcomes.WorstFirst.Select(o => (Outcome: o, Count: suite.Rows.Count(r => r.Tests[i]?.Outcome == o))).Where(c => c.Count > 0).Select(c => $"{c.Count} {c.Outcome.Words()}")))];
            rows.Add([Color.Line(suite.Name), .. counts]);
            foreach (ReportMatrix.Row row in shown)
                rows.Add(["  " + Color.Line(row.Name), .. row.Tests.Select(Word)]);
        }

        Descriptor.Output.WriteLine("");
        rows.Add(["", .. matrix.Kernels.Select(_ => "")]);
        string[] Across(Func<ReportRun[], string> tell) => [.. matrix.Kernels.Select(k => tell([.. report.Runs.Where(r => r.Kernel == k)]))];
        foreach (ReportOutcome outcome in ReportOutcomes.WorstFirst.Where(o => report.Count(o) > 0))
            rows.Add([outcome.Words(), .. Across(r => r.Sum(x => x.Count(outcome)).ToString())]);
        if (report.Runs.Any(r => !r.FailedOtherwise.IsEmpty))
            rows.Add(["other problems", .. Across(r => r.Sum(x => x.FailedOtherwise.Length).ToString())]);
        if (report.Runs.Any(r => r.Release.Length > 0))
            rows.Add(["release", .. Across(r => r.Select(x => x.Release).FirstOrDefault(x => x.Length > 0) ?? "none")]);
        rows.Add(["time", .. Across(r => ReportText.Duration(TimeSpan.FromTicks(r.Sum(x => x.Duration.Ticks))))]);
        Table.Write(rows);
    }

    private static string Word(ReportTest? test) => test is null ? "-" : test.Outcome switch
    {
        ReportOutcome.Passed when test.Duration > TimeSpan.Zero => ReportText.Duration(test.Duration) + (test.Flaky ? ", flaky" : ""),
        var outcome => outcome.IsFailure() ? outcome.Words().ToUpperInvariant() : outcome.Words(),
    };

    private static void ShowVerdict(Report report)
    {
        string counts = string.Join(", ", ReportOutcomes.WorstFirst.Select(o => (Outcome: o, Count: report.Count(o))).Where(c => c.Count > 0).Select(c => $"{c.Count} {c.Outcome.Words()}"));
        Descriptor.Output.WriteLine($"\n{(report.Succeeded ? Color.Good("passed") : Color.Bad("FAILED"))}: {(counts.Length > 0 ? counts : "no tests")} in {ReportText.Duration(report.Duration)}");
    }
}
