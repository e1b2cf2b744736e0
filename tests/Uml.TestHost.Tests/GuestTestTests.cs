using Xunit;

namespace Uml.CI.TestHost;

/// <summary>What a test gets from its fixture, seen from outside: by the report of a run.</summary>
public sealed class GuestTestTests
{
    private static readonly (string, string) NoGuestsHere = ("UML_TMPDIR", "/no/such/directory");

    [Fact]
    public async Task A_failed_test_has_the_kernel_log()
    {
        using ChildRun run = ChildRun.OfMethod("FreshCases.Fails");
        Result result = Assert.Single(await run.WaitAsync()).Value;

        Assert.True(result.Status == "failed", result.Everything);
        Assert.Equal("as it should", result.Message);
        string log = result.Attachments["kernel.log"];
        Assert.Contains("Linux version", log, StringComparison.Ordinal);
        Assert.Contains("marker-of-this-test", log, StringComparison.Ordinal);
        Assert.Contains("  marker-of-this-test\n", result.Output, StringComparison.Ordinal);
        string file = Assert.Single(Directory.GetFiles(run.Results, "kernel.log", SearchOption.AllDirectories));
        Assert.Equal(log, await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
        Assert.Contains(file, result.Output, StringComparison.Ordinal);
        await Assert.Single(run.Guests()).AssertGoneAsync();
    }

    [Fact]
    public async Task A_passed_test_has_none()
    {
        using ChildRun run = ChildRun.OfMethod("FreshCases.Passes");
        Result result = Assert.Single(await run.WaitAsync()).Value;

        Assert.True(result.Status == "passed", result.Everything);
        Assert.Empty(result.Attachments);
        Assert.Empty(result.Warnings);
        Assert.Empty(result.Output);
        Assert.False(Directory.Exists(run.Results));
        await Assert.Single(run.Guests()).AssertGoneAsync();
    }

    [Fact]
    public async Task A_panic_fails_the_test_with_its_report()
    {
        using ChildRun run = ChildRun.OfMethod("FreshCases.Panics");
        Result result = Assert.Single(await run.WaitAsync()).Value;

        Assert.True(result.Status == "failed", result.Everything);
        Assert.Contains(nameof(KernelPanicException), result.Message, StringComparison.Ordinal);
        Assert.Contains("sysrq triggered crash", result.Attachments["kernel.log"], StringComparison.Ordinal);
        Assert.Contains("(Panic)", Assert.Single(result.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_timeout_ends_the_guest_and_tells_what_it_was_doing()
    {
        using ChildRun run = ChildRun.OfMethod("FreshCases.Runs_into_its_timeout");
        Result result = Assert.Single(await run.WaitAsync()).Value;

        Assert.True(result.Status == "failed", result.Everything);
        Assert.Contains("timed out", result.Message, StringComparison.Ordinal);
        Assert.Contains("sleep", result.Attachments["guest-state.txt"], StringComparison.Ordinal);
        Assert.Contains("Linux version", result.Attachments["kernel.log"], StringComparison.Ordinal);
        Assert.Contains("sleep", result.Output, StringComparison.Ordinal);
        await Assert.Single(run.Guests()).AssertGoneAsync();
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    [InlineData("KILL")]
    public async Task A_signal_to_the_run_ends_the_guest(string signal)
    {
        using ChildRun run = ChildRun.OfMethod("FreshCases.Hangs");
        GuestTrace guest = await run.FirstGuestAsync();

        run.Signal(signal);

        await run.ExitedAsync();
        await guest.AssertGoneAsync();
    }

    [Theory]
    [InlineData("FreshCases.Passes")]
    [InlineData("SharedCases.Passes")]
    [InlineData("ConditionalCases.Says_why_not")]
    public async Task A_host_without_guests_skips_the_test_with_the_reason(string test)
    {
        using ChildRun run = ChildRun.OfMethod(test, NoGuestsHere);
        Result result = Assert.Single(await run.WaitAsync()).Value;

        Assert.True(result.Status == "skipped", result.Everything);
        Assert.Contains("/no/such/directory", result.Everything, StringComparison.Ordinal);
        Assert.DoesNotContain("XunitDynamicSkip", result.Everything, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("FreshCases.Passes")]
    [InlineData("SharedCases.Passes")]
    [InlineData("ConditionalCases.Runs_where_guests_run")]
    public async Task A_host_that_should_have_guests_fails_the_test(string test)
    {
        using ChildRun run = ChildRun.OfMethod(test, NoGuestsHere, ("UML_REQUIRED", "1"));
        Result result = Assert.Single(await run.WaitAsync()).Value;

        Assert.True(result.Status == "failed", result.Everything);
        Assert.Contains("/no/such/directory", result.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_condition_skips_where_no_guests_run()
    {
        using ChildRun run = ChildRun.OfMethod("ConditionalCases.Runs_where_guests_run", NoGuestsHere);
        Assert.Equal("skipped", Assert.Single(await run.WaitAsync()).Value.Status);

        using ChildRun other = ChildRun.OfMethod("ConditionalCases.Runs_where_guests_run");
        Result result = Assert.Single(await other.WaitAsync()).Value;
        Assert.True(result.Status == "passed", result.Everything);
    }

    [Fact]
    public async Task A_kernel_that_is_not_there_fails_the_test()
    {
        using ChildRun run = ChildRun.OfClass("NoSuchKernelCases");
        Result result = Assert.Single(await run.WaitAsync()).Value;

        Assert.True(result.Status == "failed", result.Everything);
        Assert.Contains("/no/such/kernel", result.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_kernel_that_cannot_be_fetched_skips_the_test()
    {
        // An empty store, and no apt to fill it with.
        using ChildRun run = ChildRun.OfMethod("FreshCases.Passes", ("UML_KERNEL", "debian:sid"), ("UML_CACHE", "/proc/none"), ("XDG_CACHE_HOME", "/proc/none"), ("HOME", "/proc/none"), ("PATH", "/no/such/directory"));
        Result result = Assert.Single(await run.WaitAsync()).Value;

        Assert.True(result.Status == "skipped", result.Everything);
        Assert.Contains("debian:sid", result.Everything, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_guest_that_does_not_come_up_fails_the_test_with_its_log()
    {
        using ChildRun run = ChildRun.OfClass("BootFailureCases");
        Result result = Assert.Single(await run.WaitAsync()).Value;

        Assert.True(result.Status == "failed", result.Everything);
        Assert.Contains("Linux version", result.Attachments["kernel.log"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_shared_guest_reports_to_the_test_that_failed()
    {
        using ChildRun run = ChildRun.OfClass("SharedCases");
        Dictionary<string, Result> results = await run.WaitAsync();

        Assert.True(results["Passes"].Status == "passed", results["Passes"].Everything);
        Assert.Empty(results["Passes"].Attachments);
        Result failed = results["Fails"];
        Assert.True(failed.Status == "failed", failed.Everything);
        Assert.Contains("Linux version", failed.Attachments["kernel.log"], StringComparison.Ordinal);
        Assert.Contains("marker-of-this-test", failed.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("marker-of-another-test", failed.Output, StringComparison.Ordinal);
        Assert.Single(run.Guests().Distinct());
        await run.Guests()[0].AssertGoneAsync();
    }

    [Fact]
    public async Task Tests_that_can_do_without_the_shared_guest_run_without()
    {
        using ChildRun run = ChildRun.OfClass("SharedCases", NoGuestsHere);
        Dictionary<string, Result> results = await run.WaitAsync();

        Assert.Equal("passed", results["Needs_no_guest"].Status);
        Assert.Equal("skipped", results["Passes"].Status);
        Assert.Equal("skipped", results["Fails"].Status);
    }
}
