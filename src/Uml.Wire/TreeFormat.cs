using System.Text;

namespace Uml.CI.Wire;

/// <summary>The format in which file trees travel between host and guest. docs/protocol.md is the specification.</summary>
/// <remarks>
/// A tree is a preamble, one root entry with everything below it, and an end record. Integers are little endian.
/// Names and link targets are bytes, as the kernel has them: nothing needs to be UTF-8.
/// <code>
/// preamble   8 bytes   "UMTREE", 0, version 1
/// entry      u8        kind
///            u8        length of the name; 0 for the root entry and only there
///            n         name: one path component, no '/', no NUL, not "." or ".."
///   1 directory   u32 mode, i64 seconds, u32 nanoseconds; its entries follow, then a leave record
///   2 file        u32 mode, i64 seconds, u32 nanoseconds; then chunks of
///                 u64 offset, u32 length, data; ascending, what no chunk covers is zero;
///                 a chunk of length 0 ends the file, its offset is the file's size
///   3 symlink     i64 seconds, u32 nanoseconds, u16 length, target
///   4 fifo        u32 mode, i64 seconds, u32 nanoseconds
///   5 character device, 6 block device
///                 u32 mode, i64 seconds, u32 nanoseconds, u32 major, u32 minor
///   7 hard link   u16 length, path of an earlier file from the root entry, '/' between components
/// leave      u8 = 8    the directory that was entered last has no more entries
/// warning    u8 = 9    u16 length, UTF-8 text: something was left out, and why
/// end        u8 = 10   u64 number of entries, u64 number of data bytes; nothing follows
/// </code>
/// A mode is the low twelve bits of st_mode. Ownership does not travel.
/// </remarks>
public static class TreeFormat
{
    /// <summary>The version in the preamble.</summary>
    public const byte Version = 1;

    /// <summary>How many directories deep a tree may be; each level holds a descriptor open at both ends.</summary>
    public const int MaxDepth = 512;

    /// <summary>The longest name, in bytes: what Linux allows a path component.</summary>
    public const int MaxName = 255;

    /// <summary>The longest symlink target, hard link path and warning, in bytes.</summary>
    public const int MaxText = 4095;

    /// <summary>The most data one chunk of a file carries, in bytes.</summary>
    public const int MaxChunk = 64 * 1024;

    internal const int ChunkHeader = 12;
    internal const int TimeSize = 12;
    internal const int PlainSize = 4 + TimeSize;
    internal const uint ModeMask = 0xFFF;

    /// <summary>The path as both ends use it: without "." and ".." and a slash at its end.</summary>
    /// <exception cref="TreeException">It is not an absolute path. Paths come from the other side too, so that this is no programmer's error.</exception>
    internal static string Absolute(string path)
    {
        if (!path.StartsWith('/'))
            throw new TreeException($"\"{path}\"", "is not an absolute path");
        if (path.Contains('\0'))
            throw new TreeException(Display(Encoding.UTF8.GetBytes(path)), "has a NUL in it");
        return Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
    }

    internal static ReadOnlySpan<byte> Preamble => [(byte)'U', (byte)'M', (byte)'T', (byte)'R', (byte)'E', (byte)'E', 0, Version];

    /// <summary>Whether <paramref name="name"/> is a single path component that cannot lead anywhere else.</summary>
    internal static bool IsName(ReadOnlySpan<byte> name) =>
        name.Length is > 0 and <= MaxName
        && !name.ContainsAny((byte)'/', (byte)0)
        && !name.SequenceEqual("."u8)
        && !name.SequenceEqual(".."u8);

    /// <summary>A path for people: UTF-8 as it is, anything else and control characters as \xNN.</summary>
    internal static string Display(ReadOnlySpan<byte> path)
    {
        var text = new StringBuilder(path.Length);
        while (!path.IsEmpty)
        {
            bool valid = Rune.DecodeFromUtf8(path, out Rune rune, out int used) == System.Buffers.OperationStatus.Done;
            if (valid && !Rune.IsControl(rune))
            {
                text.Append(rune.ToString());
            }
            else
            {
                foreach (byte b in path[..used])
                    text.Append("\\x").Append(b.ToString("x2"));
            }

            path = path[used..];
        }

        return text.ToString();
    }
}

/// <summary>What a record of a tree is.</summary>
internal enum TreeRecord : byte
{
    Directory = 1,
    File = 2,
    Symlink = 3,
    Fifo = 4,
    CharacterDevice = 5,
    BlockDevice = 6,
    HardLink = 7,
    Leave = 8,
    Warning = 9,
    End = 10,
}

/// <summary>A file tree could not be read, or not be created. The copy is incomplete.</summary>
public sealed class TreeException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="path">The file it is about.</param>
    /// <param name="text">What is wrong, without the path.</param>
    /// <param name="errno">The Linux error number behind it, or 0.</param>
    public TreeException(string path, string text, int errno = 0)
        : base($"{path}: {text}")
    {
        Path = path;
        Errno = errno;
    }

    /// <summary>The file it is about.</summary>
    public string Path { get; }

    /// <summary>The Linux error number behind it, or 0.</summary>
    public int Errno { get; }
}
