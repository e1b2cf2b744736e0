using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>Kinds of files in a layer.</summary>
internal enum LayerEntryKind
{
    File,
    HardLink,
    SymbolicLink,
    CharacterDevice,
    BlockDevice,
    Directory,
    Pipe,
}

/// <summary>What a file has beside its name and content.</summary>
/// <param name="Mode">The twelve bits of chmod.</param>
/// <param name="UserId">The owner.</param>
/// <param name="GroupId">And its group.</param>
/// <param name="Modified">Seconds since 1970, which may be negative.</param>
/// <param name="ModifiedNanoseconds">And from there forward.</param>
internal sealed record LayerAttributes(int Mode, uint UserId, uint GroupId, long Modified, int ModifiedNanoseconds)
{
    /// <summary>Extended attributes, in the order of their names. Values are bytes: a capability is no text.</summary>
    public ImmutableArray<KeyValuePair<string, byte[]>> Extended { get; init; } = [];
}

/// <summary>A file's data in a sparse archive: where it belongs, and how much of it there is.</summary>
internal readonly record struct LayerExtent(long Offset, long Length);

/// <summary>One entry of a layer, as its header says.</summary>
internal sealed record LayerEntry(string Name, LayerEntryKind Kind, LayerAttributes Attributes)
{
    /// <summary>A link's target; empty for others.</summary>
    public string Target { get; init; } = "";

    /// <summary>Bytes in the archive.</summary>
    public long StoredSize { get; init; }

    /// <summary>Bytes of the file, holes included.</summary>
    public long Size { get; init; }

    /// <summary>Where the stored bytes belong in the file; null for a file without holes.</summary>
    public ImmutableArray<LayerExtent>? Extents { get; init; }

    public uint DeviceMajor { get; init; }

    public uint DeviceMinor { get; init; }
}
