using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml;

namespace Uml.CI;

/// <summary>Visual Studio's test results (vstst.xsd), as its readers really read them.</summary>
/// <remarks>
/// Readers know the outcomes Passed, Failed and NotExecuted, and take any other for something else each: all failures are
/// Failed. Errors are shown only where there is a stack trace beside the message, and tied to a line of source where a line
/// of it ends as .NET's do, with "in FILE:line N".
/// </remarks>
internal static partial class TrxWriter
{
    public const string Namespace = "http://microsoft.com/schemas/VisualStudio/TeamTest/2010";
    public const string AdapterPrefix = "executor://uml/";
    private const string UnitTestType = "13cdc9d9-ddb5-4fa4-a97d-d965ccfc6d4b";
    private const string ResultsNotInAList = "8c84fa94-04c1-424b-9868-57a2d4851a1d";
    private const string AllResults = "19431567-8539-422a-85d7-44ee4e166bda";
    private const int MostText = 1024 * 1024;

    public static void Write(Report report, ReportTarget target)
    {
        (ReportRun Run, ReportEntry Entry)[] entries = [.. report.Runs.SelectMany(r => ReportEntry.Of(r).Select(e => (r, e)))];
        Guid[] ids = Identifiers(entries, "test");
        Guid[] executions = Identifiers(entries, "execution");
        DateTimeOffset start = report.Started ?? DateTimeOffset.UnixEpoch;
        using XmlWriter xml = XmlReport.Create(target.Stream);
        xml.WriteStartDocument();
        xml.WriteStartElement("TestRun", Namespace);
        xml.WriteAttributeString("id", Identifier.Of(["run", Time(start), .. report.Runs.Select(r => r.Name + r.Kernel)]).ToString("d"));
        xml.Attribute("name", target.Options.Title.Length > 0 ? target.Options.Title : string.Join(", ", report.Runs.Select(r => r.Name).Distinct(StringComparer.Ordinal)));
        xml.Attribute("runUser", report.Tool);
        WriteTimes(xml, start, start + report.Duration);
        xml.WriteStartElement("TestSettings");
        xml.WriteAttributeString("name", "default");
        xml.WriteAttributeString("id", Identifier.Of("settings").ToString("d"));
        xml.WriteEndElement();

        xml.WriteStartElement("Results");
        for (int i = 0; i < entries.Length; i++)
            WriteResult(xml, entries[i].Run, entries[i].Entry, ids[i], executions[i], start, target);
        xml.WriteEndElement();
        xml.WriteStartElement("TestDefinitions");
        for (int i = 0; i < entries.Length; i++)
            WriteDefinition(xml, entries[i].Run, entries[i].Entry, ids[i], executions[i]);
        xml.WriteEndElement();
        xml.WriteStartElement("TestEntries");
        for (int i = 0; i < entries.Length; i++)
        {
            xml.WriteStartElement("TestEntry");
            xml.WriteAttributeString("testId", ids[i].ToString("d"));
            xml.WriteAttributeString("executionId", executions[i].ToString("d"));
            xml.WriteAttributeString("testListId", ResultsNotInAList);
            xml.WriteEndElement();
        }

        xml.WriteEndElement();
        WriteLists(xml);
        WriteSummary(xml, report, entries);
        xml.WriteEndElement();
        xml.WriteEndDocument();
        xml.Flush();
    }

    /// <summary>A frame that readers of stack traces take for .NET's.</summary>
    public static string Frame(ReportTest test) => $"   at {test.FullName.ReplaceLineEndings(" ")}() in {test.SourceFile}:line {(test.SourceLine ?? 1).ToString(CultureInfo.InvariantCulture)}";

    // Two runs of one name on one kernel have tests of the same names.
    private static Guid[] Identifiers((ReportRun Run, ReportEntry Entry)[] entries, string use)
    {
        HashSet<Guid> seen = [];
        return [.. entries.Select(e =>
        {
            Guid id = e.Entry.Id(e.Run, use);
            for (int again = 1; !seen.Add(id); again++)
                id = Identifier.Of(id.ToString("d"), again.ToString());
            return id;
        })];
    }

    private static void WriteTimes(XmlWriter xml, DateTimeOffset start, DateTimeOffset finish)
    {
        xml.WriteStartElement("Times");
        xml.WriteAttributeString("creation", Time(start));
        xml.WriteAttributeString("queuing", Time(start));
        xml.WriteAttributeString("start", Time(start));
        xml.WriteAttributeString("finish", Time(finish));
        xml.WriteEndElement();
    }

    private static void WriteResult(XmlWriter xml, ReportRun run, ReportEntry entry, Guid id, Guid execution, DateTimeOffset runStart, ReportTarget target)
    {
        ReportTest test = entry.Test;
        DateTimeOffset start = test.Started ?? run.Started ?? runStart;
        xml.WriteStartElement("UnitTestResult");
        xml.WriteAttributeString("executionId", execution.ToString("d"));
        xml.WriteAttributeString("testId", id.ToString("d"));
        xml.Attribute("testName", entry.DisplayName(run));
        xml.Attribute("computerName", run.Kernel.Length > 0 ? run.Kernel : "localhost");
        xml.WriteAttributeString("duration", Duration(test.Duration));
        xml.WriteAttributeString("startTime", Time(start));
        xml.WriteAttributeString("endTime", Time(start + test.Duration));
        xml.WriteAttributeString("testType", UnitTestType);
        xml.WriteAttributeString("outcome", Outcome(test.Outcome));
        xml.WriteAttributeString("testListId", ResultsNotInAList);
        xml.WriteAttributeString("relativeResultsDirectory", execution.ToString("d"));
        bool failed = test.Outcome.IsFailure();
        if (failed || test.Output.Length > 0 || test.Message.Length > 0)
        {
            xml.WriteStartElement("Output");
            if (test.Output.Length > 0)
                xml.TextElement("StdOut", ReportText.Tail(test.Output, MostText));
            if (failed || test.Message.Length > 0)
            {
                xml.WriteStartElement("ErrorInfo");
                xml.TextElement("Message", ReportText.Head(Message(entry), MostText));
                if (failed)
                    xml.TextElement("StackTrace", ReportText.Head(Trace(test), MostText));
                xml.WriteEndElement();
            }

            xml.WriteEndElement();
        }

        if (target.Keep(entry, id) is { Count: > 0 } files)
        {
            xml.WriteStartElement("ResultFiles");
            foreach ((_, string file) in files)
            {
                xml.WriteStartElement("ResultFile");
                xml.Attribute("path", file);
                xml.WriteEndElement();
            }

            xml.WriteEndElement();
        }

        xml.WriteEndElement();
    }

    private static void WriteDefinition(XmlWriter xml, ReportRun run, ReportEntry entry, Guid id, Guid execution)
    {
        ReportTest test = entry.Test;
        xml.WriteStartElement("UnitTest");
        xml.Attribute("name", entry.DisplayName(run));
        xml.Attribute("storage", run.Name);
        xml.WriteAttributeString("id", id.ToString("d"));
        if (!test.Traits.IsEmpty)
        {
            xml.WriteStartElement("TestCategory");
            foreach ((string name, string value) in test.Traits)
            {
                xml.WriteStartElement("TestCategoryItem");
                xml.Attribute("TestCategory", $"{name}={value}");
                xml.WriteEndElement();
            }

            xml.WriteEndElement();
        }

        xml.WriteStartElement("Execution");
        xml.WriteAttributeString("id", execution.ToString("d"));
        xml.WriteEndElement();
        xml.WriteStartElement("Properties");
        WriteProperty(xml, "Kernel", run.Kernel);
        WriteProperty(xml, "Release", run.Release);
        WriteProperty(xml, "Outcome", test.Outcome.Words());
        WriteProperty(xml, "ErrorType", test.ErrorType);
        WriteProperty(xml, "File", test.SourceFile ?? "");
        WriteProperty(xml, "Line", test.SourceLine?.ToString(CultureInfo.InvariantCulture) ?? "");
        xml.WriteEndElement();
        xml.WriteStartElement("TestMethod");
        xml.Attribute("codeBase", run.Name);
        xml.WriteAttributeString("adapterTypeName", AdapterPrefix + entry.Kind.ToString().ToLowerInvariant());
        xml.Attribute("className", test.Suite.Length > 0 ? test.Suite : run.Name);
        xml.Attribute("name", test.Name);
        xml.WriteEndElement();
        xml.WriteEndElement();
    }

    private static void WriteProperty(XmlWriter xml, string key, string value)
    {
        if (value.Length == 0)
            return;
        xml.WriteStartElement("Property");
        xml.WriteElementString("Key", key);
        xml.TextElement("Value", value);
        xml.WriteEndElement();
    }

    private static void WriteLists(XmlWriter xml)
    {
        xml.WriteStartElement("TestLists");
        foreach ((string name, string id) in ((string, string)[])[("Results Not in a List", ResultsNotInAList), ("All Loaded Results", AllResults)])
        {
            xml.WriteStartElement("TestList");
            xml.WriteAttributeString("name", name);
            xml.WriteAttributeString("id", id);
            xml.WriteEndElement();
        }

        xml.WriteEndElement();
    }

    private static void WriteSummary(XmlWriter xml, Report report, (ReportRun Run, ReportEntry Entry)[] entries)
    {
        int Of(string outcome) => entries.Count(e => Outcome(e.Entry.Test.Outcome) == outcome);
        xml.WriteStartElement("ResultSummary");
        xml.WriteAttributeString("outcome", report.Succeeded ? "Completed" : "Failed");
        xml.WriteStartElement("Counters");
        foreach ((string name, int count) in ((string, int)[])[
            ("total", entries.Length), ("executed", entries.Length - Of("NotExecuted")), ("passed", Of("Passed")), ("failed", Of("Failed")),
            ("error", 0), ("timeout", 0), ("aborted", 0), ("inconclusive", 0), ("passedButRunAborted", 0), ("notRunnable", 0),
            ("notExecuted", Of("NotExecuted")), ("disconnected", 0), ("warning", 0), ("completed", 0), ("inProgress", 0), ("pending", 0)])
        {
            xml.WriteAttributeString(name, count.ToString(CultureInfo.InvariantCulture));
        }

        xml.WriteEndElement();
        string log = string.Join("\n\n", report.Runs.SelectMany(r => r.Errors.Select(e => $"{r.Name}{(r.Kernel.Length > 0 ? $" [{r.Kernel}]" : "")}: {e.Message}\n{e.Details}".TrimEnd())));
        if (log.Length > 0)
        {
            xml.WriteStartElement("Output");
            xml.TextElement("StdOut", ReportText.Tail(log, MostText));
            xml.WriteEndElement();
        }

        xml.WriteEndElement();
    }

    private static string Outcome(ReportOutcome outcome) => outcome switch
    {
        ReportOutcome.Passed => "Passed",
        ReportOutcome.Skipped or ReportOutcome.NotRun or ReportOutcome.ExpectedFailure => "NotExecuted",
        _ => "Failed",
    };

    private static string Message(ReportEntry entry)
    {
        ReportTest test = entry.Test;
        string message = test.Message.Length > 0 ? test.Message : test.Outcome.Words();
        string type = entry.Kind == ReportEntryKind.Test && test.ErrorType.Length > 0 && test.Outcome.IsFailure() && !message.StartsWith(test.ErrorType, StringComparison.Ordinal) ? $"{test.ErrorType}: " : "";
        return test.Outcome is ReportOutcome.Crashed or ReportOutcome.TimedOut && test.Message.Length > 0 ? $"{test.Outcome.Words()}: {type}{message}" : type + message;
    }

    private static string Trace(ReportTest test)
    {
        if (test.SourceFile is null)
            return test.Details.Length > 0 ? test.Details : $"   at {test.FullName}";
        return SourceFrame().IsMatch(test.Details) ? test.Details : $"{test.Details}{(test.Details.Length > 0 ? "\n" : "")}{Frame(test)}";
    }

    // Readers of it take hours, minutes and seconds, and no days.
    private static string Duration(TimeSpan time) =>
        time < TimeSpan.Zero ? "00:00:00" : string.Create(CultureInfo.InvariantCulture, $"{(long)time.TotalHours:00}:{time.Minutes:00}:{time.Seconds:00}.{time.Ticks % TimeSpan.TicksPerSecond:0000000}");

    private static string Time(DateTimeOffset time) => time.ToString("O", CultureInfo.InvariantCulture);

    [GeneratedRegex(@" in .+:line \d+\s*$", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex SourceFrame();
}
