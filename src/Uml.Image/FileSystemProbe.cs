using System.Buffers.Binary;

namespace Uml.CI;

/// <summary>Recognises a file system by its superblock.</summary>
internal static class FileSystemProbe
{
    // The Discoverable Partitions Specification's root of x86-64.
    private static readonly Guid s_rootType = new("4f68bce3-e8cd-4db1-96e7-fbcaf984b709");

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

    /// <summary>
    /// Finds the root on a disk: its only file system, or that of the partition which is marked as a root of x86-64 or else is the
    /// largest with a file system known here; null when there is none.
    /// </summary>
    public static (Found FileSystem, int Partition)? FindRoot(string path)
    {
        if (Read(path) is { } whole)
            return (whole, 0);
        (int Number, long Start, long Length, bool IsRoot)[] partitions = [.. Partitions(path)];
        foreach ((int number, long start, _, _) in partitions.OrderByDescending(p => p.IsRoot).ThenByDescending(p => p.Length))
        {
            if (Read(path, start) is { } found)
                return (found with { Size = start + found.Size }, number);
        }

        return null;
    }

    private static List<(int Number, long Start, long Length, bool IsRoot)> Partitions(string path)
    {
        const int sector = 512, table = 446, entry = 16;
        List<(int, long, long, bool)> partitions = [];
        using FileStream file = File.OpenRead(path);
        byte[] head = new byte[2 * sector];
        if (file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) < head.Length || head[510] != 0x55 || head[511] != 0xaa)
            return partitions;

        // UEFI specification, 5.3: "EFI PART", entries at 72, their number at 80 and size at 84; each has its type first, then first and last sector at 32.
        if (head.AsSpan(sector, 8).SequenceEqual("EFI PART"u8))
        {
            long entries = BinaryPrimitives.ReadInt64LittleEndian(head.AsSpan(sector + 72));
            int count = (int)Math.Min(BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(sector + 80)), 128);
            int size = (int)Math.Clamp(BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(sector + 84)), 128, 4096);
            byte[] all = new byte[count * size];
            if (entries < 2 || entries > file.Length / sector)
                return partitions;
            file.Position = entries * sector;
            int length = file.ReadAtLeast(all, all.Length, throwOnEndOfStream: false);
            for (int i = 0; (i + 1) * size <= length; i++)
            {
                ReadOnlySpan<byte> one = all.AsSpan(i * size, size);
                long first = BinaryPrimitives.ReadInt64LittleEndian(one[32..]), last = BinaryPrimitives.ReadInt64LittleEndian(one[40..]);
                if (one[..16].IndexOfAnyExcept((byte)0) >= 0 && first > 0 && last >= first && last < file.Length / sector)
                    partitions.Add((i + 1, first * sector, (last - first + 1) * sector, new Guid(one[..16]) == s_rootType));
            }

            return partitions;
        }

        // The old table: four entries, type at 4, first sector at 8, their number at 12.
        for (int i = 0; i < 4; i++)
        {
            ReadOnlySpan<byte> one = head.AsSpan(table + (i * entry), entry);
            long first = BinaryPrimitives.ReadUInt32LittleEndian(one[8..]), count = BinaryPrimitives.ReadUInt32LittleEndian(one[12..]);
            if (one[4] == 0x83 && first > 0 && first + count <= file.Length / sector)
                partitions.Add((i + 1, first * sector, count * sector, false));
        }

        return partitions;
    }

    private static bool Has(ReadOnlySpan<byte> bytes, int offset, ReadOnlySpan<byte> magic) =>
        bytes.Length >= offset + magic.Length && bytes.Slice(offset, magic.Length).SequenceEqual(magic);
}
