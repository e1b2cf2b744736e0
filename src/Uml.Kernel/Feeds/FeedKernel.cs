namespace Uml.CI;

/// <summary>A kernel that a feed offers.</summary>
public sealed record FeedKernel
{
    /// <summary>The ID of its package.</summary>
    public required string PackageId { get; init; }

    /// <summary>The version of its package, which is the kernel's: <c>7.3.4</c>, <c>7.3.0-rc7</c>.</summary>
    public required string Version { get; init; }

    /// <summary>The name of the feed in the user's NuGet.Config.</summary>
    public required string Feed { get; init; }

    /// <summary>The feed's folder or address.</summary>
    public required string Location { get; init; }

    /// <summary>The reference that means this version: <c>7.3.4</c>, and <c>7.3.4.1</c> where there is such a revision.</summary>
    public KernelReference Reference => KernelReference.NuGet(PackageId, Version);

    /// <summary>The profiles it was built with, which its ID tells; empty for an ID of somebody else's.</summary>
    public IReadOnlyList<string> Profiles => KernelReference.ProfilesOf(PackageId);

    /// <summary>Bytes of the package file, where the feed says so; null otherwise.</summary>
    public long? Size { get; init; }

    /// <summary>What its packer says about it.</summary>
    public string? Description { get; init; }

    /// <summary>Its tags.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>When it was put on the feed, where the feed says so.</summary>
    public DateTimeOffset? Published { get; init; }
}

/// <summary>What the feeds offer.</summary>
/// <param name="Kernels">The kernels, newest version first.</param>
/// <param name="Problems">Feeds that gave no answer, one line each, with the reason.</param>
public sealed record FeedListing(IReadOnlyList<FeedKernel> Kernels, IReadOnlyList<string> Problems);
