using System.Diagnostics;

namespace Uml.CI.Tests;

/// <summary>Unit tests of a real kernel; skipped where the store has none with unit tests.</summary>
public sealed class KunitRunTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static KunitOptions Options
    {
        get
        {
            StoredKernel? kernel = new KernelStore().List().FirstOrDefault(k => k.Profiles.Contains("kunit"));
            if (kernel is null)
                Assert.Skip("no kernel with the profile kunit is in the kernel store; UML_TEST_PROFILES=all builds one");
            return new KunitOptions { Guest = new GuestOptions { Kernel = KernelReference.File(Path.Combine(new KernelStore().Root, "kernels", kernel.Sha256, "linux")), Memory = KunitOptions.DefaultMemory }, FilterGlob = "example" };
        }
    }

    [Fact]
    public async Task Tests_run_and_each_has_its_outcome()
    {
        KunitResult result = await KunitRun.RunAsync(Options, cancellationToken: Cancel);
        Assert.True(result.IsSuccess, string.Join('\n', result.Problems));
        KtapTest suite = Assert.Single(result.Root.Subtests);
        Assert.Equal("example", suite.Name);
        Assert.Equal(KtapOutcome.Passed, suite.Subtests.Single(t => t.Name == "example_simple_test").Outcome);
        Assert.Equal(KtapOutcome.Skipped, suite.Subtests.Single(t => t.Name == "example_skip_test").Outcome);
    }

    [Fact]
    public async Task In_kernels_of_their_own_they_give_the_same()
    {
        KunitResult together = await KunitRun.RunAsync(Options, cancellationToken: Cancel);
        KunitResult apart = await KunitRun.RunAsync(Options with { FilterGlob = "example.example_s*", Isolation = KunitIsolation.Test }, cancellationToken: Cancel);
        Assert.True(apart.Boots.Length > 1);
        Assert.Equal(
            together.Root.Subtests[0].Subtests.Where(t => t.Name.StartsWith("example_s", StringComparison.Ordinal)).Select(t => (t.Name, t.Outcome)),
            apart.Root.Subtests[0].Subtests.Select(t => (t.Name, t.Outcome)));
    }

    [Fact]
    public async Task A_test_that_panics_is_named_and_the_others_run()
    {
        // The logarithm of 0 warns.
        KunitOptions options = Options with { FilterGlob = "math-int*" };
        KunitResult result = await KunitRun.RunAsync(options with { Guest = options.Guest with { KernelArguments = ["panic_on_warn=1"] } }, cancellationToken: Cancel);
        Assert.False(result.IsSuccess);
        KtapTest[] bad = [.. Leaves(result.Root).Where(t => t.Outcome != KtapOutcome.Passed)];
        Assert.Equal([("intlog2_test", KtapOutcome.Crashed), ("intlog10_test", KtapOutcome.Crashed)], bad.Select(t => (t.Name, t.Outcome)));
        Assert.All(bad, t => Assert.Contains(t.KernelLog, l => l.Contains("WARNING: lib/math/int_log.c:", StringComparison.Ordinal)));
        Assert.Equal(["math-int_log", "math-int_pow", "math-int_sqrt"], result.Root.Subtests.Select(t => t.Name));
        Assert.Equal(["math-int_log.intlog10_test", "math-int_log.intlog2_test"], result.Boots.Select(b => b.Culprit?.ToString()).OfType<string>().Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_test_that_hangs_is_named_and_the_others_run()
    {
        // A kernel that does nothing any more while the first of two tests runs, which takes a while.
        bool stopped = false;
        KunitOptions options = Options with { FilterGlob = "[ts]i[mp]*", TestTimeout = TimeSpan.FromSeconds(20) };
        KunitResult result = await KunitRun.RunAsync(
            options with
            {
                LogListener = (_, line) =>
                {
                    if (stopped || !line.Text.Contains("# Subtest: time_test_cases", StringComparison.Ordinal))
                        return;
                    stopped = true;
                    Stop(options);
                },
            },
            cancellationToken: Cancel);
        Assert.True(stopped);
        Assert.False(result.IsSuccess);
        Assert.Equal(["time_test_cases", "siphash"], result.Root.Subtests.Select(t => t.Name));
        KtapTest hung = Assert.Single(Leaves(result.Root), t => t.Outcome != KtapOutcome.Passed);
        Assert.Equal(KtapOutcome.TimedOut, hung.Outcome);
        Assert.Equal("no result within 20 s", hung.Reason);
        Assert.Equal(hung.Name, Assert.Single(result.Boots, b => b.End == KunitBootEnd.TestTimedOut).Culprit?.Test);
    }

    [Fact]
    public async Task A_run_that_is_stopped_gives_what_there_is()
    {
        using var stop = new CancellationTokenSource();
        KunitResult result = await KunitRun.RunAsync(
            Options with
            {
                FilterGlob = "[ts]i[mp]*",
                Stopping = stop.Token,
                LogListener = (_, line) =>
                {
                    if (line.Text.Contains("# Subtest: time_test_cases", StringComparison.Ordinal))
                        stop.Cancel();
                },
            },
            cancellationToken: Cancel);
        Assert.False(result.IsSuccess);
        Assert.Equal(KunitBootEnd.Interrupted, Assert.Single(result.Boots).End);
        Assert.Contains(result.Problems, p => p.StartsWith("the run was interrupted", StringComparison.Ordinal));
        Assert.All(Leaves(result.Root), t => Assert.Equal(KtapOutcome.NotRun, t.Outcome));
    }

    [Fact]
    public async Task Nothing_that_runs_is_no_success()
    {
        KunitResult result = await KunitRun.RunAsync(Options with { FilterGlob = "no_such_suite" }, cancellationToken: Cancel);
        Assert.False(result.IsSuccess);
        Assert.Contains(result.Problems, p => p.StartsWith("no test ran", StringComparison.Ordinal));
    }

    private static IEnumerable<KtapTest> Leaves(KtapTest test) => test.Subtests.IsEmpty ? [test] : test.Subtests.SelectMany(Leaves);

    // The kernel of these options, and nobody else's.
    private static void Stop(KunitOptions options)
    {
        string kernel = options.Guest.Kernel.ToString().Split(':', 2)[1];
        foreach (string directory in Directory.EnumerateDirectories("/proc").Where(d => char.IsAsciiDigit(Path.GetFileName(d)[0])))
        {
            string[] arguments;
            try
            {
                arguments = File.ReadAllText(Path.Combine(directory, "cmdline")).Split('\0');
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                continue;
            }

            if (!arguments.Contains(kernel) || !arguments.Contains("kunit.filter_glob=" + options.FilterGlob))
                continue;
            using Process kill = Process.Start("kill", ["-STOP", Path.GetFileName(directory)]);
            kill.WaitForExit();
        }
    }

    [Fact]
    public async Task A_kernel_that_does_not_come_to_an_end_is_no_success()
    {
        KunitResult result = await KunitRun.RunAsync(Options with { Timeout = TimeSpan.FromMilliseconds(30) }, cancellationToken: Cancel);
        Assert.False(result.IsSuccess);
        Assert.Equal(KunitBootEnd.TimedOut, Assert.Single(result.Boots).End);
    }
}
