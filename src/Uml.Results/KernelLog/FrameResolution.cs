using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>Stack frames, with their places in the source as far as those could be found.</summary>
/// <param name="Frames">The frames, in the order they were given.</param>
/// <param name="Notes">Why some were not, for people; empty when all were.</param>
public sealed record FrameResolution(ImmutableArray<KernelStackFrame> Frames, ImmutableArray<string> Notes);
