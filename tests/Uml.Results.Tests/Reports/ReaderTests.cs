using System.Text;

namespace Uml.CI.Tests;

/// <summary>Files of other tools, as they write them, and files of nobody.</summary>
public sealed class ReaderTests
{
    [Fact]
    public void Pytest()
    {
        Report report = Read("""
            <?xml version="1.0" encoding="utf-8"?><testsuites><testsuite name="pytest" errors="1" failures="1" skipped="2" tests="5" time="0.042" timestamp="2026-09-14T08:30:12.123456" hostname="host">
            <testcase classname="tests.test_a.TestB" name="test_ok[1-x]" time="0.001" />
            <testcase classname="tests.test_a" name="test_bad" time="0.002"><failure message="assert 1 == 2">def test_bad():
            &gt;       assert 1 == 2
            E       assert 1 == 2

            tests/test_a.py:5: AssertionError</failure></testcase>
            <testcase classname="tests.test_a" name="test_skip" time="0.000"><skipped type="pytest.skip" message="why not">tests/test_a.py:8: why not</skipped></testcase>
            <testcase classname="tests.test_a" name="test_xfail" time="0.000"><skipped type="pytest.xfail" message="" /></testcase>
            <testcase classname="tests.test_a" name="test_setup" time="0.003"><error message="failed on setup with &quot;x&quot;">trace</error><system-out>out&#x1B;[31m</system-out></testcase>
            </testsuite></testsuites>
            """);
        ReportRun run = Assert.Single(report.Runs);
        Assert.False(run.Succeeded);
        Assert.Equal(
            [
                ("tests.test_a.TestB.test_ok[1-x]", ReportOutcome.Passed, ""), ("tests.test_a.test_bad", ReportOutcome.Failed, "assert 1 == 2"), ("tests.test_a.test_skip", ReportOutcome.Skipped, "why not"),
                ("tests.test_a.test_xfail", ReportOutcome.ExpectedFailure, ""), ("tests.test_a.test_setup", ReportOutcome.Error, "failed on setup with \"x\""),
            ],
            run.Tests.Select(t => (t.FullName, t.Outcome, t.Message)));
        Assert.Equal(TimeSpan.FromMilliseconds(2), run.Tests[1].Duration);
        Assert.EndsWith("tests/test_a.py:5: AssertionError", run.Tests[1].Details, StringComparison.Ordinal);
        Assert.Equal("out\u001b[31m", run.Tests[4].Output);
    }

    [Fact]
    public void Google_test()
    {
        ReportRun run = Assert.Single(Read("""
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites tests="3" failures="1" disabled="1" errors="0" time="0.01" timestamp="2026-09-14T08:30:12.000" name="AllTests">
              <testsuite name="FooTest" tests="3" failures="1" disabled="1" skipped="0" errors="0" time="0.01" timestamp="2026-09-14T08:30:12.000">
                <testcase name="Works" file="foo_test.cc" line="7" status="run" result="completed" time="0." timestamp="2026-09-14T08:30:12.000" classname="FooTest" />
                <testcase name="Breaks" file="foo_test.cc" line="11" status="run" result="completed" time="0.004" classname="FooTest">
                  <failure message="foo_test.cc:12&#x0A;Expected equality" type=""><![CDATA[foo_test.cc:12
            Expected equality of these values]]></failure>
                </testcase>
                <testcase name="DISABLED_Later" status="notrun" result="suppressed" time="0." classname="FooTest" />
              </testsuite>
            </testsuites>
            """).Runs);
        Assert.Equal("AllTests", run.Name);
        Assert.Equal([("FooTest.Works", ReportOutcome.Passed), ("FooTest.Breaks", ReportOutcome.Failed), ("FooTest.DISABLED_Later", ReportOutcome.NotRun)], run.Tests.Select(t => (t.FullName, t.Outcome)));
        Assert.Equal(("foo_test.cc", 11), (run.Tests[1].SourceFile, run.Tests[1].SourceLine!.Value));
    }

    [Fact]
    public void Cargo_nextest_and_surefire_with_retries()
    {
        ReportRun run = Assert.Single(Read("""
            <testsuites name="nextest-run" tests="2" failures="0" errors="0" uuid="6c0a" timestamp="2026-09-14T08:30:12.000+00:00" time="0.2">
              <testsuite name="my-crate::bin/it" tests="2" disabled="0" errors="0" failures="0">
                <testcase name="mod::retries" classname="my-crate::bin/it" timestamp="2026-09-14T08:30:12.100+00:00" time="0.1">
                  <flakyFailure timestamp="2026-09-14T08:30:12.000+00:00" time="0.05" type="test failure"><system-out>x</system-out></flakyFailure>
                </testcase>
                <testcase name="mod::keeps_failing" classname="my-crate::bin/it" time="0.1"><failure type="test failure with exit code 101" message="panicked"/><rerunFailure type="f"/><rerunFailure type="f"/></testcase>
              </testsuite>
            </testsuites>
            """).Runs);
        Assert.Equal([(ReportOutcome.Passed, true, 2), (ReportOutcome.Failed, false, 3)], run.Tests.Select(t => (t.Outcome, t.Flaky, t.Attempts)));
    }

    [Fact]
    public void Suites_within_suites_without_classes_as_kunit_writes_them()
    {
        ReportRun run = Assert.Single(Read("""
            <testsuites name="KUnit"><testsuite name="drm" tests="2"><testsuite name="drm_rect" tests="2">
            <testcase name="a" time="0.01"/><testcase name="b"><failure>it broke
            here</failure></testcase></testsuite></testsuite><testsuite name="empty"/></testsuites>
            """).Runs);
        Assert.Equal(["drm.drm_rect.a", "drm.drm_rect.b"], run.Tests.Select(t => t.FullName));
        Assert.Equal(("it broke", "it broke\nhere"), (run.Tests[1].Message, run.Tests[1].Details));
    }

    [Fact]
    public void Trx_of_vstest()
    {
        Report report = Read("""
            <?xml version="1.0" encoding="utf-8"?>
            <TestRun id="1e0f9e0c-6b8e-4b4e-9d7f-000000000001" name="me@host" xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010">
              <Times creation="2026-09-14T08:30:12Z" start="2026-09-14T08:30:12Z" finish="2026-09-14T08:30:14Z" />
              <Results>
                <UnitTestResult testId="a" testName="N.C.Passes" duration="00:00:00.0120000" startTime="2026-09-14T08:30:12Z" outcome="Passed"><Output><StdOut>hi</StdOut></Output></UnitTestResult>
                <UnitTestResult testId="b" testName="Fails" duration="00:00:01" outcome="Failed"><Output><ErrorInfo><Message>no</Message><StackTrace>   at N.C.Fails() in /src/C.cs:line 5</StackTrace></ErrorInfo></Output>
                  <ResultFiles><ResultFile path="/tmp/left.txt" /></ResultFiles></UnitTestResult>
                <UnitTestResult testId="c" testName="Skipped" outcome="NotExecuted" />
                <UnitTestResult testId="d" testName="Rows" outcome="Failed"><InnerResults><UnitTestResult testId="d" testName="Rows (1)" outcome="Passed"/><UnitTestResult testId="d" testName="Rows (2)" outcome="Timeout"/></InnerResults></UnitTestResult>
                <UnitTestResult testId="e" testName="Odd" />
              </Results>
              <TestDefinitions>
                <UnitTest name="Passes" storage="/src/bin/my.tests.dll" id="a"><TestCategory><TestCategoryItem TestCategory="fast"/></TestCategory><TestMethod className="N.C" name="Passes" /></UnitTest>
                <UnitTest name="Fails" storage="/src/bin/my.tests.dll" id="b"><TestMethod className="N.C, My.Tests" name="Fails" /></UnitTest>
                <UnitTest name="Skipped" storage="/src/bin/my.tests.dll" id="c"><TestMethod className="N.C" name="Skipped" /></UnitTest>
                <UnitTest name="Rows" storage="/src/bin/my.tests.dll" id="d"><TestMethod className="N.C" name="Rows" /></UnitTest>
                <UnitTest name="Odd" storage="/src/bin/my.tests.dll" id="e"><TestMethod className="N.C" name="Odd" /></UnitTest>
              </TestDefinitions>
              <ResultSummary outcome="Failed"><RunInfos><RunInfo outcome="Error"><Text>The active test run was aborted. Reason: Test host process crashed</Text></RunInfo></RunInfos></ResultSummary>
            </TestRun>
            """);
        ReportRun run = Assert.Single(report.Runs);
        Assert.Equal("my.tests", run.Name);
        Assert.Equal(
            [("N.C.Passes", ReportOutcome.Passed), ("N.C.Fails", ReportOutcome.Failed), ("N.C.Skipped", ReportOutcome.Skipped), ("N.C.Rows (1)", ReportOutcome.Passed), ("N.C.Rows (2)", ReportOutcome.TimedOut), ("N.C.Odd", ReportOutcome.Error)],
            run.Tests.Select(t => (t.FullName, t.Outcome)));
        Assert.Equal("The active test run was aborted. Reason: Test host process crashed", Assert.Single(run.Errors).Message);
        Assert.Equal(TimeSpan.FromSeconds(2), report.Duration);
        Assert.Equal("/tmp/left.txt", Assert.Single(run.Tests[1].Attachments).File);
    }

    [Fact]
    public void Ctrf_of_another_tool()
    {
        ReportRun run = Assert.Single(Read("""
            {"reportFormat":"CTRF","specVersion":"0.0.0","results":{"tool":{"name":"jest"},"summary":{"tests":5,"passed":1,"failed":1,"pending":1,"skipped":0,"other":2,"start":1706828654274,"stop":1706828655782},
            "tests":[{"name":"a","status":"passed","duration":100,"suite":["x","y"],"tags":["fast"],"retries":2,"flaky":true},{"name":"b","status":"failed","duration":5,"suite":"z","message":"no","trace":"at b","filePath":"b.js","line":7},
            {"name":"c","status":"pending","duration":0},{"name":"d","status":"other","duration":0,"rawStatus":"timedOut"},{"name":"e","status":"other","duration":0}],"environment":{"osRelease":"22"}}}
            """).Runs);
        Assert.Equal(
            [("x.y.a", ReportOutcome.Passed), ("z.b", ReportOutcome.Failed), ("c", ReportOutcome.NotRun), ("d", ReportOutcome.TimedOut), ("e", ReportOutcome.Error)],
            run.Tests.Select(t => (t.FullName, t.Outcome)));
        Assert.Equal((3, true), (run.Tests[0].Attempts, run.Tests[0].Flaky));
        Assert.Equal("jest", run.Name);
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("  \n", "empty")]
    [InlineData("hello", "no report that is read")]
    [InlineData("<html><body/></html>", "pages are written and not read")]
    [InlineData("<!DOCTYPE html><html>", "pages are written and not read")]
    [InlineData("<project/>", "<project>")]
    [InlineData("{\"checkouts\":[]}", "KernelCI")]
    [InlineData("{\"results\":[]}", "\"results\"")]
    [InlineData("{\"results\":{}}", "results.tests")]
    [InlineData("{\"results\":{\"tests\":[3]}}", "Number")]
    [InlineData("{\"results\":{\"tests\":[{\"name\":\"\\ud800\"}]}}", "text that is none")]
    [InlineData("{\"results\":{\"tests\":[\n{]}}", "line 2, column 2")]
    [InlineData("<testsuites>\n<testsuite name='a'>\n<testcase", "line 3")]
    [InlineData("<testsuites><testcase></testsuites>", "line 1")]
    [InlineData("<testsuites>&nonsense;</testsuites>", "nonsense")]
    public void What_is_no_report_is_told_in_a_line_that_names_the_file_and_the_place(string text, string reason)
    {
        var error = Assert.Throws<ReportException>(() => Read(text));
        Assert.StartsWith("some/file.x: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Entities_are_not_expanded_and_files_not_fetched()
    {
        string secret = Path.GetTempFileName();
        try
        {
            File.WriteAllText(secret, "secret");
            Assert.Throws<ReportException>(() => Read($"<!DOCTYPE t [<!ENTITY x SYSTEM \"file://{secret}\">]><testsuites><testcase name='&x;'/></testsuites>"));
            Assert.Throws<ReportException>(() => Read("<!DOCTYPE t [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><testsuites><testcase name='&b;'/></testsuites>"));
        }
        finally
        {
            File.Delete(secret);
        }

        Assert.Single(Read("<!DOCTYPE testsuites SYSTEM \"http://example.invalid/junit.dtd\"><testsuites><testcase name='a'/></testsuites>").Runs);
    }

    [Theory]
    [InlineData("<testsuite>", "")]
    [InlineData("<x>", "<testcase name='a'>")]
    [InlineData("<a>", "")]
    public void What_is_too_deep_is_an_error(string element, string inside)
    {
        string text = $"<testsuites>{inside}{new StringBuilder().Insert(0, element, 100_000)}";
        Assert.Throws<ReportException>(() => Read(text));
    }

    [Fact]
    public void Any_bytes_at_all_are_a_report_or_an_error()
    {
        var random = new Random(1);
        byte[][] seeds = [.. ((ReportFormat[])[ReportFormat.Trx, ReportFormat.JUnit, ReportFormat.Ctrf]).Select(f => Samples.Write(Samples.Everything, f))];
        int read = 0;
        for (int i = 0; i < 3000; i++)
        {
            byte[] bytes = [.. seeds[i % seeds.Length]];
            for (int changes = random.Next(1, 6); changes > 0; changes--)
            {
                int place = random.Next(bytes.Length);
                switch (random.Next(3))
                {
                    case 0:
                        bytes[place] = (byte)random.Next(256);
                        break;
                    case 1:
                        bytes = bytes[..place];
                        break;
                    default:
                        int length = random.Next(Math.Min(200, bytes.Length - place));
                        bytes = [.. bytes[..(place + length)], .. bytes[place..]];
                        break;
                }

                if (bytes.Length == 0)
                    break;
            }

            try
            {
                using var file = new MemoryStream(bytes);
                Report report = ReportFile.Read(file, "some/file.x");
                foreach (ReportFormat format in ReportFormats.All)
                    Samples.Write(report, format);
                read++;
            }
            catch (ReportException)
            {
                // One or the other.
            }
        }

        Assert.InRange(read, 100, 3000);
    }

    private static Report Read(string text)
    {
        using var file = new MemoryStream(Encoding.UTF8.GetBytes(text));
        return ReportFile.Read(file, "some/file.x");
    }
}
