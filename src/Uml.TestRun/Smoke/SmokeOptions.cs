using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>What to test, and how.</summary>
internal sealed record SmokeOptions
{
    /// <summary>What was named: files, directories, .changes files, packages.</summary>
    public required ImmutableArray<string> Arguments { get; init; }

    /// <summary>The suites.</summary>
    public ImmutableArray<string> Suites { get; init; } = ["trixie"];

    /// <summary>Guests to start from: a kernel each.</summary>
    public required ImmutableArray<GuestOptions> Guests { get; init; }

    /// <summary>How many packages are tested at once; null for as many as this machine has room for.</summary>
    public int? Jobs { get; init; }

    /// <summary>How long a step may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long services may take to come up, and how long they are watched then.</summary>
    public TimeSpan Settle { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Whether packages that were not begun are still tested once one failed.</summary>
    public bool KeepGoing { get; init; }

    /// <summary>Whether what packages recommend is installed.</summary>
    public bool Recommends { get; init; }

    /// <summary>Steps to leave out.</summary>
    public ImmutableArray<string> Skip { get; init; } = [];

    /// <summary>What the kernels may complain of; null to leave that out.</summary>
    public ComplaintGate? Gate { get; init; }

    /// <summary>The family of the packages.</summary>
    public IPackageFamily Family { get; init; } = new DebianFamily(HostTools.Default);

    /// <summary>Told what is prepared.</summary>
    public IProgress<KernelProgress>? Progress { get; init; }
}
