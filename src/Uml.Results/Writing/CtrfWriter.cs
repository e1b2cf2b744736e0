using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Uml.CI;

/// <summary>The Common Test Report Format. What it has no word for stands in its extension points, so that nothing of the model is lost.</summary>
internal static class CtrfWriter
{
    /// <summary>The version of the specification that this is.</summary>
    public const string SpecVersion = "0.0.0";

    /// <summary>The member of the extension points that holds ours.</summary>
    public const string Extension = "uml";

    private const int MostLog = 8 * 1024 * 1024;
    private const int MostOutput = 1024 * 1024;
    private const int FlushAt = 64 * 1024;

    public static void Write(Report report, ReportTarget target)
    {
        using var json = new Utf8JsonWriter(target.Stream, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        json.WriteStartObject();
        json.WriteString("reportFormat", "CTRF");
        json.WriteString("specVersion", SpecVersion);
        json.WriteString("generatedBy", "Uml.CI");
        json.WriteStartObject("results");
        json.WriteStartObject("tool");
        json.WriteString("name", report.Tool.Length > 0 ? report.Tool : "unknown");
        if (report.ToolVersion.Length > 0)
            json.WriteString("version", report.ToolVersion);
        json.WriteEndObject();
        ReportEntry[][] entries = [.. report.Runs.Select(r => ReportEntry.Of(r).ToArray())];
        WriteSummary(json, report, entries);
        json.WriteStartArray("tests");
        for (int run = 0; run < entries.Length; run++)
        {
            foreach (ReportEntry entry in entries[run])
            {
                WriteEntry(json, report, run, entry, target);
                if (json.BytesPending > FlushAt)
                    json.Flush();
            }
        }

        json.WriteEndArray();
        WriteEnvironment(json, report);
        json.WriteStartObject("extra");
        json.WriteStartObject(Extension);
        json.WriteStartArray("runs");
        foreach (ReportRun run in report.Runs)
        {
            WriteRun(json, run);
            json.Flush();
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        target.Stream.WriteByte((byte)'\n');
    }

    /// <summary>The outcome in CTRF's words.</summary>
    public static string Status(ReportOutcome outcome) => outcome switch
    {
        ReportOutcome.Passed => "passed",
        ReportOutcome.Skipped => "skipped",
        ReportOutcome.NotRun => "pending",
        ReportOutcome.ExpectedFailure => "other",
        _ => "failed",
    };

    private static void WriteSummary(Utf8JsonWriter json, Report report, ReportEntry[][] entries)
    {
        Dictionary<string, int> counts = new(StringComparer.Ordinal);
        int flaky = 0;
        foreach (ReportEntry entry in entries.SelectMany(e => e))
        {
            string status = Status(entry.Test.Outcome);
            counts[status] = counts.GetValueOrDefault(status) + 1;
            flaky += entry.Test.Flaky ? 1 : 0;
        }

        DateTimeOffset start = report.Started ?? DateTimeOffset.UnixEpoch;
        json.WriteStartObject("summary");
        json.WriteNumber("tests", counts.Values.Sum());
        foreach (string status in (string[])["passed", "failed", "skipped", "pending", "other"])
            json.WriteNumber(status, counts.GetValueOrDefault(status));
        if (flaky > 0)
            json.WriteNumber("flaky", flaky);
        json.WriteNumber("suites", report.Runs.Sum(r => r.Tests.Select(t => t.Suite).Distinct(StringComparer.Ordinal).Count()));
        json.WriteNumber("start", start.ToUnixTimeMilliseconds());
        json.WriteNumber("stop", (start + report.Duration).ToUnixTimeMilliseconds());
        json.WriteNumber("duration", Milliseconds(report.Duration));
        json.WriteEndObject();
    }

    private static void WriteEntry(Utf8JsonWriter json, Report report, int runNumber, ReportEntry entry, ReportTarget target)
    {
        ReportRun run = report.Runs[runNumber];
        ReportTest test = entry.Test;
        Guid id = entry.Id(run, "test");
        json.WriteStartObject();
        json.WriteString("id", id);
        json.WriteString("name", entry.DisplayName(run));
        json.WriteString("status", Status(test.Outcome));
        json.WriteNumber("duration", Milliseconds(test.Duration));
        if (test.Started is { } started)
        {
            json.WriteNumber("start", started.ToUnixTimeMilliseconds());
            json.WriteNumber("stop", (started + test.Duration).ToUnixTimeMilliseconds());
        }

        json.WriteStartArray("suite");
        json.WriteStringValue(run.Kernel.Length > 0 ? $"{run.Name} [{run.Kernel}]" : run.Name);
        foreach (string suite in test.Path.Take(test.Path.Length - 1))
            json.WriteStringValue(suite);
        json.WriteEndArray();
        if (test.Message.Length > 0)
            json.WriteString("message", test.Message);
        if (test.Details.Length > 0)
            json.WriteString("trace", ReportText.Head(test.Details, MostOutput));
        if (test.SourceLine is { } line)
            json.WriteNumber("line", line);
        json.WriteString("rawStatus", test.Outcome.Words());
        WriteLabels(json, run, test);
        if (test.SourceFile is { } file)
            json.WriteString("filePath", file);
        if (test.Attempts > 1)
            json.WriteNumber("retries", test.Attempts - 1);
        if (test.Flaky)
            json.WriteBoolean("flaky", true);
        if (test.Output.Length > 0)
        {
            json.WriteStartArray("stdout");
            foreach (string text in ReportText.Tail(test.Output, MostOutput).Split('\n'))
                json.WriteStringValue(text);
            json.WriteEndArray();
        }

        if (target.Keep(entry, id) is { Count: > 0 } files)
        {
            json.WriteStartArray("attachments");
            foreach ((ReportAttachment attachment, string path) in files)
            {
                json.WriteStartObject();
                json.WriteString("name", attachment.Name);
                json.WriteString("contentType", attachment.MediaType);
                json.WriteString("path", path);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteStartObject("extra");
        json.WriteStartObject(Extension);
        json.WriteNumber("run", runNumber);
        json.WriteString("entry", entry.Kind.ToString().ToLowerInvariant());
        json.WriteStartArray("path");
        foreach (string part in test.Path)
            json.WriteStringValue(part);
        json.WriteEndArray();
        json.WriteNumber("seconds", test.Duration.TotalSeconds);
        if (test.ErrorType.Length > 0)
            json.WriteString("errorType", test.ErrorType);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteLabels(Utf8JsonWriter json, ReportRun run, ReportTest test)
    {
        if (run.Kernel.Length == 0 && test.Traits.IsEmpty)
            return;
        json.WriteStartObject("labels");
        if (run.Kernel.Length > 0)
            json.WriteString("kernel", run.Kernel);
        foreach (IGrouping<string, (string Name, string Value)> trait in test.Traits.Where(t => run.Kernel.Length == 0 || t.Name != "kernel").GroupBy(t => t.Name, StringComparer.Ordinal))
        {
            string[] values = [.. trait.Select(t => t.Value)];
            if (values.Length == 1)
            {
                json.WriteString(trait.Key, values[0]);
                continue;
            }

            json.WriteStartArray(trait.Key);
            foreach (string value in values)
                json.WriteStringValue(value);
            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void WriteEnvironment(Utf8JsonWriter json, Report report)
    {
        json.WriteStartObject("environment");
        json.WriteString("osPlatform", "linux");
        string[] releases = [.. report.Runs.Select(r => r.Release).Where(r => r.Length > 0).Distinct(StringComparer.Ordinal)];
        if (releases.Length > 0)
            json.WriteString("osRelease", string.Join(", ", releases));
        json.WriteBoolean("healthy", report.Succeeded);
        json.WriteEndObject();
    }

    private static void WriteRun(Utf8JsonWriter json, ReportRun run)
    {
        json.WriteStartObject();
        json.WriteString("name", run.Name);
        json.WriteString("kernel", run.Kernel);
        json.WriteString("release", run.Release);
        json.WriteString("environment", run.Environment);
        if (run.Started is { } started)
            json.WriteString("started", started.ToString("O", CultureInfo.InvariantCulture));
        json.WriteNumber("seconds", run.Duration.TotalSeconds);
        if (run.ExitStatus is { } status)
            json.WriteNumber("exitStatus", status);
        json.WriteBoolean("succeeded", run.Succeeded);
        json.WriteStartArray("errors");
        foreach (ReportError error in run.Errors)
        {
            json.WriteStartObject();
            json.WriteString("message", error.Message);
            json.WriteString("details", ReportText.Head(error.Details, MostOutput));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        ComplaintJson.Write(json, run.Complaints, MostOutput);
        json.WriteStartObject("properties");
        foreach ((string name, string value) in run.Properties)
            json.WriteString(name, value);
        json.WriteEndObject();
        if (run.KernelLog is { Length: > 0 } log)
            json.WriteString("kernelLog", ReportText.Tail(log, MostLog));
        if (run.KernelLogFile is { } logFile)
            json.WriteString("kernelLogFile", logFile);
        json.WriteEndObject();
    }

    private static long Milliseconds(TimeSpan time) => (long)Math.Round(time.TotalMilliseconds);
}
