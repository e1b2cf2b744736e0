namespace Uml.CI;

/// <summary>One kernel the store holds.</summary>
public sealed record StoredKernel
{
    /// <summary>Its release.</summary>
    public required string Release { get; init; }

    /// <summary>The whole version line of the kernel.</summary>
    public string Banner { get; init; } = "";

    /// <summary>SHA-256 of its executable, which is also its name in the store.</summary>
    public required string Sha256 { get; init; }

    /// <summary>The references that stand for it at present.</summary>
    public required IReadOnlyList<string> References { get; init; }

    /// <summary>Where it came from: a feed's address, a folder, or in words.</summary>
    public string? Origin { get; init; }

    /// <summary>The profiles it was built with; empty where that is not known.</summary>
    public IReadOnlyList<string> Profiles { get; init; } = [];

    /// <summary>The ID of the NuGet package it came from, or null.</summary>
    public string? PackageId { get; init; }

    /// <summary>The version of the package it came from, or null.</summary>
    public string? PackageVersion { get; init; }

    /// <summary>The hash of that package's content as NuGet has it (SHA-512 in base64), or null.</summary>
    public string? ContentHash { get; init; }

    /// <summary>The versions of the C library packages it brought along, or null when it runs on the host's.</summary>
    public string? LibraryVersion { get; init; }

    /// <summary>Where it is.</summary>
    public required string Directory { get; init; }

    /// <summary>Bytes it takes.</summary>
    public long Size { get; init; }

    /// <summary>When it was fetched or built.</summary>
    public DateTimeOffset Fetched { get; init; }

    /// <summary>When it was last asked for, to the hour.</summary>
    public DateTimeOffset LastUsed { get; init; }
}
