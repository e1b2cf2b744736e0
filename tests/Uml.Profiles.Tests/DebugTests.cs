namespace Uml.CI.Profiles.Tests;

/// <summary>The profiles <c>debug</c> and <c>kunit</c>, in one kernel.</summary>
public sealed class DebugTests(Kernels kernels)
{
    private const string Crash = "mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug; echo $0 > /sys/kernel/debug/provoke-crash/DIRECT; dmesg";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("SLAB_LINEAR_OVERFLOW", "BUG: KASAN: slab-out-of-bounds in lkdtm_SLAB_LINEAR_OVERFLOW")]
    [InlineData("READ_AFTER_FREE", "BUG: KASAN: slab-use-after-free in lkdtm_READ_AFTER_FREE")]
    [InlineData("ARRAY_BOUNDS", "UBSAN: array-index-out-of-bounds")]
    public async Task A_planted_mistake_is_caught(string mistake, string report)
    {
        await using Guest guest = await StartAsync();
        ExecResult result = await guest.ExecAsync(["sh", "-c", Crash, mistake], Cancel);
        Assert.Contains(report, result.StandardOutput, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lock_that_is_never_given_back_is_reported()
    {
        // Its task goes on with a spin lock held, and the next mutex it wants is one lock too many.
        await using Guest guest = await StartAsync();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        Task command = guest.ExecAsync(["sh", "-c", "mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug; exec sh -c 'echo SPINLOCKUP > /sys/kernel/debug/provoke-crash/DIRECT'"], end.Token);
        await foreach (KernelLogLine line in guest.KernelLog.ReadLinesAsync(Cancel))
        {
            if (line.Text.Contains("(lock_me_up)", StringComparison.Ordinal) && guest.KernelLog.Lines.Any(l => l.Text.Contains("[ BUG: Invalid wait context ]", StringComparison.Ordinal)))
                break;
        }

        Assert.Contains("[ BUG: Invalid wait context ]", guest.KernelLog.ToString(), StringComparison.Ordinal);

        // What becomes of a guest with such a task is its own affair.
        await end.CancelAsync();
        await Task.WhenAny(command);
    }

    [Fact]
    public async Task Unit_tests_run_and_their_results_come_out()
    {
        await using Guest guest = await StartAsync("kunit.filter_glob=example*");
        ExecResult result = await guest.ExecAsync(["sh", "-c", "mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug; cat /sys/kernel/debug/kunit/example/results"], Cancel);
        Assert.Contains("KTAP version 1", result.StandardOutput, StringComparison.Ordinal);
        Assert.Matches(@"ok 1 example_simple_test", result.StandardOutput);
        Assert.Matches(@"# example: pass:\d+ fail:0", result.StandardOutput);
    }

    private Task<Guest> StartAsync(string kunit = "kunit.enable=0") =>
        kernels.StartAsync(Kernels.Debug, b => b.WithMemory("1G").WithKernelArguments(kunit));
}
