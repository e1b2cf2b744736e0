using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Uml.CI.Tests;

/// <summary>What readers of each format need, as their sources and schemas say it.</summary>
public sealed partial class WriterTests
{
    private static readonly XNamespace s_trx = "http://microsoft.com/schemas/VisualStudio/TeamTest/2010";

    [Fact]
    public void Trx_has_what_its_readers_join_and_count()
    {
        XElement run = XElement.Parse(Samples.Text(Samples.Everything, ReportFormat.Trx));
        Assert.Equal(s_trx + "TestRun", run.Name);
        Assert.Equal(["Times", "TestSettings", "Results", "TestDefinitions", "TestEntries", "TestLists", "ResultSummary"], run.Elements().Select(e => e.Name.LocalName));
        XElement[] results = [.. run.Descendants(s_trx + "UnitTestResult")];
        Dictionary<string, XElement> definitions = run.Descendants(s_trx + "UnitTest").ToDictionary(d => (string)d.Attribute("id")!);
        HashSet<string> lists = [.. run.Descendants(s_trx + "TestList").Select(l => (string)l.Attribute("id")!)];
        Assert.All(results, r =>
        {
            XElement definition = definitions[(string)r.Attribute("testId")!];
            Assert.Equal((string?)definition.Element(s_trx + "Execution")!.Attribute("id"), (string?)r.Attribute("executionId"));
            Assert.NotEqual("", (string?)definition.Element(s_trx + "TestMethod")!.Attribute("className"));
            Assert.Equal((string?)definition.Attribute("name"), (string?)r.Attribute("testName"));
            Assert.Contains((string)r.Attribute("testListId")!, lists);
            Assert.Contains((string)r.Attribute("outcome")!, (string[])["Passed", "Failed", "NotExecuted"]);
            Assert.Matches(@"^\d\d:\d\d:\d\d\.\d{7}$", (string)r.Attribute("duration")!);
            Assert.True(Guid.TryParse((string)r.Attribute("testId")!, out _));

            // dorny/test-reporter shows an error only where both are.
            if ((string)r.Attribute("outcome")! == "Failed")
            {
                Assert.NotEqual("", r.Descendants(s_trx + "Message").Single().Value);
                Assert.NotEqual("", r.Descendants(s_trx + "StackTrace").Single().Value);
            }
        });
        Assert.Equal(results.Length, run.Descendants(s_trx + "TestEntry").Count());
        XElement counters = run.Descendants(s_trx + "Counters").Single();
        int Count(string name) => (int)counters.Attribute(name)!;
        Assert.Equal(results.Length, Count("total"));
        Assert.Equal(Count("executed"), Count("passed") + Count("failed"));
        Assert.Equal(results.Length, Count("executed") + Count("notExecuted"));
        Assert.Equal("Failed", (string?)run.Element(s_trx + "ResultSummary")!.Attribute("outcome"));
        Assert.Equal("Completed", (string?)XElement.Parse(Samples.Text(Report.Of([Samples.Everything.Runs[1]]), ReportFormat.Trx)).Element(s_trx + "ResultSummary")!.Attribute("outcome"));
    }

    [Fact]
    public void Trx_points_at_a_failures_line_of_source_as_net_does()
    {
        ReportTest test = Samples.Test(ReportOutcome.Failed, "suite", "test") with { Message = "no", SourceFile = "fs/foo.c", SourceLine = 42, Details = "a trace of C" };
        string trace = XElement.Parse(Samples.Text(Report.Of([new ReportRun { Name = "r", Tests = [test] }]), ReportFormat.Trx)).Descendants(s_trx + "StackTrace").Single().Value;
        Assert.Matches(@"^a trace of C\n", trace);
        Assert.Matches(@" in fs/foo\.c:line 42$", trace);
    }

    [Fact]
    public void A_day_is_hours_in_trx() =>
        Assert.Contains("duration=\"49:00:01.5000000\"", Samples.Text(Report.Of([new ReportRun { Name = "r", Tests = [Samples.Test(ReportOutcome.Passed, "t") with { Duration = new TimeSpan(2, 1, 0, 1, 500) }] }]), ReportFormat.Trx), StringComparison.Ordinal);

    [Fact]
    public void JUnit_counts_what_it_holds_and_keeps_kernels_apart()
    {
        XElement suites = XElement.Parse(Samples.Text(Samples.Everything, ReportFormat.JUnit));
        Assert.Equal("testsuites", suites.Name.LocalName);
        Assert.All(suites.Elements("testsuite").Append(suites), s =>
        {
            Assert.Equal(s.Descendants("testcase").Count(), (int)s.Attribute("tests")!);
            Assert.Equal(s.Descendants("failure").Count(), (int)s.Attribute("failures")!);
            Assert.Equal(s.Descendants("error").Count(), (int)s.Attribute("errors")!);
            Assert.Equal(s.Descendants("skipped").Count(), (int)s.Attribute("skipped")!);
            Assert.True(double.TryParse((string)s.Attribute("time")!, NumberStyles.Float, CultureInfo.InvariantCulture, out _));
        });
        Assert.Equal(["kunit [debian:sid]", "kunit [debian:bookworm]"], suites.Elements("testsuite").Select(s => (string)s.Attribute("name")!));
        Assert.All(suites.Descendants("testcase"), c =>
        {
            Assert.NotEqual("", (string)c.Attribute("classname")!);
            Assert.Matches(@" \[debian:(sid|bookworm)\]$", (string)c.Attribute("name")!);
        });
        XElement failed = suites.Descendants("failure").First();
        Assert.Equal(("lib/kunit/example.c", "42"), ((string?)failed.Parent!.Attribute("file"), (string?)failed.Parent.Attribute("line")));
        Assert.StartsWith("EXPECTATION FAILED at lib/kunit/example.c:42", (string)failed.Attribute("message")!, StringComparison.Ordinal);
        Assert.Contains(@"\x00\x1b[31mred", (string)failed.Attribute("message")!, StringComparison.Ordinal);
        Assert.Contains("🐧", (string)failed.Attribute("message")!, StringComparison.Ordinal);
    }

    [Fact]
    public void JUnit_stays_below_what_readers_take_and_says_what_is_cut()
    {
        string much = new('x', 300_000);
        ReportTest[] tests = [.. Enumerable.Range(0, 200).Select(i => Samples.Test(i % 2 == 0 ? ReportOutcome.Passed : ReportOutcome.Failed, "s", $"t{i}") with { Output = much, Details = much, Message = "why" })];
        byte[] file = Samples.Write(Report.Of([new ReportRun { Name = "r", Tests = [.. tests] }]), ReportFormat.JUnit);
        Assert.InRange(file.Length, 1_000_000, 30_000_000);
        XElement suites = XElement.Parse(System.Text.Encoding.UTF8.GetString(file));
        Assert.Equal(200, suites.Descendants("testcase").Count());
        Assert.All(suites.Descendants("failure"), f => Assert.StartsWith("why", (string)f.Attribute("message")!, StringComparison.Ordinal));
        Assert.Contains("left out of this report", suites.Descendants("system-out").First().Value, StringComparison.Ordinal);
    }

    [Fact]
    public void Ctrf_has_what_its_schema_asks_for()
    {
        using JsonDocument json = JsonDocument.Parse(Samples.Write(Samples.Everything, ReportFormat.Ctrf));
        JsonElement root = json.RootElement;
        Assert.Equal("CTRF", root.GetProperty("reportFormat").GetString());
        Assert.Matches(@"^\d+\.\d+\.\d+$", root.GetProperty("specVersion").GetString()!);
        JsonElement results = root.GetProperty("results");
        Assert.Empty(Names(results).Except(["tool", "summary", "tests", "environment", "extra"], StringComparer.Ordinal));
        JsonElement summary = results.GetProperty("summary");
        JsonElement[] tests = [.. results.GetProperty("tests").EnumerateArray()];
        Assert.Equal(tests.Length, summary.GetProperty("tests").GetInt32());
        Assert.All((string[])["passed", "failed", "skipped", "pending", "other"], s => Assert.Equal(tests.Count(t => t.GetProperty("status").GetString() == s), summary.GetProperty(s).GetInt32()));
        Assert.True(summary.GetProperty("stop").GetInt64() > summary.GetProperty("start").GetInt64());
        string[] known =
        [
            "id", "name", "status", "duration", "start", "stop", "suite", "message", "trace", "line", "rawStatus", "labels", "filePath", "retries", "flaky", "stdout", "attachments", "extra",
        ];
        Assert.All(tests, t =>
        {
            Assert.Empty(Names(t).Except(known, StringComparer.Ordinal));
            Assert.True(t.GetProperty("duration").TryGetInt64(out _));
            Assert.NotEqual("", t.GetProperty("name").GetString());
            Assert.NotEmpty(t.GetProperty("suite").EnumerateArray());
        });
    }

    [Fact]
    public void Kcidb_has_what_its_schema_asks_for()
    {
        using JsonDocument json = JsonDocument.Parse(Samples.Write(Samples.Everything, ReportFormat.Kcidb));
        JsonElement root = json.RootElement;
        Assert.Equal(5, root.GetProperty("version").GetProperty("major").GetInt32());
        string[] checkouts = [.. Ids(root, "checkouts")];
        string[] builds = [.. Ids(root, "builds")];
        string[] tests = [.. Ids(root, "tests")];
        Assert.Equal(2, checkouts.Length);
        Assert.Equal(2, builds.Length);
        Assert.Equal(16, tests.Distinct(StringComparer.Ordinal).Count());
        Assert.Equal("0123456789abcdef0123456789abcdef01234567", root.GetProperty("checkouts")[0].GetProperty("git_commit_hash").GetString());
        Assert.All(root.GetProperty("builds").EnumerateArray(), b => Assert.Contains(b.GetProperty("checkout_id").GetString()!, checkouts));
        string[] known = ["id", "origin", "build_id", "environment", "path", "comment", "log_excerpt", "status", "waived", "start_time", "duration", "misc"];
        Assert.All(root.GetProperty("tests").EnumerateArray(), t =>
        {
            Assert.Empty(Names(t).Except(known, StringComparer.Ordinal));
            Assert.Contains(t.GetProperty("build_id").GetString()!, builds);
            Assert.Matches(@"^[a-zA-Z0-9_-]+(\.[a-zA-Z0-9_-]+)*$", t.GetProperty("path").GetString()!);
            Assert.Contains(t.GetProperty("status").GetString()!, (string[])["FAIL", "ERROR", "MISS", "PASS", "DONE", "SKIP"]);
            Assert.True(!t.TryGetProperty("log_excerpt", out JsonElement log) || log.GetString()!.Length <= 16384);
        });
        Report noKernel = Report.Of([new ReportRun { Name = "r", Kernel = "k", Errors = [new ReportError("no boot")] }]);
        Assert.Contains("\"status\": \"MISS\"", Samples.Text(noKernel, ReportFormat.Kcidb), StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Samples.Write(noKernel, ReportFormat.Kcidb, new ReportWriteOptions { KcidbOrigin = "Me!" }));
    }

    [Fact]
    public void Ktap_is_nested_counted_and_has_the_directives()
    {
        string[] lines = Samples.Text(Samples.Everything, ReportFormat.Ktap).Split('\n');
        Assert.Equal(["KTAP version 1", "1..2"], lines[..2]);
        Assert.Contains("        not ok 6 hangs # TIMEOUT no result in 10 s", lines);
        Assert.Contains("        ok 3 is_skipped # SKIP needs CONFIG_SMP", lines);
        Assert.Contains("        ok 7 is_known_to_fail # XFAIL waits for a fix", lines);
        Assert.Contains("not ok 1 kunit [debian:sid]", lines);
        Assert.Contains("ok 2 kunit [debian:bookworm]", lines);
        Assert.DoesNotContain(lines, l => l.Any(c => char.IsControl(c) && c != '\t'));

        // Every level's results are numbered from 1 to what its plan says.
        Stack<(int Plan, int Seen)> levels = new();
        foreach (string line in lines)
        {
            if (Plan().Match(line) is { Success: true } plan)
                levels.Push((int.Parse(plan.Groups["n"].Value, CultureInfo.InvariantCulture), 0));
            if (Result().Match(line) is not { Success: true } result)
                continue;
            while (levels.Peek().Plan == levels.Peek().Seen)
                levels.Pop();
            (int planned, int seen) = levels.Pop();
            Assert.Equal(seen + 1, int.Parse(result.Groups["n"].Value, CultureInfo.InvariantCulture));
            levels.Push((planned, seen + 1));
        }

        Assert.All(levels, l => Assert.Equal(l.Plan, l.Seen));
    }

    private static IEnumerable<string> Names(JsonElement element) => element.EnumerateObject().Select(p => p.Name);

    private static IEnumerable<string> Ids(JsonElement root, string list) => root.GetProperty(list).EnumerateArray().Select(e =>
    {
        Assert.Matches("^[a-z0-9_]+:.", e.GetProperty("id").GetString()!);
        Assert.Equal(e.GetProperty("id").GetString()!.Split(':')[0], e.GetProperty("origin").GetString());
        return e.GetProperty("id").GetString()!;
    });

    [GeneratedRegex(@"^ *1\.\.(?<n>\d+)$", RegexOptions.ExplicitCapture)]
    private static partial Regex Plan();

    [GeneratedRegex(@"^ *(not )?ok (?<n>\d+) ", RegexOptions.ExplicitCapture)]
    private static partial Regex Result();
}
