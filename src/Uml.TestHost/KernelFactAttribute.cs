using System.Runtime.CompilerServices;
using Xunit;
using Xunit.v3;

namespace Uml.CI.TestHost;

/// <summary>
/// A fact that is run once on each kernel: <c>[KernelFact("debian:bookworm", "debian:sid")]</c>. Each is a case of its own, with the
/// kernel in its name and in the trait <c>Kernel</c> (<c>--filter-trait "Kernel=debian:sid"</c>). The guests of a
/// <see cref="GuestTest"/> boot that kernel without more ado; others find it in <see cref="KernelOfTest.Current"/>.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
[XunitTestCaseDiscoverer(typeof(KernelFactDiscoverer))]
public sealed class KernelFactAttribute : FactAttribute, IKernelsOfTest
{
    /// <summary>
    /// Takes these kernels; <see cref="KernelsAttribute"/> takes any number. Without any, those of the nearest such attribute count,
    /// and without one there is a single case, on the default kernel.
    /// </summary>
    // No params array: what the compiler fills in would have to stand before it, and take the first kernel for a file.
    public KernelFactAttribute(
        string? kernel = null, string? second = null, string? third = null, string? fourth = null, string? fifth = null, string? sixth = null,
        [CallerFilePath] string? sourceFilePath = null,
        [CallerLineNumber] int sourceLineNumber = -1)
        : base(sourceFilePath, sourceLineNumber) => Kernels = [.. new[] { kernel, second, third, fourth, fifth, sixth }.OfType<string>()];

    /// <summary>The kernels, as <see cref="KernelReference"/> reads them; empty for those of <see cref="KernelsAttribute"/>.</summary>
    public IReadOnlyList<string> Kernels { get; }
}
