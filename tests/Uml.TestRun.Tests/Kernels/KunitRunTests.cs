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
    public async Task Nothing_that_runs_is_no_success()
    {
        KunitResult result = await KunitRun.RunAsync(Options with { FilterGlob = "no_such_suite" }, cancellationToken: Cancel);
        Assert.False(result.IsSuccess);
        Assert.Contains(result.Problems, p => p.StartsWith("no test ran", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_kernel_that_does_not_come_to_an_end_is_no_success()
    {
        KunitResult result = await KunitRun.RunAsync(Options with { Timeout = TimeSpan.FromMilliseconds(30) }, cancellationToken: Cancel);
        Assert.False(result.IsSuccess);
        Assert.Equal(KunitBootEnd.TimedOut, Assert.Single(result.Boots).End);
    }
}
