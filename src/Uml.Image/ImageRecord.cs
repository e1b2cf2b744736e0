using System.Text.Json.Serialization;

namespace Uml.CI;

[JsonSourceGenerationOptions(
    WriteIndented = true,
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ImageRecord))]
[JsonSerializable(typeof(ImageNameRecord))]
internal sealed partial class ImageJson : JsonSerializerContext;

/// <summary>What an image is: <c>image.json</c> beside it, written last, so where it stands the image is whole.</summary>
public sealed record ImageRecord
{
    /// <summary>The version of this description.</summary>
    public int Format { get; init; } = ImageStore.FormatVersion;

    /// <summary>SHA-256 of the image file, in lower-case hexadecimal digits.</summary>
    public string Sha256 { get; init; } = "";

    /// <summary>Type of its file system, as the kernel names it: <c>squashfs</c>.</summary>
    public string FileSystem { get; init; } = "squashfs";

    /// <summary>Number of the partition with the root, from 1 on; 0 for a file that is the file system.</summary>
    public int Partition { get; init; }

    /// <summary>Bytes of the image file.</summary>
    public long Size { get; init; }

    /// <summary>Bytes of all its files together.</summary>
    public long ContentSize { get; init; }

    /// <summary>Number of its files, directories and links.</summary>
    public long Entries { get; init; }

    /// <summary>Bytes of the list of extended attributes beside it, <c>attributes</c>; 0 for none.</summary>
    public long AttributesSize { get; init; }

    /// <summary>SHA-256 of that list; null for none.</summary>
    public string? AttributesSha256 { get; init; }

    /// <summary>Where it came from, in words: <c>Debian trixie of 2026-09-06</c>.</summary>
    public string Origin { get; init; } = "";

    /// <summary>What went into it, for whoever makes it again: suite, date, recipe, versions of the tools.</summary>
    public IReadOnlyDictionary<string, string> Inputs { get; init; } = new Dictionary<string, string>();

    /// <summary>SHA-256 over what went into it; null where that is not known beforehand.</summary>
    public string? Key { get; init; }

    /// <summary>Environment of commands, NAME=VALUE each.</summary>
    public IReadOnlyList<string> Environment { get; init; } = [];

    /// <summary>User of commands that name none; null for root.</summary>
    public string? User { get; init; }

    /// <summary>Working directory of commands that name none; null for <c>/</c>.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>What the image starts where nothing is asked for: its entry point and the arguments of that.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>When it was made.</summary>
    public DateTimeOffset Created { get; init; }
}

/// <summary>refs/NAME.json.</summary>
internal sealed record ImageNameRecord
{
    public required string Reference { get; init; }

    public required string Sha256 { get; init; }

    /// <summary>What the file was that the image was made of; null where it was none.</summary>
    public string? Identity { get; init; }

    public DateTimeOffset Fetched { get; init; }
}
