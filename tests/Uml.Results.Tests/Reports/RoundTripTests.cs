using System.Xml.Linq;

namespace Uml.CI.Tests;

public sealed class RoundTripTests
{
    [Fact]
    public void Ctrf_keeps_the_whole_model()
    {
        Report read = Again(Samples.Everything, ReportFormat.Ctrf);
        Assert.Equal((Samples.Everything.Tool, Samples.Everything.ToolVersion, Samples.Everything.Duration), (read.Tool, read.ToolVersion, read.Duration));
        Assert.Equal(Samples.Everything.Runs.Length, read.Runs.Length);
        foreach ((ReportRun old, ReportRun now) in Samples.Everything.Runs.Zip(read.Runs))
        {
            Assert.Equal(
                (old.Name, old.Kernel, old.Release, old.Environment, old.Started, old.Duration, old.ExitStatus, old.KernelLog, old.KernelLogFile),
                (now.Name, now.Kernel, now.Release, now.Environment, now.Started, now.Duration, now.ExitStatus, now.KernelLog, now.KernelLogFile));
            Assert.Equal(old.Errors, now.Errors);
            Assert.Equal(old.Complaints, now.Complaints);
            Assert.Equal(old.Properties, now.Properties);
            Assert.Equal(old.Tests.Select(Facts), now.Tests.Select(Facts));
            Assert.Equal(old.Tests.Select(t => t.Path), now.Tests.Select(t => t.Path));
            Assert.Equal(old.Tests.Select(t => t.Traits), now.Tests.Select(t => t.Traits));
            Assert.Equal(old.Tests.Select(t => (t.Details, t.Output, t.Duration, t.Attempts, t.Flaky)), now.Tests.Select(t => (t.Details, t.Output, t.Duration, t.Attempts, t.Flaky)));
        }
    }

    [Theory]
    [InlineData(ReportFormat.Trx)]
    [InlineData(ReportFormat.JUnit)]
    [InlineData(ReportFormat.Ctrf)]
    public void Names_outcomes_and_verdicts_come_back(ReportFormat format)
    {
        Report read = Again(Samples.Everything, format);
        Assert.Equal(["debian:sid", "debian:bookworm"], read.Kernels);
        foreach ((ReportRun old, ReportRun now) in Samples.Everything.Runs.Zip(read.Runs))
        {
            Assert.Equal((old.Name, old.Kernel, old.Release, old.Succeeded), (now.Name, now.Kernel, now.Release, now.Succeeded));
            Assert.Equal(old.Tests.Select(Facts), now.Tests.Select(Facts));
            Assert.Equal(old.Errors.Select(e => e.Message), now.Errors.Select(e => e.Message));
            Assert.Equal(old.Complaints.Where(c => c.AllowedBecause is null).Select(c => (c.Title, c.SourceFile, c.SourceLine)), now.Complaints.Where(c => c.AllowedBecause is null).Select(c => (c.Title, c.SourceFile, c.SourceLine)));
        }
    }

    [Theory]
    [InlineData(ReportFormat.Trx)]
    [InlineData(ReportFormat.JUnit)]
    [InlineData(ReportFormat.Ctrf)]
    public void What_failed_without_a_test_stays_a_failure(ReportFormat format)
    {
        ReportRun[] bad =
        [
            new() { Name = "status", Kernel = "k", ExitStatus = 3, Tests = [Samples.Test(ReportOutcome.Passed, "a")] },
            new() { Name = "nothing ran", Kernel = "k" },
            new() { Name = "lost", Kernel = "k", Errors = [new ReportError("gone")], Tests = [Samples.Test(ReportOutcome.Passed, "a")] },
            new() { Name = "complaint", Tests = [Samples.Test(ReportOutcome.Passed, "a")], Complaints = [new ReportComplaint { Kind = "BUG", Title = "BUG: bad" }] },
        ];
        Assert.All(bad, run =>
        {
            Assert.False(run.Succeeded);
            Report read = Again(Report.Of([run]), format);
            Assert.False(read.Succeeded);
            Assert.False(Again(read, format).Succeeded);
            Assert.Equal(run.Tests.Length, read.Runs.Sum(r => r.Tests.Length));
        });
        Assert.True(Again(Report.Of([new ReportRun { Name = "command", ExitStatus = 0, Tests = [Samples.Test(ReportOutcome.Passed, "a")] }]), format).Succeeded);
    }

    [Theory]
    [InlineData(ReportFormat.Trx)]
    [InlineData(ReportFormat.JUnit)]
    [InlineData(ReportFormat.Ctrf)]
    [InlineData(ReportFormat.Html)]
    [InlineData(ReportFormat.Markdown)]
    [InlineData(ReportFormat.Ktap)]
    [InlineData(ReportFormat.Kcidb)]
    public void The_same_report_is_the_same_file(ReportFormat format) =>
        Assert.Equal(Samples.Write(Samples.Everything, format), Samples.Write(Samples.Everything with { }, format));

    [Theory]
    [InlineData(ReportFormat.Trx)]
    [InlineData(ReportFormat.JUnit)]
    [InlineData(ReportFormat.Ctrf)]
    public void A_large_report_comes_back(ReportFormat format)
    {
        Report large = Samples.Large();
        Report read = Again(large, format);
        Assert.All(ReportOutcomes.WorstFirst, o => Assert.Equal(large.Count(o), read.Count(o)));
        Assert.Equal(6000, read.Runs.Sum(r => r.Tests.Length));
    }

    [Fact]
    public void Tests_have_the_same_identifiers_in_every_report_and_none_twice()
    {
        string[] first = Ids(Samples.Everything);
        Assert.Equal(first.Length, first.Distinct(StringComparer.Ordinal).Count());
        Assert.Equal(first, Ids(Samples.Everything with { Started = DateTimeOffset.UnixEpoch, Runs = [.. Samples.Everything.Runs.Select(r => r with { Duration = TimeSpan.FromDays(1) })] }));
        string[] twice = Ids(Report.Merge([Samples.Everything, Samples.Everything]));
        Assert.Equal(2 * first.Length, twice.Distinct(StringComparer.Ordinal).Count());
    }

    private static string[] Ids(Report report) =>
        [.. XElement.Parse(System.Text.Encoding.UTF8.GetString(Samples.Write(report, ReportFormat.Trx))).Descendants().Where(e => e.Name.LocalName == "UnitTestResult").Select(e => (string)e.Attribute("testId")!)];

    // Characters that a format cannot hold are written as something else.
    private static object Facts(ReportTest test) => (test.FullName, test.Outcome, test.SourceFile, test.SourceLine, test.Message.Split('\n')[0]);

    private static Report Again(Report report, ReportFormat format)
    {
        using var file = new MemoryStream(Samples.Write(report, format));
        return ReportFile.Read(file, "a report");
    }
}
