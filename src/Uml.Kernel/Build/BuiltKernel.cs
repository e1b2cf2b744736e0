using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>A kernel that was built here.</summary>
public sealed record BuiltKernel
{
    /// <summary>The kernel, in the store.</summary>
    public required GuestKernel Kernel { get; init; }

    /// <summary>
    /// What to name it by: its reference, or the path of its executable when options were added of which the reference does not know.
    /// </summary>
    public required KernelReference Reference { get; init; }

    /// <summary>How it was built.</summary>
    public required KernelRecord Record { get; init; }

    /// <summary>Its directory in the store, in the layout of a package.</summary>
    public required string Directory { get; init; }

    /// <summary>The store had a kernel of the same inputs, and nothing was built.</summary>
    public required bool WasPresent { get; init; }

    /// <summary>How long it took, waiting included.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>How many files were compiled.</summary>
    public int Compiled { get; init; }

    /// <summary>The compiler's results were kept by ccache, or taken from it.</summary>
    public bool UsedCcache { get; init; }

    /// <summary>Whether it was built twice, with equal bytes.</summary>
    public bool BuiltTwice { get; init; }
}
