namespace Uml.CI.Tests;

public sealed class ReportDiffTests
{
    [Fact]
    public void Each_change_is_what_it_is()
    {
        TimeSpan second = TimeSpan.FromSeconds(1);
        Report older = One("k",
            Test(ReportOutcome.Passed, "breaks"), Test(ReportOutcome.Skipped, "breaks too"), Test(ReportOutcome.Failed, "mended"), Test(ReportOutcome.Crashed, "stays broken"), Test(ReportOutcome.Passed, "slow") with { Duration = second },
            Test(ReportOutcome.Passed, "a bit slower") with { Duration = TimeSpan.FromMilliseconds(1) }, Test(ReportOutcome.Passed, "skipped now"), Test(ReportOutcome.Failed, "hidden now"), Test(ReportOutcome.Passed, "gone"), Test(ReportOutcome.Passed, "same"), Test(ReportOutcome.Passed, "shaky"));
        Report newer = One("k",
            Test(ReportOutcome.Failed, "breaks"), Test(ReportOutcome.TimedOut, "breaks too"), Test(ReportOutcome.Failed, "is new and fails"), Test(ReportOutcome.Passed, "mended"), Test(ReportOutcome.Failed, "stays broken"), Test(ReportOutcome.Passed, "slow") with { Duration = 2 * second },
            Test(ReportOutcome.Passed, "a bit slower") with { Duration = TimeSpan.FromMilliseconds(20) }, Test(ReportOutcome.Skipped, "skipped now"), Test(ReportOutcome.NotRun, "hidden now"), Test(ReportOutcome.Passed, "is new"), Test(ReportOutcome.Passed, "same"), Test(ReportOutcome.Passed, "shaky") with { Flaky = true, Attempts = 2 });
        ReportDiff diff = ReportDiff.Compare(older, newer);
        Assert.Equal(["breaks", "breaks too", "is new and fails"], Names(diff, ReportChange.NewlyFailing));
        Assert.Equal(["mended"], Names(diff, ReportChange.Fixed));
        Assert.Equal(["stays broken"], Names(diff, ReportChange.StillFailing));
        Assert.Equal(["slow"], Names(diff, ReportChange.Slower));
        Assert.Equal(["skipped now", "hidden now"], Names(diff, ReportChange.NoLongerRun));
        Assert.Equal(["is new"], Names(diff, ReportChange.New));
        Assert.Equal(["gone"], Names(diff, ReportChange.Gone));
        Assert.Equal(["shaky"], Names(diff, ReportChange.Flaky));
        Assert.Equal(2, diff.Unchanged);
        Assert.Equal(["slow", "a bit slower"], Names(ReportDiff.Compare(older, newer, new ReportDiffOptions { SlowerBy = TimeSpan.Zero }), ReportChange.Slower));
    }

    [Fact]
    public void A_report_does_not_differ_from_itself()
    {
        ReportDiff diff = ReportDiff.Compare(Samples.Large(), Samples.Large());
        Assert.DoesNotContain(diff.Differences, d => d.Change is not (ReportChange.StillFailing or ReportChange.Flaky));
    }

    [Fact]
    public void Kernels_are_kept_apart_unless_each_report_has_one()
    {
        Report both = Report.Of([.. One("a", Test(ReportOutcome.Passed, "t")).Runs, .. One("b", Test(ReportOutcome.Failed, "t")).Runs]);
        Report swapped = Report.Of([.. One("a", Test(ReportOutcome.Failed, "t")).Runs, .. One("b", Test(ReportOutcome.Passed, "t")).Runs]);
        ReportDiff diff = ReportDiff.Compare(both, swapped);
        Assert.Equal("a", Assert.Single(diff.Of(ReportChange.NewlyFailing)).Kernel);
        Assert.Equal("b", Assert.Single(diff.Of(ReportChange.Fixed)).Kernel);
        ReportDiff across = ReportDiff.Compare(One("a", Test(ReportOutcome.Passed, "t")), One("b", Test(ReportOutcome.Failed, "t")));
        Assert.Equal("a -> b", across.Kernels);
        Assert.Single(across.Of(ReportChange.NewlyFailing));
    }

    [Fact]
    public void A_new_complaint_of_the_kernel_is_newly_failing_and_one_of_another_process_is_the_same()
    {
        static Report With(params string[] titles) => Report.Of([new ReportRun { Name = "r", Kernel = "k", Tests = [Test(ReportOutcome.Passed, "t")], Complaints = [.. titles.Select(t => new ReportComplaint { Kind = "WARNING", Title = t })] }]);
        Assert.Single(ReportDiff.Compare(With(), With("WARNING: CPU: 0 PID: 12 at a.c:1")).Of(ReportChange.NewlyFailing));
        Assert.Single(ReportDiff.Compare(With("WARNING: CPU: 0 PID: 12 at a.c:1"), With()).Of(ReportChange.Fixed));
        ReportDiff same = ReportDiff.Compare(With("WARNING: CPU: 0 PID: 12 at a.c:1"), With("WARNING: CPU: 1 PID: 345 at a.c:1"));
        Assert.Single(same.Of(ReportChange.StillFailing));
        Assert.Empty(same.Of(ReportChange.NewlyFailing));
    }

    private static ReportTest Test(ReportOutcome outcome, string name) => Samples.Test(outcome, name);

    private static Report One(string kernel, params ReportTest[] tests) => Report.Of([new ReportRun { Name = "r", Kernel = kernel, Tests = [.. tests] }]);

    private static IEnumerable<string> Names(ReportDiff diff, ReportChange change) => diff.Of(change).Select(d => d.Name);
}
