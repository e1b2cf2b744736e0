using Xunit;
using Xunit.Abstractions;

namespace Demo.V2;

public sealed class OldTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Category", "kernel")]
    public void Says_which_kernel_it_runs_in()
    {
        output.WriteLine($"kernel {Environment.OSVersion.Version.Major}");
        Console.WriteLine("a line of its own");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Takes(int number) => Assert.True(number > 0);

    [Fact]
    public void Fails() => Assert.Equal("this", "that");

    [Fact(Skip = "not today")]
    public void Is_skipped() => Assert.Fail("it ran");
}

[Trait("Danger", "yes")]
public sealed class OldDangerousTests
{
    [Fact]
    public void Panics_the_kernel()
    {
        Assert.Contains("User Mode Linux", File.ReadAllText("/proc/cpuinfo"), StringComparison.Ordinal);
        File.WriteAllText("/proc/sysrq-trigger", "c");
    }
}
