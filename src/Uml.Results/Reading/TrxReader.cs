using System.Collections.Immutable;
using System.Globalization;
using System.Xml;
using System.Xml.Linq;

namespace Uml.CI;

/// <summary>Reads Visual Studio's test results: ours with all they have, those of VSTest, the test platform and xunit.</summary>
internal static class TrxReader
{
    public static Report Read(Stream stream, string name)
    {
        using XmlReader xml = XmlInput.Open(stream);
        xml.MoveToContent();
        string title = xml.GetAttribute("name") ?? "";
        DateTimeOffset? start = null, finish = null;
        List<XElement> results = [];
        List<XElement> informations = [];
        Dictionary<string, XElement> definitions = new(StringComparer.OrdinalIgnoreCase);
        while (!xml.EOF)
        {
            if (xml.NodeType != XmlNodeType.Element)
            {
                xml.Read();
                continue;
            }

            if (XmlInput.IsTooDeep(xml))
                throw XmlInput.TooDeep();
            switch (xml.LocalName)
            {
                case "Times":
                    XElement times = XmlInput.ReadElement(xml);
                    start = XmlInput.Moment(XmlInput.Attribute(times, "start"));
                    finish = XmlInput.Moment(XmlInput.Attribute(times, "finish"));
                    break;
                case "UnitTestResult" or "TestResult" or "GenericTestResult" or "WebTestResult":
                    results.Add(XmlInput.ReadElement(xml));
                    break;
                case "UnitTest" or "GenericTest" or "WebTest":
                    XElement definition = XmlInput.ReadElement(xml);
                    definitions[XmlInput.Attribute(definition, "id")] = definition;
                    break;
                case "RunInfo":
                    informations.Add(XmlInput.ReadElement(xml));
                    break;
                case "TestSettings" or "TestEntries" or "TestLists":
                    xml.Skip();
                    break;
                default:
                    xml.Read();
                    break;
            }
        }

        Dictionary<(string Kernel, string Name), RunBuilder> runs = [];
        List<RunBuilder> inOrder = [];
        foreach (XElement result in results.SelectMany(Inner))
        {
            XElement? definition = definitions.GetValueOrDefault(XmlInput.Attribute(result, "testId"));
            Dictionary<string, string> properties = Properties(definition);
            string kernel = properties.GetValueOrDefault("Kernel", "");
            string run = RunName(definition, title.Length > 0 ? title : name);
            if (!runs.TryGetValue((kernel, run), out RunBuilder? builder))
                inOrder.Add(builder = runs[(kernel, run)] = new RunBuilder(new ReportRun { Name = run, Kernel = kernel, Release = properties.GetValueOrDefault("Release", "") }));
            string adapter = definition?.Element("TestMethod") is { } method ? XmlInput.Attribute(method, "adapterTypeName") : "";
            string kind = adapter.StartsWith(TrxWriter.AdapterPrefix, StringComparison.Ordinal) ? adapter[TrxWriter.AdapterPrefix.Length..] : "test";
            builder.Add(kind, Test(result, definition, properties, kernel, run, kind));
        }

        if (inOrder.Count == 0)
            inOrder.Add(new RunBuilder(new ReportRun { Name = title.Length > 0 ? title : name, Started = start }));

        // VSTest says here that the test host crashed; the tests it had not come to are not in the file.
        foreach (XElement information in informations.Where(i => XmlInput.Attribute(i, "outcome") is "Error" or "Failed" or "Aborted"))
            inOrder[0].Run = inOrder[0].Run with { Errors = inOrder[0].Run.Errors.Add(ReportError.Of(information.Value.Trim())) };

        Report report = Report.Of(inOrder.Select(r => r.Build())) with { Tool = "TRX" };
        return start is not null && finish >= start ? report with { Started = start, Duration = finish.Value - start.Value } : report;
    }

    // A test with rows of data has a result for each within its own.
    private static IEnumerable<XElement> Inner(XElement result) =>
        result.Element("InnerResults")?.Elements().ToArray() is { Length: > 0 } inner ? inner.SelectMany(Inner) : [result];

    private static Dictionary<string, string> Properties(XElement? definition)
    {
        Dictionary<string, string> all = new(StringComparer.Ordinal);
        foreach (XElement property in definition?.Element("Properties")?.Elements("Property") ?? [])
            all[property.Element("Key")?.Value ?? ""] = property.Element("Value")?.Value ?? "";
        return all;
    }

    private static string RunName(XElement? definition, string otherwise)
    {
        string storage = definition is null ? "" : XmlInput.Attribute(definition, "storage");
        if (storage.Length == 0)
            return otherwise;
        string file = storage[(storage.LastIndexOfAny(['/', '\\']) + 1)..];
        return file.EndsWith(".dll", StringComparison.OrdinalIgnoreCase) || file.EndsWith(".exe", StringComparison.OrdinalIgnoreCase) ? file[..^4] : storage;
    }

    private static ReportTest Test(XElement result, XElement? definition, Dictionary<string, string> properties, string kernel, string run, string kind)
    {
        string name = XmlInput.Attribute(result, "testName");
        if (kernel.Length > 0 && name.EndsWith($" [{kernel}]", StringComparison.Ordinal))
            name = name[..^(kernel.Length + 3)];
        if (name.Length == 0)
            name = "unnamed";
        XElement? method = definition?.Element("TestMethod");
        string className = method is null ? "" : XmlInput.Attribute(method, "className").Split(',')[0];
        ImmutableArray<string> path = className.Length == 0 || className == run && !name.StartsWith(className + ".", StringComparison.Ordinal)
            ? [name]
            : [className, name.StartsWith(className + ".", StringComparison.Ordinal) && name.Length > className.Length + 1 ? name[(className.Length + 1)..] : name];
        XElement? output = result.Element("Output");
        XElement? error = output?.Element("ErrorInfo");
        string word = XmlInput.Attribute(result, "outcome");
        ReportOutcome outcome = ReportOutcomes.OfWords(properties.GetValueOrDefault("Outcome")) ?? Outcome(word);
        string message = error?.Element("Message")?.Value ?? "";
        if (outcome is ReportOutcome.Crashed or ReportOutcome.TimedOut && message.StartsWith(outcome.Words() + ": ", StringComparison.Ordinal))
            message = message[(outcome.Words().Length + 2)..];
        string type = properties.GetValueOrDefault("ErrorType", "");
        if (kind == "test" && type.Length > 0 && message.StartsWith(type + ": ", StringComparison.Ordinal))
            message = message[(type.Length + 2)..];
        string trace = error?.Element("StackTrace")?.Value ?? "";
        var test = new ReportTest
        {
            Path = path,
            Outcome = outcome,
            Duration = TimeSpan.TryParse(XmlInput.Attribute(result, "duration"), CultureInfo.InvariantCulture, out TimeSpan time) ? time : TimeSpan.Zero,
            Started = XmlInput.Moment(XmlInput.Attribute(result, "startTime")),
            Message = outcome == ReportOutcome.Skipped && message.Length == 0 ? ReportText.FirstLine(output?.Element("StdOut")?.Value ?? "") : message,
            ErrorType = type,
            Details = trace.Trim('\r', '\n'),
            Output = string.Join('\n', ((string[])["StdOut", "StdErr", "DebugTrace"]).Select(n => output?.Element(n)?.Value ?? "").Append(string.Join('\n', output?.Element("TextMessages")?.Elements().Select(m => m.Value) ?? [])).Where(t => t.Length > 0)),
            SourceFile = properties.GetValueOrDefault("File"),
            SourceLine = XmlInput.Number(properties.GetValueOrDefault("Line")),
            Traits = [.. definition?.Element("TestCategory")?.Elements().Select(c => Trait(XmlInput.Attribute(c, "TestCategory"))) ?? []],
            Attachments = [.. result.Element("ResultFiles")?.Elements().Select(f => XmlInput.Attribute(f, "path")).Where(p => p.Length > 0)
                .Select(p => new ReportAttachment { Name = p[(p.LastIndexOfAny(['/', '\\']) + 1)..], MediaType = "application/octet-stream", File = p }) ?? []],
        };

        // Ours, written for readers that want a trace.
        return test.Details == $"   at {test.FullName}" || test.SourceFile is not null && test.Details == TrxWriter.Frame(test) ? test with { Details = "" } : test;
    }

    private static (string Name, string Value) Trait(string category) =>
        category.Split('=', 2) is [var name, var value] ? (name, value) : ("Category", category);

    private static ReportOutcome Outcome(string word) => word switch
    {
        "Passed" or "PassedButRunAborted" or "Completed" or "Warning" => ReportOutcome.Passed,
        "Failed" => ReportOutcome.Failed,
        "NotExecuted" or "Inconclusive" => ReportOutcome.Skipped,
        "NotRunnable" or "Pending" => ReportOutcome.NotRun,
        "Timeout" => ReportOutcome.TimedOut,
        "Aborted" => ReportOutcome.Crashed,

        // Also where there is none: the schema's default.
        _ => ReportOutcome.Error,
    };
}
