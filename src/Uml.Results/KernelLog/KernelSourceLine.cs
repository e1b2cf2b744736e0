namespace Uml.CI;

/// <summary>A function, perhaps one that was inlined, and the place in it.</summary>
/// <param name="Function">The function.</param>
/// <param name="Location">Where.</param>
public sealed record KernelSourceLine(string Function, KernelSourceLocation Location);
