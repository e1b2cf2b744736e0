using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>Which of the kernel's selftests run, and how.</summary>
public sealed record KselftestOptions
{
    /// <summary>The guest they run in.</summary>
    public required GuestOptions Guest { get; init; }

    /// <summary>The directory the tests are installed in.</summary>
    public required string Directory { get; init; }

    /// <summary>The tests.</summary>
    public required ImmutableArray<KselftestEntry> Tests { get; init; }

    /// <summary>A limit for each test instead of its own; null for its own.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Each test gets a network of its own.</summary>
    public bool NetworkNamespaces { get; init; }

    /// <summary>How many guests may be lost to tests; then the tests that are left are given up.</summary>
    public int MaximumLosses { get; init; } = 20;

    /// <summary>What the kernels may complain about; null for anything.</summary>
    public ComplaintGate? Gate { get; init; }
}
