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
        Assert.Contains("---- as it should\n", result.Message, StringComparison.Ordinal);
        string log = result.Attachments["kernel.log"];
        Assert.Contains("Linux version", log, StringComparison.Ordinal);
        Assert.Contains("marker-of-this-test", log, StringComparison.Ordinal);
        Assert.Contains("\n  marker-of-this-test\n", result.Message, StringComparison.Ordinal);
        Assert.Contains("$ sh -c 'echo marker-of-this-test > /dev/kmsg'\n", result.Message, StringComparison.Ordinal);
        string transcript = result.Attachments["transcript.txt"];
        Assert.Contains("$ sh -c 'echo marker-of-this-test > /dev/kmsg'\n", transcript, StringComparison.Ordinal);
        Assert.Contains("exit status 0 after ", transcript, StringComparison.Ordinal);
        Assert.Contains("process 1 ", result.Attachments["guest-state.txt"], StringComparison.Ordinal);
        Assert.Equal(["guest-state.txt", "kernel.log", "transcript.txt"], Directory.GetFiles(run.Results, "*", SearchOption.AllDirectories).Select(Path.GetFileName).Order());
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

    [Fact]
    public async Task A_timeout_before_there_is_a_guest_says_so()
    {
        // The room for one guest is taken, so that the test waits for its own until it has run into its timeout.
        DirectoryInfo cache = Directory.CreateTempSubdirectory("uml-testhost-cache-");
        try
        {
            (string, string)[] environment = [("UML_MAX_GUESTS", "1"), ("UML_CACHE", PrivateStore.Create(cache.FullName))];
            using ChildRun other = ChildRun.OfMethod("FreshCases.Hangs", environment);
            await other.FirstGuestAsync();
            using ChildRun run = ChildRun.OfClass("NoRoomCases", environment);
            Result result = Assert.Single(await run.WaitAsync()).Value;

            Assert.True(result.Status == "failed", result.Everything);
            Assert.Contains("timed out", result.Message, StringComparison.Ordinal);
            Assert.Contains("had no guest yet", result.Output, StringComparison.Ordinal);
            await run.AssertNothingLeftAsync();
            other.Signal("TERM");
            await other.ExitedAsync();
        }
        finally
        {
            cache.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Tests_get_guests_that_were_booted_ahead_and_leave_none()
    {
        using ChildRun run = ChildRun.OfClass("ManyCases", ("UML_TESTHOST_MANY", "8"));
        Dictionary<string, Result> results = await run.WaitAsync();

        Assert.Equal(8, results.Count);
        Assert.All(results.Values, r => Assert.True(r.Status == "passed", r.Everything));
        Assert.Equal(8, run.Guests().Distinct().Count());
        await run.AssertNothingLeftAsync();
    }

    [Fact]
    public async Task A_test_that_changes_the_current_directory_for_a_moment_changes_no_other_tests_guest()
    {
        using ChildRun run = ChildRun.OfClass("DirectoryCases");
        Dictionary<string, Result> results = await run.WaitAsync();

        Assert.Equal(6, results.Count);
        Assert.All(results.Values, r => Assert.True(r.Status == "passed", r.Everything));
        await run.AssertNothingLeftAsync();
    }

    [Fact]
    public async Task Without_warm_guests_none_is_booted_ahead()
    {
        using ChildRun run = ChildRun.OfMethod("FreshCases.Hangs", ("UML_WARM", "0"));
        GuestTrace guest = await run.FirstGuestAsync();
        await Task.Delay(200, TestContext.Current.CancellationToken);

        Assert.Equal(1, run.GuestCount);
        run.Signal("TERM");
        await run.ExitedAsync();
        await guest.AssertGoneAsync();
    }

    [Fact]
    public async Task A_test_may_have_several_guests_and_waits_for_none_while_it_holds_one()
    {
        // Five guests where there is room for one.
        DirectoryInfo cache = Directory.CreateTempSubdirectory("uml-testhost-cache-");
        try
        {
            using ChildRun run = ChildRun.OfMethod("SeveralCases.Have_nothing_in_common", ("UML_MAX_GUESTS", "1"), ("UML_CACHE", PrivateStore.Create(cache.FullName)));
            Result result = Assert.Single(await run.WaitAsync()).Value;

            Assert.True(result.Status == "passed", result.Everything);
            Assert.Equal(5, run.Guests().Length);
            await run.AssertNothingLeftAsync();
        }
        finally
        {
            cache.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Every_guest_of_a_failed_test_is_reported_on()
    {
        using ChildRun run = ChildRun.OfMethod("SeveralCases.Are_all_reported_on");
        Result result = Assert.Single(await run.WaitAsync()).Value;

        Assert.True(result.Status == "failed", result.Everything);
        Dictionary<string, string> attachments = result.Attachments;
        string[] logs = [.. attachments.Where(a => a.Key.StartsWith("kernel", StringComparison.Ordinal)).Select(a => a.Value)];
        Assert.Equal(4, logs.Length);
        Assert.Equal(4, attachments.Keys.Count(k => k.StartsWith("transcript", StringComparison.Ordinal)));
        Assert.Equal(4, attachments.Keys.Count(k => k.StartsWith("guest-state", StringComparison.Ordinal)));
        for (int i = 0; i < 4; i++)
        {
            Assert.Single(logs, l => l.Contains($"marker-{i}", StringComparison.Ordinal));
            Assert.Contains($"  marker-{i}\n", result.Message, StringComparison.Ordinal);
        }

        await run.AssertNothingLeftAsync();
    }

    [Fact]
    public async Task Runs_side_by_side_share_what_there_is()
    {
        // Room for one guest: each test of each run waits for its turn.
        DirectoryInfo cache = Directory.CreateTempSubdirectory("uml-testhost-cache-");
        try
        {
            (string, string)[] environment = [("UML_MAX_GUESTS", "1"), ("UML_CACHE", PrivateStore.Create(Path.Combine(cache.FullName, "store"))), ("UML_TESTHOST_MANY", "4"), ("UML_TESTHOST_GUESTS", Path.Combine(cache.FullName, "running"))];
            using ChildRun one = ChildRun.OfClass("ManyCases", environment), other = ChildRun.OfClass("ManyCases", environment);
            Dictionary<string, Result>[] results = await Task.WhenAll(one.WaitAsync(), other.WaitAsync());

            Assert.All(results.SelectMany(r => r.Values), r => Assert.True(r.Status == "passed", r.Everything));
        }
        finally
        {
            cache.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task A_number_of_guests_that_is_none_is_said()
    {
        using ChildRun run = ChildRun.OfMethod("FreshCases.Passes", ("UML_MAX_GUESTS", "many"));
        Result result = Assert.Single(await run.WaitAsync()).Value;

        Assert.True(result.Status == "failed", result.Everything);
        Assert.Contains("which is no number of guests: set it to 1 or more", result.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    [InlineData("KILL")]
    public async Task A_signal_to_the_run_ends_the_guest(string signal)
    {
        using ChildRun run = ChildRun.OfMethod("FreshCases.Hangs");
        GuestTrace guest = await run.FirstGuestAsync();
        // One for the next test as well, which has come however far.
        await run.GuestsAsync(2);

        run.Signal(signal);

        await run.ExitedAsync();
        await guest.AssertGoneAsync();
        await run.AssertNothingLeftAsync();
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

    [Theory]
    [InlineData("debian:no-such-suite", "it has no suite no-such-suite")]
    [InlineData("debain:sid", "unknown scheme 'debain:'")]
    public async Task A_kernel_that_does_not_exist_fails_the_test(string kernel, string problem)
    {
        using ChildRun run = ChildRun.OfMethod("FreshCases.Passes", ("UML_KERNEL", kernel));
        Result result = Assert.Single(await run.WaitAsync()).Value;

        Assert.True(result.Status == "failed", result.Everything);
        Assert.Contains(problem, result.Message, StringComparison.Ordinal);
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
        Assert.Contains("marker-of-this-test", failed.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("marker-of-another-test", failed.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("marker-of-another-test", failed.Attachments["transcript.txt"], StringComparison.Ordinal);
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
