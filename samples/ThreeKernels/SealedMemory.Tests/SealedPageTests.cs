using Uml.CI;
using Uml.CI.TestHost;
using Xunit;

namespace SealedMemory.Tests;

[Kernels("debian:bookworm", "debian:trixie", "debian:sid")]
public sealed class SealedPageTests : GuestTest
{
    [KernelFact]
    public async Task A_page_is_sealed_where_the_kernel_can()
    {
        string probe = Path.Combine(AppContext.BaseDirectory, "Probe.dll");

        ExecResult result = await Guest.ExecAsync(["dotnet", probe], TestContext.Current.CancellationToken);

        bool canSeal = Guest.Kernel.Version >= new Version(6, 10);
        Assert.Equal($"sealed: {canSeal}, first byte: c, unmapped: {!canSeal}\n", result.StandardOutput);
    }
}
