namespace Uml.CI.Profiles.Tests;

/// <summary>The profile <c>smp</c>: more than one CPU for a guest.</summary>
public sealed class SmpTests(Kernels kernels)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task All_CPUs_are_there()
    {
        await using Guest guest = await kernels.StartAsync(Kernels.Smp, b => b.WithCpus(3));
        ExecResult result = await guest.ExecAsync(["sh", "-c", "nproc; grep -c ^processor /proc/cpuinfo; uname -v"], Cancel);
        Assert.Matches("^3\n3\n#1 SMP ", result.StandardOutput);
    }

    [Fact]
    public async Task Programs_run_on_all_of_them()
    {
        await using Guest guest = await kernels.StartAsync(Kernels.Smp, b => b.WithCpus(2));

        // A CPU counts the ticks of programs (user) where one ran.
        const string Script = "for i in 1 2 3 4; do (n=0; while [ $n -lt 20000 ]; do n=$((n+1)); done) & done; wait; grep '^cpu[0-9]' /proc/stat";
        ExecResult result = await guest.ExecAsync(["sh", "-c", Script], Cancel);
        Assert.Matches(@"^cpu0 [1-9]\d* .*\ncpu1 [1-9]\d* ", result.StandardOutput);
    }

    [Fact]
    public async Task One_CPU_will_do()
    {
        await using Guest guest = await kernels.StartAsync(Kernels.Smp);
        Assert.Equal("1\n", (await guest.ExecAsync(["nproc"], Cancel)).StandardOutput);
    }
}
