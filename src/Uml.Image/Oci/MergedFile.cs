namespace Uml.CI;

/// <summary>A file of a merged root, whatever its kind; those with several names (hard links) are there once.</summary>
internal sealed class MergedFile(LayerEntryKind kind, LayerAttributes attributes)
{
    public LayerEntryKind Kind { get; } = kind;

    public LayerAttributes Attributes { get; set; } = attributes;

    /// <summary>A symbolic link's target.</summary>
    public string Target { get; init; } = "";

    public uint DeviceMajor { get; init; }

    public uint DeviceMinor { get; init; }

    /// <summary>Where its content is in the spool, and how long it is.</summary>
    public long Offset { get; init; }

    public long Size { get; init; }
}
