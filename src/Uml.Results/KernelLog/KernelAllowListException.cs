using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>An allow list that cannot be used as it is.</summary>
/// <param name="problems">Each with file and line.</param>
public sealed class KernelAllowListException(ImmutableArray<string> problems) : FormatException(string.Join('\n', problems))
{
    /// <summary>All that is wrong, each as "file:line: what; what to do".</summary>
    public ImmutableArray<string> Problems { get; } = problems;
}
