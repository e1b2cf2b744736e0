using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Xml;
using System.Xml.Linq;
using Xunit.Runner.Common;
using Xunit.Sdk;

namespace Uml.CI;

/// <summary>The formats of <see cref="TestReport"/>.</summary>
public enum TestReportFormat
{
    /// <summary>Visual Studio's.</summary>
    Trx,

    /// <summary>JUnit's, which most CI systems read.</summary>
    JUnit,

    /// <summary>The Common Test Report Format, JSON.</summary>
    Ctrf,
}

/// <summary>Writes what came of a run for other programs, through the transformations of xunit's own runners.</summary>
/// <remarks>
/// Each test's name ends with its kernel, so that no reader takes the same test on two kernels for one. What failed and
/// was no test is a failed test too, named for its assembly: not every format knows anything else.
/// </remarks>
public static class TestReport
{
    /// <summary>Writes a report. Attachments go to a directory beside it, where its format refers to files.</summary>
    /// <param name="format">Its format.</param>
    /// <param name="path">The file; its directory is made.</param>
    /// <param name="runs">What came of each assembly in each guest.</param>
    /// <exception cref="IOException">It could not be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It could not be written.</exception>
    public static void Write(TestReportFormat format, string path, IEnumerable<GuestTestRun> runs)
    {
        string full = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        XElement all = TransformFactory.CreateAssembliesElement();
        foreach (GuestTestRun run in runs)
            all.Add(Describe(run));
        TransformFactory.FinishAssembliesElement(all);

        // The transformations would put attachments below the temporary directory, where nobody looks for them.
        string attachments = Path.Combine(Path.GetDirectoryName(full)!, Path.GetFileNameWithoutExtension(full) + ".attachments");
        Dictionary<string, (string Name, string File)[]> written = [];
        foreach (XElement list in all.Descendants("attachments").ToArray())
        {
            string test = (string)list.Parent!.Attribute("id")!;
            if (format != TestReportFormat.JUnit)
                written.Add(test, WriteAttachments(list, Path.Combine(attachments, test)));
            list.Remove();
        }

        TransformFactory.Transform(format switch { TestReportFormat.Trx => "trx", TestReportFormat.JUnit => "jUnit", _ => "ctrf" }, all, full);
        if (written.Count > 0 && format == TestReportFormat.Trx)
            ReferInTrx(full, written);
        else if (written.Count > 0)
            ReferInCtrf(full, written);
    }

    private static (string Name, string File)[] WriteAttachments(XElement list, string directory)
    {
        Directory.CreateDirectory(directory);
        return [.. list.Elements().Select((attachment, n) =>
        {
            string name = (string)attachment.Attribute("name")!;
            bool text = attachment.Attribute("media-type") is null;

            // A name may be a path, or anything else that a test can print.
            string safe = string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' ? c : '_')).TrimStart('.');
            string file = Path.Combine(directory, $"{n + 1}-{safe[..Math.Min(safe.Length, 100)]}{(text && !Path.HasExtension(safe) ? ".txt" : "")}");
            if (text)
                File.WriteAllText(file, attachment.Value);
            else
                File.WriteAllBytes(file, Convert.FromBase64String(attachment.Value));
            return (name, file);
        })];
    }

    // As Visual Studio's own writer: vstst:ResultFiles, after Output.
    private static void ReferInTrx(string report, Dictionary<string, (string Name, string File)[]> written)
    {
        XElement run = XElement.Load(report);
        XNamespace ns = run.Name.Namespace;
        foreach (XElement result in run.Descendants(ns + "UnitTestResult"))
        {
            if (written.TryGetValue((string)result.Attribute("testId")!, out (string Name, string File)[]? files))
                result.Add(new XElement(ns + "ResultFiles", files.Select(f => new XElement(ns + "ResultFile", new XAttribute("path", f.File)))));
        }

        run.Save(report);
    }

    private static void ReferInCtrf(string report, Dictionary<string, (string Name, string File)[]> written)
    {
        JsonNode root = JsonNode.Parse(File.ReadAllText(report))!;
        foreach (JsonNode? test in root["results"]!["tests"]!.AsArray())
        {
            if (written.TryGetValue((string?)test!["extra"]?["id"] ?? "", out (string Name, string File)[]? files))
            {
                test["attachments"] = new JsonArray([.. files.Select(f => new JsonObject
                {
                    ["name"] = f.Name,
                    ["contentType"] = f.File.EndsWith(".txt", StringComparison.Ordinal) ? "text/plain" : "application/octet-stream",
                    ["path"] = f.File,
                })]);
            }
        }

        File.WriteAllText(report, root.ToJsonString());
    }

    // xunit's XML, version 3.
    private static XElement Describe(GuestTestRun run)
    {
        ImmutableArray<TestResult> results = [.. run.Results, .. run.Errors.Select(e => OfError(run, e))];
        return new XElement(
            "assembly",
            new XAttribute("id", Guid.NewGuid().ToString("d")),
            new XAttribute("name", run.Assembly.Path),
            new XAttribute("environment", Clean($"Linux {(run.Release.Length > 0 ? run.Release : "?")} ({run.Kernel}){(run.Environment.Length > 0 ? ", " + run.Environment : "")}")),
            new XAttribute("test-framework", Clean(run.Framework)),
            new XAttribute("run-date", run.Started.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)),
            new XAttribute("run-time", run.Started.ToString("HH:mm:ss", CultureInfo.InvariantCulture)),
            new XAttribute("start-rtf", Time(run.Started)),
            new XAttribute("finish-rtf", Time(run.Started + run.Duration)),
            new XAttribute("errors", 0),
            Counts(results, run.Duration),
            results.GroupBy(r => r.ClassName, StringComparer.Ordinal).Select(c => new XElement(
                "collection",
                new XAttribute("id", Guid.NewGuid().ToString("d")),
                new XAttribute("name", Clean($"{c.Key} [{run.Kernel}]")),
                Counts([.. c], TimeSpan.FromTicks(c.Sum(r => r.Duration.Ticks))),
                c.Select(r => Describe(run, r)))));
    }

    private static XElement Describe(GuestTestRun run, TestResult result) => new(
        "test",
        new XAttribute("id", Guid.NewGuid().ToString("d")),
        new XAttribute("name", Clean($"{result.Name} [{run.Kernel}]")),
        new XAttribute("type", Clean(result.ClassName)),
        new XAttribute("method", Clean(result.MethodName)),
        new XAttribute("result", result.Outcome switch { TestOutcome.Passed => "Pass", TestOutcome.Failed => "Fail", TestOutcome.Skipped => "Skip", _ => "NotRun" }),
        Times(result.Duration),
        new XAttribute("start-rtf", Time(result.Started)),
        new XAttribute("finish-rtf", Time(result.Finished)),
        result.SourceFile is { } file ? new XAttribute("source-file", Clean(file)) : null,
        result.SourceLine is { } line ? new XAttribute("source-line", line) : null,
        result.Output.Length > 0 ? new XElement("output", Clean(result.Output)) : null,
        result.Warnings.IsEmpty ? null : new XElement("warnings", result.Warnings.Select(w => new XElement("warning", Clean(w)))),
        new XElement("traits", result.Traits.Append(("Kernel", run.Kernel)).Select(t => new XElement("trait", new XAttribute("name", Clean(t.Item1)), new XAttribute("value", Clean(t.Item2))))),
        result.Outcome == TestOutcome.Skipped ? new XElement("reason", Clean(result.Message)) : null,
        result.Outcome == TestOutcome.Failed
            ? new XElement(
                "failure",
                result.ExceptionType.Length > 0 ? new XAttribute("exception-type", Clean(result.ExceptionType)) : null,
                new XElement("message", Clean(result.Message)),
                new XElement("stack-trace", Clean(result.StackTrace)))
            : null,
        result.Attachments.Count == 0 ? null : new XElement("attachments", result.Attachments.Select(a => Describe(a.Key, a.Value))));

    private static XElement Describe(string name, TestAttachment attachment) =>
        attachment.AttachmentType == TestAttachmentType.ByteArray && attachment.AsByteArray() is var (bytes, mediaType)
            ? new XElement("attachment", new XAttribute("name", Clean(name)), new XAttribute("media-type", Clean(mediaType)), Convert.ToBase64String(bytes))
            : new XElement("attachment", new XAttribute("name", Clean(name)), Clean(attachment.AsString()));

    private static TestResult OfError(GuestTestRun run, string error)
    {
        string[] lines = error.Split('\n', 2);
        return new TestResult
        {
            Name = run.Assembly.Name,
            ClassName = run.Assembly.Name,
            Outcome = TestOutcome.Failed,
            Message = lines[0],
            StackTrace = lines.Length > 1 ? lines[1] : "",
            Started = run.Started,
            Finished = run.Started + run.Duration,
        };
    }

    private static XAttribute[] Counts(ImmutableArray<TestResult> results, TimeSpan time) =>
    [
        new("total", results.Length),
        new("passed", results.Count(r => r.Outcome == TestOutcome.Passed)),
        new("failed", results.Count(r => r.Outcome == TestOutcome.Failed)),
        new("skipped", results.Count(r => r.Outcome == TestOutcome.Skipped)),
        new("not-run", results.Count(r => r.Outcome == TestOutcome.NotRun)),
        .. Times(time),
    ];

    private static XAttribute[] Times(TimeSpan time) =>
        [new("time", time.TotalSeconds.ToString("0.000####", CultureInfo.InvariantCulture)), new("time-rtf", time.ToString("c", CultureInfo.InvariantCulture))];

    private static string Time(DateTimeOffset time) => time.ToString("O", CultureInfo.InvariantCulture);

    // Tests print what XML cannot hold.
    private static string Clean(string text)
    {
        if (text.All(XmlConvert.IsXmlChar))
            return text;
        var clean = new System.Text.StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (i + 1 < text.Length && XmlConvert.IsXmlSurrogatePair(text[i + 1], text[i]))
                clean.Append(text[i]).Append(text[++i]);
            else if (XmlConvert.IsXmlChar(text[i]))
                clean.Append(text[i]);
            else
                clean.Append(CultureInfo.InvariantCulture, $"\\x{(int)text[i]:x2}");
        }

        return clean.ToString();
    }
}
