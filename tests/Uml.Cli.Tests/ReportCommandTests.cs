using System.Text.Json;
using System.Xml.Linq;

namespace Uml.CI.Cli.Tests;

public sealed class ReportCommandTests : ToolTests
{
    private const string Old = """<testsuite name="unit"><testcase classname="c" name="stays" time="0.1"/><testcase classname="c" name="breaks" time="0.1"/><testcase classname="c" name="was broken"><failure message="no"/></testcase></testsuite>""";
    private const string New = """<testsuite name="unit"><testcase classname="c" name="stays" time="0.4"/><testcase classname="c" name="breaks" file="a.c" line="3"><failure message="why&#10;more">where</failure></testcase><testcase classname="c" name="was broken"/></testsuite>""";

    [Fact]
    public async Task A_report_becomes_any_other()
    {
        File.WriteAllText(this["new.xml"], New);
        foreach (string name in (string[])["a.trx", "a.xml", "a.json", "a.ktap", "a.md", "a.html", "a.kcidb.json"])
        {
            Run run = await RunAsync("report", "convert", "7.3=new.xml", "-o", name);
            Assert.True((run.ExitCode, run.Output, run.Error) == (0, "", ""), run.ToString());
            Assert.Contains("was broken", File.ReadAllText(this[name]), StringComparison.Ordinal);
        }

        Run again = await RunAsync("report", "convert", "a.json", "--to", "junit", "-o", "-");
        Assert.Equal("a.c", (string?)XElement.Parse(again.Output).Descendants("failure").Single().Parent!.Attribute("file"));
        Assert.Contains("breaks [7.3]", again.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reports_of_several_kernels_become_one()
    {
        File.WriteAllText(this["old.xml"], Old);
        File.WriteAllText(this["new.xml"], New);
        Run merged = await RunAsync("report", "merge", "6.1=old.xml", "7.3=new.xml", "-o", "-");
        Assert.Equal(0, merged.ExitCode);
        using JsonDocument json = JsonDocument.Parse(merged.OutputBytes);
        Assert.Equal(6, json.RootElement.GetProperty("results").GetProperty("summary").GetProperty("tests").GetInt32());
        Run shown = await RunAsync(["report", "show", "-", "--all"], merged.OutputBytes);
        Assert.True(shown.ExitCode == 0, shown.ToString());
        Assert.StartsWith("FAILED c.breaks [7.3]\n  | a.c:3\n  | why\n  | more\nFAILED c.was broken [6.1]\n  | no\n", shown.Output, StringComparison.Ordinal);
        Assert.Matches(@"\n  breaks +100 ms +FAILED\n", shown.Output);
        Assert.DoesNotContain('\u001b', shown.Output);
    }

    [Fact]
    public async Task What_is_newly_failing_and_only_that_is_a_failure()
    {
        File.WriteAllText(this["old.xml"], Old);
        File.WriteAllText(this["new.xml"], New);
        Run run = await RunAsync("report", "diff", "old.xml", "new.xml");
        Assert.True(run.ExitCode == 1, run.ToString());
        Assert.Equal(
            """
            newly failing (1)
              c.breaks  passed -> failed
                | why

            fixed (1)
              c.was broken

            slower (1)
              c.stays  100 ms -> 400 ms (4.0 times)

            1 newly failing, 1 fixed, 1 slower, 0 unchanged

            """,
            run.Output);
        Assert.Equal(0, (await RunAsync("report", "diff", "new.xml", "new.xml")).ExitCode);
        Run lenient = await RunAsync("report", "diff", "old.xml", "new.xml", "--slower", "5", "--json");
        Assert.Equal(1, lenient.ExitCode);
        using JsonDocument json = JsonDocument.Parse(lenient.OutputBytes);
        Assert.Empty(json.RootElement.GetProperty("slower").EnumerateArray());
        JsonElement broken = Assert.Single(json.RootElement.GetProperty("newlyFailing").EnumerateArray());
        Assert.Equal(("c.breaks", "passed", "failed"), (broken.GetProperty("name").GetString(), broken.GetProperty("old").GetProperty("outcome").GetString(), broken.GetProperty("new").GetProperty("outcome").GetString()));
    }

    [Theory]
    [InlineData("no such file", "show", "no such file")]
    [InlineData("bad.xml: line 1", "show", "bad.xml")]
    [InlineData("empty.xml: the file is empty", "diff", "good.xml", "empty.xml")]
    [InlineData("add --to", "convert", "good.xml", "-o", "out")]
    [InlineData("there is no format \"pdf\"", "convert", "good.xml", "-o", "out", "--to", "pdf")]
    [InlineData("uml report merge", "convert", "good.xml", "good.xml", "-o", "out.trx")]
    [InlineData("several reports would be written to dir/good.trx", "convert", "good.xml", "good.xml", "-o", "dir/", "--to", "trx")]
    [InlineData("\"/dev/full\" cannot be written: No space left", "convert", "good.xml", "-o", "/dev/full", "--to", "html")]
    [InlineData("\"good.xml/x.trx\" cannot be written", "convert", "good.xml", "-o", "good.xml/x.trx")]
    [InlineData("is not how many times as long", "diff", "good.xml", "good.xml", "--slower", "0.5")]
    [InlineData("both reports cannot be standard input", "diff", "-", "-")]
    public async Task What_makes_no_sense_is_told_in_a_line(string reason, params string[] arguments)
    {
        File.WriteAllText(this["good.xml"], Old);
        File.WriteAllText(this["bad.xml"], "<testsuite><testcase>");
        File.WriteAllText(this["empty.xml"], "");
        Run run = await RunAsync(["report", .. arguments], null);
        Assert.True(run.ExitCode == 125, run.ToString());
        Assert.Empty(run.Output);
        Assert.Contains(reason, run.Error.Split('\n')[0], StringComparison.Ordinal);
        Assert.All(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries), l => Assert.StartsWith("uml: ", l, StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_a_test_says_is_no_command_of_a_workflow_and_moves_no_cursor()
    {
        File.WriteAllText(this["evil.xml"], "<testsuite name=\"u\"><testcase classname=\"&#x1b;[2J::error::x\" name=\"n\"><failure message=\"::error::hello&#10;::set-output::x\"/></testcase></testsuite>");
        foreach (string[] arguments in (string[][])[["show", "evil.xml"], ["convert", "evil.xml", "--to", "markdown", "-o", "-"]])
        {
            Run run = await RunAsync(["report", .. arguments], null);
            Assert.Equal(0, run.ExitCode);
            Assert.DoesNotContain('\u001b', run.Output);
            Assert.DoesNotContain(run.Output.Split('\n'), l => l.TrimStart().StartsWith("::", StringComparison.Ordinal));
        }
    }
}
