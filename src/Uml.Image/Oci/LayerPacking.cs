using System.IO.Compression;

namespace Uml.CI;

/// <summary>How a layer is packed, by its first bytes.</summary>
internal static class LayerPacking
{
    /// <summary>Unpacks a layer.</summary>
    /// <param name="head">Its first bytes, at least six where it has them.</param>
    /// <param name="packed">All of it, those bytes too.</param>
    /// <param name="host">Where programs are looked for.</param>
    /// <exception cref="OciFaultException">It is packed in a way that is not known here.</exception>
    public static Stream Unpack(ReadOnlySpan<byte> head, Stream packed, HostTools host) => head switch
    {
        [0x1F, 0x8B, ..] => new GZipStream(packed, CompressionMode.Decompress, leaveOpen: true),
        [0x28, 0xB5, 0x2F, 0xFD, ..] or [>= 0x50 and <= 0x5F, 0x2A, 0x4D, 0x18, ..] => new ZstdStream(packed, host),
        [0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', ..] => throw Unknown("xz"),
        [(byte)'B', (byte)'Z', (byte)'h', ..] => throw Unknown("bzip2"),
        [0x04, 0x22, 0x4D, 0x18, ..] => throw Unknown("lz4"),
        _ => packed,
    };

    private static OciFaultException Unknown(string name) =>
        new($"it is packed with {name}, and layers are packed with gzip, zstd or not at all");
}
