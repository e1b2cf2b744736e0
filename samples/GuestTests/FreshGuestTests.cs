using Uml.CI;
using Uml.CI.TestHost;
using Xunit;

namespace GuestTests;

/// <summary>Every test of this class boots a kernel of its own, so what one test breaks is whole again in the next.</summary>
public sealed class FreshGuestTests : GuestTest
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_guest_is_mine_to_break()
    {
        ExecResult result = await Guest.ExecAsync(["rm", "-rf", "/usr/bin"], Cancelled);

        Assert.True(result.Success, result.StandardError);
        Assert.True(File.Exists("/usr/bin/env"), "the host's files must not change");
    }

    [Fact]
    public async Task A_panic_is_an_exception()
    {
        KernelPanicException panic = await Assert.ThrowsAsync<KernelPanicException>(
            () => Guest.ExecAsync(["sh", "-c", "echo c > /proc/sysrq-trigger"], Cancelled));

        Assert.Contains("sysrq triggered crash", panic.Message, StringComparison.Ordinal);
    }
}
