using System.Collections.Immutable;
using System.Xml;
using System.Xml.Linq;

namespace Uml.CI;

/// <summary>Reads JUnit's XML: ours with all it has, others as far as they agree: pytest, GoogleTest, cargo-nextest, kunit.py, surefire, xunit.</summary>
internal static class JUnitReader
{
    public static Report Read(Stream stream, string name)
    {
        using XmlReader xml = XmlInput.Open(stream);
        xml.MoveToContent();
        List<RunBuilder> ours = [];
        string title = xml.GetAttribute("name") ?? "";
        var others = new RunBuilder(new ReportRun { Name = title.Length > 0 ? title : name, Started = XmlInput.Moment(xml.GetAttribute("timestamp")) });
        bool foreign = false;
        var suites = new Stack<Suite>();
        while (!xml.EOF)
        {
            if (xml.NodeType == XmlNodeType.EndElement && xml.LocalName is "testsuite" && suites.Count > 0)
                suites.Pop();
            if (xml.NodeType != XmlNodeType.Element)
            {
                xml.Read();
                continue;
            }

            if (XmlInput.IsTooDeep(xml))
                throw XmlInput.TooDeep();
            switch (xml.LocalName)
            {
                case "testsuite":
                    var suite = new Suite(xml.GetAttribute("name") ?? "", XmlInput.Moment(xml.GetAttribute("timestamp")), XmlInput.Seconds(xml.GetAttribute("time")));
                    if (suites.Count == 0 && !foreign && others.Run.Started is null)
                        others.Run = others.Run with { Started = suite.Started };
                    bool empty = xml.IsEmptyElement;
                    xml.Read();
                    if (!empty)
                        suites.Push(suite);
                    break;
                case "properties" when suites.Count > 0:
                    XElement properties = XmlInput.ReadElement(xml);
                    if (Ours(properties, suites.Peek()) is { } run)
                        ours.Add(suites.Peek().Run = new RunBuilder(run));
                    else if (suites.Count == 1)
                        others.Run = others.Run with { Properties = others.Run.Properties.SetItems(Pairs(properties)) };
                    break;
                case "testcase":
                    XElement test = XmlInput.ReadElement(xml);
                    if (suites.Select(s => s.Run).FirstOrDefault(r => r is not null) is { } own)
                    {
                        own.Add(Kind(test), Test(test, [], own.Run));
                    }
                    else
                    {
                        foreign = true;
                        others.Add(Test(test, suites.Reverse().Select(s => s.Name), null));
                    }

                    break;
                case "system-err" when suites.Count > 0 && suites.Peek().Run is { } complained:
                    complained.Run = complained.Run with { KernelLog = XmlInput.ReadElement(xml).Value };
                    break;
                case "testsuites":
                    xml.Read();
                    break;
                default:
                    xml.Skip();
                    break;
            }
        }

        if (foreign || ours.Count == 0)
            ours.Add(others);
        return Report.Of(ours.Select(r => r.Build())) with { Tool = title.Length > 0 ? title : "JUnit" };
    }

    private sealed record Suite(string Name, DateTimeOffset? Started, TimeSpan Duration)
    {
        public RunBuilder? Run { get; set; }
    }

    private static IEnumerable<KeyValuePair<string, string>> Pairs(XElement properties) =>
        properties.Elements("property").Where(p => XmlInput.Attribute(p, "name").Length > 0)
            .Select(p => KeyValuePair.Create(XmlInput.Attribute(p, "name"), p.Attribute("value") is { } value ? value.Value : p.Value));

    private static ReportRun? Ours(XElement element, Suite suite)
    {
        ImmutableSortedDictionary<string, string> all = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal).SetItems(Pairs(element));
        if (!all.TryGetValue("uml.run", out string? name))
            return null;
        string? log = all.GetValueOrDefault("uml.kernel-log-file");
        return new ReportRun
        {
            Name = name,
            Kernel = all.GetValueOrDefault("uml.kernel", ""),
            Release = all.GetValueOrDefault("uml.release", ""),
            Environment = all.GetValueOrDefault("uml.environment", ""),
            ExitStatus = XmlInput.Number(all.GetValueOrDefault("uml.exit-status")),
            KernelLogFile = log,
            Started = suite.Started,
            Duration = suite.Duration,
            Properties = all.RemoveRange(all.Keys.Where(k => k.StartsWith("uml.", StringComparison.Ordinal))),
        };
    }

    private static string Kind(XElement test) =>
        test.Element("properties")?.Elements("property").FirstOrDefault(p => XmlInput.Attribute(p, "name") == "uml.entry") is { } kind ? XmlInput.Attribute(kind, "value") : "test";

    private static ReportTest Test(XElement element, IEnumerable<string> suites, ReportRun? run)
    {
        string name = XmlInput.Attribute(element, "name");
        string className = XmlInput.Attribute(element, "classname");
        if (run is { Kernel.Length: > 0 } && name.EndsWith($" [{run.Kernel}]", StringComparison.Ordinal))
            name = name[..^(run.Kernel.Length + 3)];
        ImmutableArray<string> path;
        if (run is not null && className == run.Name && !name.StartsWith(className + ".", StringComparison.Ordinal))
            path = [name];
        else if (className.Length > 0)
            path = [className, name.StartsWith(className + ".", StringComparison.Ordinal) ? name[(className.Length + 1)..] : name];
        else
            path = [.. suites.Where(s => s.Length > 0), name];

        var test = new ReportTest
        {
            Path = [.. path.Select(p => p.Length > 0 ? p : "unnamed")],
            Outcome = ReportOutcome.Passed,
            Duration = XmlInput.Seconds(XmlInput.Attribute(element, "time")),
            SourceFile = XmlInput.Attribute(element, "file") is { Length: > 0 } file ? file : null,
            SourceLine = XmlInput.Number(XmlInput.Attribute(element, "line")),
            Output = string.Join('\n', element.Elements().Where(e => e.Name.LocalName is "system-out" or "system-err").Select(e => e.Value).Where(v => v.Length > 0)),
            Started = XmlInput.Moment(XmlInput.Attribute(element, "timestamp")),
        };
        if (element.Element("properties") is { } properties)
        {
            KeyValuePair<string, string>[] pairs = [.. Pairs(properties)];
            test = test with { Traits = [.. pairs.Where(p => p.Key is not ("uml.entry" or "flaky" or "attempts")).Select(p => (p.Key, p.Value))] };
            if (run is not null && pairs.FirstOrDefault(p => p.Key is "flaky" or "attempts") is { Key: not null } attempts)
                test = test with { Flaky = attempts.Key == "flaky", Attempts = Math.Max(1, XmlInput.Number(attempts.Value) ?? 1) };
        }

        int again = element.Elements().Count(e => e.Name.LocalName is "flakyFailure" or "flakyError" or "rerunFailure" or "rerunError");
        if (again > 0)
            test = test with { Attempts = again + 1, Flaky = element.Elements().Any(e => e.Name.LocalName.StartsWith("flaky", StringComparison.Ordinal)) };

        return Judge(test, element);
    }

    private static ReportTest Judge(ReportTest test, XElement element)
    {
        XElement? result = element.Element("error") ?? element.Element("failure") ?? element.Element("skipped");
        if (result is null)
        {
            // GoogleTest has tests that were disabled or filtered out as cases without a result.
            string status = XmlInput.Attribute(element, "status");
            return status is "notrun" or "disabled" or "ignored" or "skipped" || XmlInput.Attribute(element, "result") is "suppressed" or "skipped"
                ? test with { Outcome = status is "skipped" ? ReportOutcome.Skipped : ReportOutcome.NotRun }
                : test;
        }

        string type = XmlInput.Attribute(result, "type");
        string text = result.Value;
        string message = XmlInput.Attribute(result, "message");
        ReportOutcome outcome = (result.Name.LocalName, type) switch
        {
            ("skipped", "pytest.xfail" or "expected failure") => ReportOutcome.ExpectedFailure,
            ("skipped", "not run") => ReportOutcome.NotRun,
            ("skipped", _) => ReportOutcome.Skipped,
            ("failure", _) => ReportOutcome.Failed,
            _ => ReportOutcomes.OfWords(type) is { } ours && ours.IsFailure() ? ours : ReportOutcome.Error,
        };
        return test with
        {
            Outcome = outcome,
            Message = message.Length > 0 ? message : ReportText.FirstLine(text),
            Details = text.Trim() == message.Trim() ? "" : text.Trim('\r', '\n'),
            ErrorType = outcome.IsFailure() && ReportOutcomes.OfWords(type) is null ? type : "",
        };
    }
}
