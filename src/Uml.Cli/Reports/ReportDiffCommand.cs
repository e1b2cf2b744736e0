using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.Json;

namespace Uml.CI.Cli;

/// <summary><c>uml report diff</c>: what changed from one run to the next.</summary>
internal static class ReportDiffCommand
{
    private const int NewlyFailing = 1;
    private const int MostShown = 20;

    // In the order in which they are shown.
    private static readonly (ReportChange Change, string Words, string Json, bool Whole)[] Changes =
    [
        (ReportChange.NewlyFailing, "newly failing", "newlyFailing", true),
        (ReportChange.StillFailing, "still failing", "stillFailing", false),
        (ReportChange.Fixed, "fixed", "fixed", true),
        (ReportChange.Flaky, "flaky", "flaky", true),
        (ReportChange.Slower, "slower", "slower", true),
        (ReportChange.NoLongerRun, "no longer run", "noLongerRun", false),
        (ReportChange.New, "new", "new", false),
        (ReportChange.Gone, "gone", "gone", false),
    ];

    public static Command Create()
    {
        var older = new Argument<string>("OLD") { Description = "The report to compare with; KERNEL=FILE and \"-\" as in the other commands" };
        var newer = new Argument<string>("NEW") { Description = "The newer report" };
        var json = new Option<bool>("--json") { Description = "Print JSON" };
        var all = new Option<bool>("--all", "-a") { Description = $"Name all tests, also beyond the first {MostShown} that are new, gone or fail still" };
        var factor = new Option<double>("--slower") { HelpName = "FACTOR", Description = "How many times as long a test takes that counts as slower. Default: 1.5", DefaultValueFactory = _ => new ReportDiffOptions().SlowerFactor, CustomParser = ParseFactor };
        var by = new Option<TimeSpan?>("--slower-by") { HelpName = "TIME", Description = "How much longer it takes at least. Default: 100ms", CustomParser = GuestOptionSet.ParseDuration };
        var command = new Command("diff", "Show what is newly failing, fixed, flaky or slower from one report to another") { older, newer, json, all, factor, by };
        command.SetAction((result, _) => Task.FromResult(Compare(
            result.GetValue(older)!, result.GetValue(newer)!, result.GetValue(json), result.GetValue(all),
            new ReportDiffOptions { SlowerFactor = result.GetValue(factor), SlowerBy = result.GetValue(by) ?? new ReportDiffOptions().SlowerBy })));
        HelpText.Describe(command, "uml report diff [options] OLD NEW", """
            Tests are matched by name and kernel. Reports of one kernel each are compared whatever their
            kernels: "uml report diff 6.1.json 7.3.json" shows what a newer kernel broke.

            Exit status: 0; 1 if something is newly failing, and only then; 125 if a report cannot be read.
            """);
        return command;
    }

    private static int Compare(string older, string newer, bool json, bool all, ReportDiffOptions options)
    {
        if (older == "-" && newer == "-")
            throw new ArgumentException("both reports cannot be standard input");
        ReportDiff diff = ReportDiff.Compare(ReportCommand.Read(older), ReportCommand.Read(newer), options);
        if (json)
            Json.Print(writer => Write(writer, diff));
        else
            Show(diff, all);
        return diff.Of(ReportChange.NewlyFailing).Any() ? NewlyFailing : 0;
    }

    private static void Show(ReportDiff diff, bool all)
    {
        if (diff.Kernels.Length > 0)
            Descriptor.Output.WriteLine($"kernels: {Color.Line(diff.Kernels)}\n");
        foreach ((ReportChange change, string words, _, bool whole) in Changes)
        {
            ReportDifference[] tests = [.. diff.Of(change)];
            if (tests.Length == 0)
                continue;
            string title = $"{words} ({tests.Length})";
            Descriptor.Output.WriteLine(change switch
            {
                ReportChange.NewlyFailing => Color.Bad(title),
                ReportChange.Fixed => Color.Good(title),
                ReportChange.New or ReportChange.Gone => Color.Strong(title),
                _ => Color.Dubious(title),
            });
            int shown = whole || all ? tests.Length : Math.Min(tests.Length, MostShown);
            foreach (ReportDifference test in tests.Take(shown))
                Show(test);
            if (shown < tests.Length)
                Descriptor.Output.WriteLine($"  ... {tests.Length - shown} more; --all names them");
            Descriptor.Output.WriteLine("");
        }

        Descriptor.Output.WriteLine($"{string.Join(", ", Changes.Select(c => (c.Words, Count: diff.Of(c.Change).Count())).Where(c => c.Count > 0).Select(c => $"{c.Count} {c.Words}").Append($"{diff.Unchanged} unchanged"))}");
    }

    private static void Show(ReportDifference test)
    {
        string where = test.Kernel.Length > 0 ? $" [{Color.Line(test.Kernel)}]" : "";
        string what = test.Change switch
        {
            ReportChange.Slower => $"  {ReportText.Duration(test.Old!.Duration)} -> {ReportText.Duration(test.New!.Duration)} ({(test.New.Duration / test.Old.Duration).ToString("0.0", CultureInfo.InvariantCulture)} times)",
            ReportChange.NewlyFailing or ReportChange.StillFailing => $"  {test.Old?.Outcome.Words() ?? "not there"} -> {test.New!.Outcome.Words()}",
            ReportChange.NoLongerRun => $"  {test.Old!.Outcome.Words()} -> {test.New!.Outcome.Words()}",
            ReportChange.Flaky => $"  passed after {test.New!.Attempts} attempts",
            _ => "",
        };
        Descriptor.Output.WriteLine($"  {Color.Line(test.Name)}{where}{what}");
        if (test.Change == ReportChange.NewlyFailing && ReportText.FirstLine(test.New!.Message) is { Length: > 0 } message)
            Descriptor.Output.WriteLine($"    | {Color.Line(message)}");
    }

    private static void Write(Utf8JsonWriter json, ReportDiff diff)
    {
        json.WriteStartObject();
        json.WriteNumber("version", 1);
        foreach ((ReportChange change, _, string name, _) in Changes)
        {
            json.WriteStartArray(name);
            foreach (ReportDifference test in diff.Of(change))
            {
                json.WriteStartObject();
                json.WriteString("name", test.Name);
                json.WriteString("run", test.Run);
                json.WriteString("kernel", test.Kernel);
                Write(json, "old", test.Old);
                Write(json, "new", test.New);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteNumber("unchanged", diff.Unchanged);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string name, ReportTest? test)
    {
        if (test is null)
            return;
        json.WriteStartObject(name);
        json.WriteString("outcome", test.Outcome.Words());
        json.WriteNumber("milliseconds", Math.Round(test.Duration.TotalMilliseconds, 3));
        if (test.Message.Length > 0)
            json.WriteString("message", test.Message);
        if (test.SourceFile is { } file)
            json.WriteString("file", file);
        if (test.SourceLine is { } line)
            json.WriteNumber("line", line);
        json.WriteEndObject();
    }

    private static double ParseFactor(ArgumentResult result)
    {
        if (double.TryParse(result.Tokens[0].Value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double factor) && factor >= 1)
            return factor;
        result.AddError($"\"{result.Tokens[0].Value}\" is not how many times as long something takes: write a number from 1, such as 1.5");
        return 1;
    }
}
