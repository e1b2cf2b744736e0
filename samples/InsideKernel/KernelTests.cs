using Xunit;

namespace InsideKernel;

public sealed class KernelTests(ITestOutputHelper output)
{
    [Fact]
    public void The_kernel_is_the_one_that_was_asked_for()
    {
        string release = File.ReadAllText("/proc/sys/kernel/osrelease").Trim();
        output.WriteLine($"This is Linux {release}.");

        Assert.StartsWith(Environment.GetEnvironmentVariable("EXPECTED_RELEASE") ?? "", release, StringComparison.Ordinal);
    }
}
