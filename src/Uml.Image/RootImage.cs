namespace Uml.CI;

/// <summary>A root file system that a guest can start with.</summary>
/// <param name="Reference">What was asked for.</param>
/// <param name="Path">The file with it.</param>
/// <param name="Record">What it is.</param>
/// <param name="AttributesPath">The list of its extended attributes; null for none.</param>
public sealed record RootImage(ImageReference Reference, string Path, ImageRecord Record, string? AttributesPath);

/// <summary>An image of the store.</summary>
/// <param name="Record">What it is.</param>
/// <param name="Directory">Where it is.</param>
/// <param name="References">What it is found by.</param>
/// <param name="LastUsed">When it was last asked for.</param>
public sealed record StoredImage(ImageRecord Record, string Directory, IReadOnlyList<string> References, DateTimeOffset LastUsed)
{
    /// <summary>Bytes it takes.</summary>
    public long Size => Record.Size + Record.AttributesSize;
}

/// <summary>How <see cref="ImageStore.ResolveAsync"/> may go about it.</summary>
public sealed record ImageResolveOptions
{
    /// <summary>Make it again even when the store has it.</summary>
    public bool Refresh { get; init; }

    /// <summary>Never touch the network: what the store does not have is an error.</summary>
    public bool Offline { get; init; }

    /// <summary>Told what is going on, from any thread.</summary>
    public IProgress<KernelProgress>? Progress { get; init; }
}
