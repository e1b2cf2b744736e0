using Uml.CI;
using Uml.CI.TestHost;
using Xunit;

namespace GuestTests;

/// <summary>The same tests on an old kernel and on the newest.</summary>
public sealed class KernelTests : GuestTest
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [KernelFact("debian:bookworm", "debian:sid")]
    public async Task The_kernel_has_overlayfs()
    {
        string fileSystems = await Guest.ReadTextAsync("/proc/filesystems", Cancelled);

        Assert.Contains("overlay", fileSystems, StringComparison.Ordinal);
    }

    [KernelTheory("debian:bookworm", "debian:sid")]
    [InlineData("/proc", "proc")]
    [InlineData("/sys", "sysfs")]
    public async Task The_usual_is_mounted(string path, string type) =>
        Assert.Contains(await Guest.GetMountsAsync(Cancelled), m => m.Path == path && m.Type == type);
}
