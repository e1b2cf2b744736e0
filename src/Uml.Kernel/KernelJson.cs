using System.Text.Json.Serialization;

namespace Uml.CI;

[JsonSourceGenerationOptions(
    WriteIndented = true,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(LockDocument))]
[JsonSerializable(typeof(KernelDocument))]
[JsonSerializable(typeof(ManifestDocument))]
[JsonSerializable(typeof(ReferenceDocument))]
[JsonSerializable(typeof(FileDocument))]
[JsonSerializable(typeof(KernelRecord))]
[JsonSerializable(typeof(SourceDocument))]
[JsonSerializable(typeof(DebianSourceDocument))]
[JsonSerializable(typeof(BuildDocument))]
internal sealed partial class KernelJson : JsonSerializerContext;

/// <summary>uml.lock.json.</summary>
internal sealed record LockDocument
{
    public int Version { get; init; }

    public Dictionary<string, LockedKernel?>? Kernels { get; init; }
}

internal sealed record LockedKernel
{
    public string? Release { get; init; }

    public string? Sha256 { get; init; }

    public string? Package { get; init; }

    public string? ContentHash { get; init; }
}

/// <summary>kernels/SHA/kernel.json: written last, so where it stands the kernel is whole.</summary>
internal sealed record KernelDocument
{
    public required int Format { get; init; }

    public required string Sha256 { get; init; }

    /// <summary>Bytes of the executable: the quick check that a power cut did not empty it.</summary>
    public required long Size { get; init; }

    public required string Release { get; init; }

    public required string Banner { get; init; }

    public bool Smp { get; init; }

    public string? Interpreter { get; init; }

    public string[] Needed { get; init; } = [];

    public string? Glibc { get; init; }

    /// <summary>Where it came from: a feed's address, a folder, or in words.</summary>
    public string? Origin { get; init; }

    /// <summary>The profiles it was built with.</summary>
    public string[] Profiles { get; init; } = [];

    public string? PackageVersion { get; init; }

    /// <summary>The ID of the NuGet package it came from.</summary>
    public string? PackageId { get; init; }

    /// <summary>SHA-512 of that package without its signatures, in base64.</summary>
    public string? ContentHash { get; init; }

    public bool Modules { get; init; }

    /// <summary>The versions of the packages its own C library came from, where it has one.</summary>
    public string? LibraryVersion { get; init; }

    public DateTimeOffset Fetched { get; init; }
}

/// <summary>kernels/SHA/manifest.json: every file but the two JSON ones, with its SHA-256.</summary>
internal sealed record ManifestDocument
{
    public required Dictionary<string, string> Files { get; init; }
}

/// <summary>refs/debian/SUITE.json and refs/REFERENCE.json.</summary>
internal sealed record ReferenceDocument
{
    public required string Reference { get; init; }

    public required string Sha256 { get; init; }

    /// <summary>The version of the package that this reference led to: other packages may hold the same kernel.</summary>
    public string? PackageVersion { get; init; }

    /// <summary>The content hash of that package.</summary>
    public string? ContentHash { get; init; }

    public DateTimeOffset Fetched { get; init; }
}

/// <summary>files/HASH.json: what a kernel outside the store was found to be, good while its identity is the same.</summary>
internal sealed record FileDocument
{
    public required string Path { get; init; }

    public required string Identity { get; init; }

    public required KernelDocument Kernel { get; init; }
}
