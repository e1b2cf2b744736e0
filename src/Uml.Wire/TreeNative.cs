using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Uml.CI.Wire;

/// <summary>
/// The calls a file tree is walked and created with. Names are bytes and always relative to a directory descriptor;
/// System.IO has neither, and would follow symbolic links. Every call returns a negated errno on failure.
/// </summary>
internal static unsafe partial class TreeNative
{
    public const int AtCurrentDirectory = -100;
    public const int AtSymlinkNoFollow = 0x100;
    public const int AtEmptyPath = 0x1000;

    public const int ReadOnly = 0;
    public const int WriteOnly = 1;
    public const int Create = 0x40;
    public const int Exclusive = 0x80;
    public const int NoControllingTerminal = 0x100;
    public const int NonBlocking = 0x800;
    public const int Directory = 0x10000;
    public const int NoFollow = 0x20000;
    public const int CloseOnExec = 0x80000;
    public const int PathOnly = 0x200000;

    public const int SeekData = 3;
    public const int SeekHole = 4;

    public const int EPERM = 1;
    public const int ENOENT = 2;
    public const int EINTR = 4;
    public const int ENXIO = 6;
    public const int EEXIST = 17;
    public const int ENOTDIR = 20;
    public const int EISDIR = 21;
    public const int ELOOP = 40;

    public const uint TypeMask = 0xF000;
    public const uint TypeFifo = 0x1000;
    public const uint TypeCharacter = 0x2000;
    public const uint TypeDirectory = 0x4000;
    public const uint TypeBlock = 0x6000;
    public const uint TypeFile = 0x8000;
    public const uint TypeSymlink = 0xA000;

    /// <summary>The bytes of a path with the NUL the kernel wants.</summary>
    public static byte[] Terminated(string path) => Encoding.UTF8.GetBytes(path + '\0');

    /// <inheritdoc cref="Terminated(string)"/>
    public static byte[] Terminated(ReadOnlySpan<byte> name)
    {
        var bytes = new byte[name.Length + 1];
        name.CopyTo(bytes);
        return bytes;
    }

    public static string ErrorText(int errno) => Marshal.GetPInvokeErrorMessage(errno);

    public static int Open(int directory, byte[] name, int flags, uint mode = 0)
    {
        fixed (byte* path = name)
        {
            int result;
            do
            {
                result = Result(OpenAt(directory, path, flags | CloseOnExec | NoControllingTerminal, mode));
            }
            while (result == -EINTR);
            return result;
        }
    }

    public static int Stat(int directory, byte[] name, int flags, out TreeStat stat)
    {
        byte* buffer = stackalloc byte[256];
        fixed (byte* path = name)
        {
            // STATX_BASIC_STATS
            int result = Result(StatX(directory, path, flags, 0x7FF, buffer));
            stat = result < 0 ? default : new TreeStat(new ReadOnlySpan<byte>(buffer, 256));
            return result;
        }
    }

    public static int Stat(int descriptor, out TreeStat stat) => Stat(descriptor, [0], AtEmptyPath, out stat);

    public static int ReadLink(int directory, byte[] name, Span<byte> target)
    {
        fixed (byte* path = name, buffer = target)
            return Result((int)ReadLinkAt(directory, path, buffer, (nuint)target.Length));
    }

    public static int ReadEntries(int descriptor, Span<byte> destination)
    {
        fixed (byte* buffer = destination)
            return Result((int)GetDents(descriptor, buffer, (nuint)destination.Length));
    }

    public static int Read(int descriptor, Span<byte> destination)
    {
        fixed (byte* buffer = destination)
        {
            int result;
            do
            {
                result = Result((int)ReadSequential(descriptor, buffer, (nuint)destination.Length));
            }
            while (result == -EINTR);
            return result;
        }
    }

    public static int Read(int descriptor, Span<byte> destination, long offset)
    {
        fixed (byte* buffer = destination)
        {
            int result;
            do
            {
                result = Result((int)ReadAt(descriptor, buffer, (nuint)destination.Length, offset));
            }
            while (result == -EINTR);
            return result;
        }
    }

    public static int Write(int descriptor, ReadOnlySpan<byte> data, long offset)
    {
        fixed (byte* buffer = data)
        {
            int result;
            do
            {
                result = Result((int)WriteAt(descriptor, buffer, (nuint)data.Length, offset));
            }
            while (result == -EINTR);
            return result;
        }
    }

    public static long Seek(int descriptor, long offset, int whence)
    {
        long result = LSeek(descriptor, offset, whence);
        return result < 0 ? -Marshal.GetLastPInvokeError() : result;
    }

    public static int MakeDirectory(int directory, byte[] name, uint mode)
    {
        fixed (byte* path = name)
            return Result(MkDirAt(directory, path, mode));
    }

    public static int MakeNode(int directory, byte[] name, uint mode, uint major = 0, uint minor = 0)
    {
        ulong device = ((ulong)(major & 0xFFFFF000) << 32) | ((major & 0xFFF) << 8) | ((ulong)(minor & 0xFFFFFF00) << 12) | (minor & 0xFF);
        fixed (byte* path = name)
            return Result(MkNodAt(directory, path, mode, device));
    }

    public static int MakeSymlink(byte[] target, int directory, byte[] name)
    {
        fixed (byte* content = target, path = name)
            return Result(SymlinkAt(content, directory, path));
    }

    public static int MakeLink(int fromDirectory, byte[] from, int directory, byte[] name)
    {
        fixed (byte* source = from, path = name)
            return Result(LinkAt(fromDirectory, source, directory, path, 0));
    }

    public static int Rename(int directory, byte[] from, byte[] to)
    {
        fixed (byte* source = from, target = to)
            return Result(RenameAt(directory, source, directory, target));
    }

    public static int Remove(int directory, byte[] name)
    {
        fixed (byte* path = name)
            return Result(UnlinkAt(directory, path, 0));
    }

    public static int SetSize(int descriptor, long size) => Result(FTruncate(descriptor, size));

    public static int SetMode(int descriptor, uint mode) => Result(FChMod(descriptor, mode));

    public static int SetMode(int directory, byte[] name, uint mode)
    {
        fixed (byte* path = name)
            return Result(FChModAt(directory, path, mode, AtSymlinkNoFollow));
    }

    public static int SetTime(int descriptor, long seconds, uint nanoseconds)
    {
        long* times = stackalloc long[4] { 0, OmitTime, seconds, nanoseconds };
        return Result(FUTimeNs(descriptor, times));
    }

    public static int SetTime(int directory, byte[] name, long seconds, uint nanoseconds)
    {
        long* times = stackalloc long[4] { 0, OmitTime, seconds, nanoseconds };
        fixed (byte* path = name)
            return Result(UTimeNsAt(directory, path, times, AtSymlinkNoFollow));
    }

    /// <summary>Closes and says what a delayed write came to; the descriptor is gone either way.</summary>
    public static int Close(int descriptor)
    {
        int result = Result(CloseDescriptor(descriptor));
        return result == -EINTR ? 0 : result;
    }

    // UTIME_OMIT
    private const long OmitTime = (1L << 30) - 2;

    private static int Result(int result) => result < 0 ? -Marshal.GetLastPInvokeError() : result;

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
    private static partial int OpenAt(int directory, byte* path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    private static partial int StatX(int directory, byte* path, int flags, uint mask, byte* buffer);

    [LibraryImport("libc", EntryPoint = "readlinkat", SetLastError = true)]
    private static partial nint ReadLinkAt(int directory, byte* path, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "getdents64", SetLastError = true)]
    private static partial nint GetDents(int descriptor, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint ReadSequential(int descriptor, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
    private static partial nint ReadAt(int descriptor, byte* buffer, nuint size, long offset);

    [LibraryImport("libc", EntryPoint = "pwrite", SetLastError = true)]
    private static partial nint WriteAt(int descriptor, byte* buffer, nuint size, long offset);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    private static partial long LSeek(int descriptor, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "mkdirat", SetLastError = true)]
    private static partial int MkDirAt(int directory, byte* path, uint mode);

    [LibraryImport("libc", EntryPoint = "mknodat", SetLastError = true)]
    private static partial int MkNodAt(int directory, byte* path, uint mode, ulong device);

    [LibraryImport("libc", EntryPoint = "symlinkat", SetLastError = true)]
    private static partial int SymlinkAt(byte* target, int directory, byte* path);

    [LibraryImport("libc", EntryPoint = "linkat", SetLastError = true)]
    private static partial int LinkAt(int fromDirectory, byte* from, int directory, byte* path, int flags);

    [LibraryImport("libc", EntryPoint = "renameat", SetLastError = true)]
    private static partial int RenameAt(int fromDirectory, byte* from, int directory, byte* to);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
    private static partial int UnlinkAt(int directory, byte* path, int flags);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    private static partial int FTruncate(int descriptor, long size);

    [LibraryImport("libc", EntryPoint = "fchmod", SetLastError = true)]
    private static partial int FChMod(int descriptor, uint mode);

    [LibraryImport("libc", EntryPoint = "fchmodat", SetLastError = true)]
    private static partial int FChModAt(int directory, byte* path, uint mode, int flags);

    [LibraryImport("libc", EntryPoint = "futimens", SetLastError = true)]
    private static partial int FUTimeNs(int descriptor, long* times);

    [LibraryImport("libc", EntryPoint = "utimensat", SetLastError = true)]
    private static partial int UTimeNsAt(int directory, byte* path, long* times, int flags);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int CloseDescriptor(int descriptor);
}

/// <summary>What is needed of struct statx, whose layout is the same on every architecture.</summary>
internal readonly struct TreeStat
{
    public TreeStat(ReadOnlySpan<byte> statx)
    {
        Links = BinaryPrimitives.ReadUInt32LittleEndian(statx[16..]);
        uint mode = BinaryPrimitives.ReadUInt16LittleEndian(statx[28..]);
        Type = mode & TreeNative.TypeMask;
        Mode = mode & TreeFormat.ModeMask;
        Inode = BinaryPrimitives.ReadUInt64LittleEndian(statx[32..]);
        Size = BinaryPrimitives.ReadInt64LittleEndian(statx[40..]);
        Seconds = BinaryPrimitives.ReadInt64LittleEndian(statx[112..]);
        Nanoseconds = BinaryPrimitives.ReadUInt32LittleEndian(statx[120..]);
        DeviceMajor = BinaryPrimitives.ReadUInt32LittleEndian(statx[128..]);
        DeviceMinor = BinaryPrimitives.ReadUInt32LittleEndian(statx[132..]);
        FileSystem = BinaryPrimitives.ReadUInt64LittleEndian(statx[136..]);
    }

    public uint Links { get; }

    public uint Type { get; }

    public uint Mode { get; }

    public ulong Inode { get; }

    public long Size { get; }

    public long Seconds { get; }

    public uint Nanoseconds { get; }

    public uint DeviceMajor { get; }

    public uint DeviceMinor { get; }

    public ulong FileSystem { get; }
}
