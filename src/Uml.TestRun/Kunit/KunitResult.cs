using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>What a run of a kernel's unit tests gave.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="Root">Its suites, in the kernel's order, each test once; see <see cref="KtapResults.Root"/>.</param>
/// <param name="Boots">Every kernel that ran some of them, in the order in which they ended.</param>
/// <param name="Problems">Why the run is not good, apart from tests that failed: a line each.</param>
/// <param name="Duration">Of all of it.</param>
public sealed record KunitResult(GuestKernel Kernel, KtapTest Root, ImmutableArray<KunitBoot> Boots, ImmutableArray<string> Problems, TimeSpan Duration)
{
    /// <summary>Whether every test came to a good end, there was at least one, and each kernel ended as it should.</summary>
    public bool IsSuccess => Problems.IsEmpty && !Root.Outcome.IsFailure();
}
