using System.Globalization;
using System.Xml;

namespace Uml.CI;

/// <summary>JUnit's XML: what its many readers have in common.</summary>
/// <remarks>
/// A suite for each run, and the kernel in each name: readers take tests of one class and name for one. Readers refuse what
/// is too large (30 MB a file): text beyond a budget is cut, and says so; failures have a budget of their own.
/// </remarks>
internal static class JUnitWriter
{
    private const int MostText = 256 * 1024;
    private const int MostOutput = 64 * 1024;

    // Of a failure's message there is always this much.
    private const int LeastMessage = 200;

    // Of characters, which take up to six bytes when they are escaped; mostly it is little over one.
    private const int FailureBudget = 10_000_000;
    private const int OutputBudget = 6_000_000;

    public static void Write(Report report, ReportTarget target)
    {
        using XmlWriter xml = XmlReport.Create(target.Stream);
        var budget = new Budget();
        xml.WriteStartDocument();
        xml.WriteStartElement("testsuites");
        xml.Attribute("name", target.Options.Title.Length > 0 ? target.Options.Title : report.Tool);
        ReportEntry[][] runs = [.. report.Runs.Select(r => ReportEntry.Of(r).ToArray())];
        WriteCounts(xml, runs.SelectMany(r => r), report.Duration);
        if (report.Started is { } started)
            xml.WriteAttributeString("timestamp", Time(started));
        for (int i = 0; i < runs.Length; i++)
            WriteRun(xml, report.Runs[i], runs[i], budget);
        xml.WriteEndElement();
        xml.WriteEndDocument();
        xml.Flush();
    }

    private sealed class Budget
    {
        public int Failures { get; set; } = FailureBudget;

        public int Output { get; set; } = OutputBudget;

        public string TakeMessage(string text) => TakeFailure(text, LeastMessage);

        public string TakeFailure(string text, int least = 0)
        {
            string cut = ReportText.Head(text, Math.Max(least, Math.Min(MostText, Failures)));
            Failures = Math.Max(0, Failures - cut.Length);
            return cut;
        }

        public string TakeOutput(string text, bool failed)
        {
            string cut = ReportText.Tail(text, Math.Min(MostOutput, failed ? Failures : Output));
            if (failed)
                Failures = Math.Max(0, Failures - cut.Length);
            else
                Output = Math.Max(0, Output - cut.Length);
            return cut;
        }
    }

    private static void WriteCounts(XmlWriter xml, IEnumerable<ReportEntry> entries, TimeSpan time)
    {
        int tests = 0, failures = 0, errors = 0, skipped = 0;
        foreach (ReportEntry entry in entries)
        {
            tests++;
            switch (entry.Test.Outcome)
            {
                case ReportOutcome.Failed:
                    failures++;
                    break;
                case ReportOutcome.Crashed or ReportOutcome.TimedOut or ReportOutcome.Error:
                    errors++;
                    break;
                case ReportOutcome.Skipped or ReportOutcome.NotRun or ReportOutcome.ExpectedFailure:
                    skipped++;
                    break;
            }
        }

        xml.WriteAttributeString("tests", Number(tests));
        xml.WriteAttributeString("failures", Number(failures));
        xml.WriteAttributeString("errors", Number(errors));
        xml.WriteAttributeString("skipped", Number(skipped));
        xml.WriteAttributeString("time", Seconds(time));
    }

    private static void WriteRun(XmlWriter xml, ReportRun run, ReportEntry[] entries, Budget budget)
    {
        xml.WriteStartElement("testsuite");
        xml.Attribute("name", run.Kernel.Length > 0 ? $"{run.Name} [{run.Kernel}]" : run.Name);
        WriteCounts(xml, entries, run.Duration);
        if (run.Started is { } started)
            xml.WriteAttributeString("timestamp", Time(started));
        if (run.Kernel.Length > 0)
            xml.Attribute("hostname", run.Kernel);

        xml.WriteStartElement("properties");
        WriteProperty(xml, "uml.run", run.Name);
        WriteProperty(xml, "uml.kernel", run.Kernel);
        WriteProperty(xml, "uml.release", run.Release);
        WriteProperty(xml, "uml.environment", run.Environment);
        WriteProperty(xml, "uml.exit-status", run.ExitStatus is { } status ? Number(status) : "");
        WriteProperty(xml, "uml.kernel-log-file", run.KernelLogFile ?? "");
        foreach ((string name, string value) in run.Properties)
            WriteProperty(xml, name, value);
        xml.WriteEndElement();

        foreach (ReportEntry entry in entries)
            WriteEntry(xml, run, entry, budget);

        // The whole log has no room here; its end has what a reader of a failure looks for.
        if (run.KernelLog is { Length: > 0 } log && !run.Succeeded)
            xml.TextElement("system-err", budget.TakeOutput(log, failed: true));
        xml.WriteEndElement();
    }

    private static void WriteProperty(XmlWriter xml, string name, string value)
    {
        if (value.Length == 0)
            return;
        xml.WriteStartElement("property");
        xml.Attribute("name", name);
        xml.Attribute("value", value);
        xml.WriteEndElement();
    }

    private static void WriteEntry(XmlWriter xml, ReportRun run, ReportEntry entry, Budget budget)
    {
        ReportTest test = entry.Test;
        xml.WriteStartElement("testcase");
        xml.Attribute("classname", test.Suite.Length > 0 ? test.Suite : run.Name);
        xml.Attribute("name", entry.DisplayName(run));
        xml.WriteAttributeString("time", Seconds(test.Duration));
        if (test.SourceFile is { } file)
            xml.Attribute("file", file);
        if (test.SourceLine is { } line)
            xml.WriteAttributeString("line", Number(line));

        bool attempts = test.Attempts > 1 || test.Flaky;
        if (!test.Traits.IsEmpty || attempts || entry.Kind != ReportEntryKind.Test)
        {
            xml.WriteStartElement("properties");
            if (entry.Kind != ReportEntryKind.Test)
                WriteProperty(xml, "uml.entry", entry.Kind.ToString().ToLowerInvariant());
            if (attempts)
                WriteProperty(xml, test.Flaky ? "flaky" : "attempts", Number(test.Attempts));
            foreach ((string name, string value) in test.Traits)
                WriteProperty(xml, name, value);
            xml.WriteEndElement();
        }

        switch (test.Outcome)
        {
            case ReportOutcome.Passed:
                break;
            case ReportOutcome.Skipped or ReportOutcome.NotRun or ReportOutcome.ExpectedFailure:
                xml.WriteStartElement("skipped");
                if (test.Outcome != ReportOutcome.Skipped)
                    xml.WriteAttributeString("type", test.Outcome.Words());
                if (test.Message.Length > 0)
                    xml.Attribute("message", budget.TakeMessage(test.Message));
                xml.WriteEndElement();
                break;
            default:
                xml.WriteStartElement(test.Outcome == ReportOutcome.Failed ? "failure" : "error");
                xml.Attribute("message", budget.TakeMessage(test.Message.Length > 0 ? test.Message : test.Outcome.Words()));
                xml.Attribute("type", test.Outcome == ReportOutcome.Failed ? test.ErrorType.Length > 0 ? test.ErrorType : "failed" : test.Outcome.Words());
                xml.Text(budget.TakeFailure(test.Details.Length > 0 ? test.Details : test.Message));
                xml.WriteEndElement();
                break;
        }

        if (test.Output.Length > 0)
            xml.TextElement("system-out", budget.TakeOutput(test.Output, test.Outcome.IsFailure()));
        xml.WriteEndElement();
    }

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Seconds(TimeSpan time) => Math.Max(0, time.TotalSeconds).ToString("0.000###", CultureInfo.InvariantCulture);

    // Several readers take no time zone, and UTC for what has none.
    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss", CultureInfo.InvariantCulture);
}
