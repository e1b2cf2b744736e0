using System.Collections.Immutable;
using System.Text.Json;

namespace Uml.CI;

/// <summary>Reads the Common Test Report Format: ours with the whole model, that of others as far as it goes.</summary>
internal static class CtrfReader
{
    public static Report Read(Stream stream, string name)
    {
        using JsonDocument json = JsonDocument.Parse(stream, new JsonDocumentOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip });
        JsonElement root = json.RootElement;
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("results", out JsonElement results) || results.ValueKind != JsonValueKind.Object)
            throw new ReportException(name, "it has no object \"results\", as CTRF has");
        if (Member(results, "tests") is not { ValueKind: JsonValueKind.Array } tests)
            throw new ReportException(name, "it has no array \"results.tests\", as CTRF has");

        JsonElement? tool = Member(results, "tool");
        JsonElement? summary = Member(results, "summary");
        string toolName = Text(tool, "name") is { Length: > 0 } said ? said : "CTRF";
        DateTimeOffset? start = Moment(summary, "start");
        List<RunBuilder> runs = [.. Runs(results).Select(r => new RunBuilder(r))];
        bool ours = runs.Count > 0;
        if (!ours)
            runs.Add(new RunBuilder(new ReportRun { Name = toolName, Started = start, Duration = Milliseconds(summary, "duration") }));
        foreach (JsonElement test in tests.EnumerateArray())
        {
            if (test.ValueKind != JsonValueKind.Object)
                throw new ReportException(name, $"something in \"results.tests\" is no object but {test.ValueKind}");
            JsonElement? extra = Member(Member(test, "extra"), CtrfWriter.Extension);
            int run = ours ? Number(extra, "run") ?? 0 : 0;
            if (run < 0 || run >= runs.Count)
                throw new ReportException(name, $"a test belongs to run {run}, and there are {runs.Count}");
            string kind = Text(extra, "entry");

            // Errors and complaints stand in the run with more than an entry has.
            if (kind is not ("error" or "complaint"))
                runs[run].Add(kind, Test(test, extra));
        }

        Report report = Report.Of(runs.Select(r => r.Build())) with { Tool = toolName, ToolVersion = Text(tool, "version") };
        TimeSpan duration = Milliseconds(summary, "duration");
        return duration > TimeSpan.Zero ? report with { Started = report.Started ?? start, Duration = duration } : report;
    }

    private static IEnumerable<ReportRun> Runs(JsonElement results)
    {
        foreach (JsonElement run in Items(Member(Member(results, "extra"), CtrfWriter.Extension), "runs"))
        {
            JsonElement? status = Member(run, "exitStatus");
            ImmutableSortedDictionary<string, string>.Builder properties = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
            if (Member(run, "properties") is { ValueKind: JsonValueKind.Object } all)
            {
                foreach (JsonProperty property in all.EnumerateObject())
                    properties[property.Name] = property.Value.ToString();
            }

            yield return new ReportRun
            {
                Name = Text(run, "name"),
                Kernel = Text(run, "kernel"),
                Release = Text(run, "release"),
                Environment = Text(run, "environment"),
                Started = XmlInput.Moment(Text(run, "started")),
                Duration = Seconds(run, "seconds"),
                ExitStatus = status is null ? null : Number(run, "exitStatus"),
                Errors = [.. Items(run, "errors").Select(e => new ReportError(Text(e, "message"), Text(e, "details")))],
                Complaints =
                [
                    .. Items(run, "complaints").Select(c => new ReportComplaint
                    {
                        Kind = Text(c, "kind"),
                        Title = Text(c, "title"),
                        Text = Text(c, "text"),
                        SourceFile = Optional(c, "file"),
                        SourceLine = Number(c, "line"),
                        AllowedBecause = Optional(c, "allowedBecause"),
                    }),
                ],
                Properties = properties.ToImmutable(),
                KernelLog = Optional(run, "kernelLog"),
                KernelLogFile = Optional(run, "kernelLogFile"),
            };
        }
    }

    private static ReportTest Test(JsonElement test, JsonElement? extra)
    {
        ImmutableArray<string> path = [.. Items(extra, "path").Select(p => p.ToString())];
        if (path.IsEmpty)
            path = [.. Suites(test), Text(test, "name") is { Length: > 0 } name ? name : "unnamed"];
        int retries = Number(test, "retries") ?? 0;
        return new ReportTest
        {
            Path = path,
            Outcome = Outcome(Text(test, "status"), Text(test, "rawStatus")),
            Duration = extra is not null ? Seconds(extra, "seconds") : Milliseconds(test, "duration"),
            Started = Moment(test, "start"),
            Message = Text(test, "message"),
            Details = Text(test, "trace"),
            ErrorType = Text(extra, "errorType"),
            Output = string.Join('\n', Items(test, "stdout").Concat(Items(test, "stderr")).Select(l => l.ToString())),
            SourceFile = Optional(test, "filePath"),
            SourceLine = Number(test, "line"),
            Traits = [.. Traits(test, extra is not null)],
            Attempts = retries is > 0 and < 10_000 ? retries + 1 : 1,
            Flaky = Member(test, "flaky") is { ValueKind: JsonValueKind.True },
            Attachments =
            [
                .. Items(test, "attachments").Select(a => new ReportAttachment { Name = Text(a, "name"), MediaType = Text(a, "contentType"), File = Optional(a, "path") }),
            ],
        };
    }

    // A list in the newer versions of the format, a text in the older.
    private static IEnumerable<string> Suites(JsonElement test) => Member(test, "suite") switch
    {
        { ValueKind: JsonValueKind.String } suite => [suite.GetString()!],
        { ValueKind: JsonValueKind.Array } => Items(test, "suite").Select(s => s.ToString()).Where(s => s.Length > 0),
        _ => [],
    };

    private static IEnumerable<(string Name, string Value)> Traits(JsonElement test, bool ours)
    {
        foreach (JsonElement tag in Items(test, "tags"))
            yield return ("tag", tag.ToString());
        if (Member(test, "labels") is not { ValueKind: JsonValueKind.Object } labels)
            yield break;
        foreach (JsonProperty label in labels.EnumerateObject())
        {
            if (ours && label.Name == "kernel")
                continue;
            if (label.Value.ValueKind != JsonValueKind.Array)
            {
                yield return (label.Name, label.Value.ToString());
                continue;
            }

            foreach (JsonElement value in label.Value.EnumerateArray())
                yield return (label.Name, value.ToString());
        }
    }

    private static ReportOutcome Outcome(string status, string raw) => (status, ReportOutcomes.OfWords(raw)) switch
    {
        ("passed", _) => ReportOutcome.Passed,
        ("skipped", _) => ReportOutcome.Skipped,
        ("pending", _) => ReportOutcome.NotRun,
        ("failed", { } word) when word.IsFailure() => word,
        ("failed", _) => ReportOutcome.Failed,
        ("other", ReportOutcome.ExpectedFailure) => ReportOutcome.ExpectedFailure,
        _ when raw.Contains("time", StringComparison.OrdinalIgnoreCase) => ReportOutcome.TimedOut,

        // Whatever it was, it was no success.
        _ => ReportOutcome.Error,
    };

    private static JsonElement? Member(JsonElement? element, string name) =>
        element is { ValueKind: JsonValueKind.Object } parent && parent.TryGetProperty(name, out JsonElement member) && member.ValueKind != JsonValueKind.Null ? member : null;

    private static JsonElement.ArrayEnumerator Items(JsonElement? element, string name) =>
        Member(element, name) is { ValueKind: JsonValueKind.Array } array ? array.EnumerateArray() : default;

    private static string Text(JsonElement? element, string name) => Optional(element, name) ?? "";

    private static string? Optional(JsonElement? element, string name) => Member(element, name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    private static double? Real(JsonElement? element, string name) =>
        Member(element, name) is { ValueKind: JsonValueKind.Number } number && number.TryGetDouble(out double value) ? value : null;

    private static int? Number(JsonElement? element, string name) => Real(element, name) is >= int.MinValue and <= int.MaxValue and var value ? (int)value : null;

    private static TimeSpan Seconds(JsonElement? element, string name) => XmlInput.Time(Real(element, name) ?? 0);

    private static TimeSpan Milliseconds(JsonElement? element, string name) => XmlInput.Time((Real(element, name) ?? 0) / 1000);

    private static DateTimeOffset? Moment(JsonElement? element, string name) =>
        Real(element, name) is > 0 and < 4e12 and var milliseconds ? DateTimeOffset.FromUnixTimeMilliseconds((long)milliseconds) : null;
}
