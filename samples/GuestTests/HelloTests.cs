using Uml.CI;
using Uml.CI.TestHost;
using Xunit;

namespace GuestTests;

public sealed class HelloTests : GuestTest
{
    [Fact]
    public async Task The_guest_runs_a_kernel_of_its_own()
    {
        ExecResult result = await Guest.ExecAsync(["uname", "-r"], TestContext.Current.CancellationToken);

        Assert.Equal(Guest.Release, result.StandardOutput.Trim());
    }
}
