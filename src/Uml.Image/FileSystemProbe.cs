using System.Buffers.Binary;

namespace Uml.CI;

/// <summary>Recognises a file system by its superblock.</summary>
internal static class FileSystemProbe
{
    /// <summary>What was found.</summary>
    /// <param name="Type">The kernel's name of it.</param>
    /// <param name="Size">Bytes it takes.</param>
    public readonly record struct Found(string Type, long Size);

    /// <summary>Looks at a file, or at a part of it that begins at <paramref name="offset"/>; null when there is nothing known.</summary>
    public static Found? Read(string path, long offset = 0)
    {
        byte[] head = new byte[0x11000];
        int length;
        using (FileStream file = File.OpenRead(path))
        {
            file.Position = offset;
            length = file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
        }

        ReadOnlySpan<byte> bytes = head.AsSpan(0, length);

        // Documentation/filesystems/squashfs.rst, fs/squashfs/squashfs_fs.h: magic, and bytes used at 40.
        if (Has(bytes, 0, "hsqs"u8) && bytes.Length >= 96)
            return new Found("squashfs", BinaryPrimitives.ReadInt64LittleEndian(bytes[40..]));
        // fs/ext4/ext4.h: the superblock at 1024, its magic at 56, blocks at 4 and 0x150, log of the block size at 24.
        if (bytes.Length >= 2048 && Has(bytes, 1024 + 56, [0x53, 0xef]))
        {
            ReadOnlySpan<byte> super = bytes[1024..];
            bool wide = (BinaryPrimitives.ReadUInt32LittleEndian(super[0x60..]) & 0x80) != 0;
            long blocks = BinaryPrimitives.ReadUInt32LittleEndian(super[4..]) + (wide ? (long)BinaryPrimitives.ReadUInt32LittleEndian(super[0x150..]) << 32 : 0);
            int log = (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(super[24..]), 20);
            return new Found("ext4", blocks << (10 + log));
        }

        // fs/xfs/libxfs/xfs_format.h: block size and number of blocks, big-endian.
        if (Has(bytes, 0, "XFSB"u8) && bytes.Length >= 512)
            return new Found("xfs", BinaryPrimitives.ReadUInt32BigEndian(bytes[4..]) * BinaryPrimitives.ReadInt64BigEndian(bytes[8..]));
        // fs/btrfs: the superblock at 64 KiB, its magic at 64, bytes in all at 112.
        if (Has(bytes, 0x10000 + 64, "_BHRfS_M"u8))
            return new Found("btrfs", BinaryPrimitives.ReadInt64LittleEndian(bytes[(0x10000 + 112)..]));
        // fs/erofs/erofs_fs.h: the superblock at 1024, log of the block size at 12, blocks at 36.
        if (bytes.Length >= 1024 + 64 && Has(bytes, 1024, [0xe2, 0xe1, 0xf5, 0xe0]))
            return new Found("erofs", (long)BinaryPrimitives.ReadUInt32LittleEndian(bytes[(1024 + 36)..]) << Math.Min((int)bytes[1024 + 12], 16));
        return null;
    }

    private static bool Has(ReadOnlySpan<byte> bytes, int offset, ReadOnlySpan<byte> magic) =>
        bytes.Length >= offset + magic.Length && bytes.Slice(offset, magic.Length).SequenceEqual(magic);
}
