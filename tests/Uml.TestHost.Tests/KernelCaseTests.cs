using Xunit;

namespace Uml.CI.TestHost;

/// <summary>One test on several kernels, seen from outside: by the report of a run.</summary>
public sealed class KernelCaseTests
{
    [Fact]
    public async Task There_is_a_case_for_each_kernel()
    {
        using ChildRun run = ChildRun.OfClass("KernelCases");
        Dictionary<string, Result> results = await run.WaitAsync();

        Assert.Equal(
            [
                "Fails [debian:sid]",
                "Only_when_asked_for [debian:sid]",
                "Rows [debian:bookworm](row: 1)", "Rows [debian:bookworm](row: 2)", "Rows [debian:sid](row: 1)", "Rows [debian:sid](row: 2)",
                "Runs_into_its_timeout [debian:sid]",
                "Runs_on [debian:bookworm]", "Runs_on [debian:sid]",
                "Skipped [debian:bookworm]", "Skipped [debian:sid]",
            ],
            results.Keys.Order(StringComparer.Ordinal));
        Assert.Contains("release 6.1.", Passed("Runs_on [debian:bookworm]").Output, StringComparison.Ordinal);
        Assert.Contains("release 7.", Passed("Runs_on [debian:sid]").Output, StringComparison.Ordinal);
        Passed("Rows [debian:bookworm](row: 2)");
        Assert.Equal("skipped", results["Skipped [debian:sid]"].Status);
        Assert.Equal("pending", results["Only_when_asked_for [debian:sid]"].Status);
        await run.AssertNothingLeftAsync();

        Result Passed(string name)
        {
            Assert.True(results[name].Status == "passed", results[name].Everything);
            return results[name];
        }
    }

    [Fact]
    public async Task Rows_that_are_known_beforehand_are_cases()
    {
        using ChildRun run = ChildRun.Of("-preEnumerateTheories", "-trait", "Kernel=debian:sid", "-method", "Uml.CI.TestHost.Cases.KernelCases.Rows");
        Dictionary<string, Result> results = await run.WaitAsync();

        Assert.Equal(["Rows(row: 1) [debian:sid]", "Rows(row: 2) [debian:sid]"], results.Keys.Order(StringComparer.Ordinal));
        Assert.All(results.Values, r => Assert.True(r.Status == "passed", r.Everything));
    }

    [Fact]
    public async Task The_kernel_is_a_trait()
    {
        using ChildRun run = ChildRun.Of("-trait", "Kernel=debian:bookworm", "-class", "Uml.CI.TestHost.Cases.KernelClassCases");
        Assert.Equal(["Of_the_class [debian:bookworm]"], (await run.WaitAsync()).Keys);
    }

    [Fact]
    public async Task A_class_has_kernels_for_its_tests()
    {
        using ChildRun run = ChildRun.OfClass("KernelClassCases");
        Dictionary<string, Result> results = await run.WaitAsync();

        Assert.Equal(["Its_own [debian:sid]", "Of_the_class [debian:bookworm]", "Of_the_class [debian:sid]", "Runs_once"], results.Keys.Order(StringComparer.Ordinal));
        Assert.All(results.Values.Where(r => r.Name != "Runs_once"), r => Assert.True(r.Status == "passed", r.Everything));
        Assert.Equal("failed", results["Runs_once"].Status);
        Assert.Contains("make it a [KernelFact]", results["Runs_once"].Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_message_of_a_failure_has_the_last_lines_behind_it()
    {
        using ChildRun run = ChildRun.OfMethod("KernelCases.Fails");
        Result result = Assert.Single(await run.WaitAsync()).Value;

        Assert.StartsWith("as it should\n\nKernel log of the guest since the test began:\n  marker-of-this-test\nLast commands in the guest:\n", result.Message, StringComparison.Ordinal);
        Assert.Contains("  | said\n    ! complained\n", result.Message, StringComparison.Ordinal);
        Assert.Contains("exit status 3 after ", result.Message, StringComparison.Ordinal);
        Assert.Contains("  | said\n", result.Attachments["transcript.txt"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_timeout_ends_the_guest_and_tells_what_it_was_doing()
    {
        using ChildRun run = ChildRun.OfMethod("KernelCases.Runs_into_its_timeout");
        Result result = Assert.Single(await run.WaitAsync()).Value;

        Assert.True(result.Status == "failed", result.Everything);
        Assert.Contains("timed out", result.Message, StringComparison.Ordinal);
        Assert.Contains("$ sleep 1000", result.Message, StringComparison.Ordinal);
        Assert.Contains("still runs", result.Message, StringComparison.Ordinal);
        Assert.Contains("\"sleep 1000\" sleeping in", result.Attachments["guest-state.txt"], StringComparison.Ordinal);
        await run.AssertNothingLeftAsync();
    }
}
