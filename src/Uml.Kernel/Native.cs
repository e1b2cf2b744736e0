using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Uml.CI;

/// <summary>The few system calls that .NET has no door to.</summary>
internal static unsafe partial class Native
{
    public const int SigTerm = 15;
    private const int AtFdCwd = -100;
    private const int AtSymlinkNoFollow = 0x100;
    private const uint StatxBasicStats = 0x7ff;
    private const ulong NoExec = 8;

    /// <summary>Identity of a file, enough to notice that it changed.</summary>
    public readonly record struct FileIdentity(uint Owner, uint Mode, ulong Inode, ulong Device, long Size, long Modified, long Changed)
    {
        public bool IsDirectory => (Mode & 0xF000) == 0x4000;
    }

    public static uint UserId => geteuid();

    public static int Signal(int process, int signal) => kill(process, signal);

    /// <summary>True when the calling user may write in the directory (read-only file systems considered).</summary>
    public static bool IsWritable(string directory) => access(directory, 2 | 1) == 0;

    /// <summary>True when the calling user may read the file.</summary>
    public static bool IsReadable(string path) => access(path, 4) == 0;

    /// <summary>True when the calling user may execute the file (noexec mounts considered).</summary>
    public static bool IsExecutable(string path) => access(path, 1) == 0;

    /// <summary>True when the directory's file system was mounted without the right to execute.</summary>
    public static bool IsMountedNoExec(string directory)
    {
        // struct statvfs is eleven longs and some padding on 64-bit Linux, with glibc as with musl; f_flag is the tenth.
        ulong* buffer = stackalloc ulong[32];
        return statvfs(directory, buffer) == 0 && (buffer[9] & NoExec) != 0;
    }

    /// <summary>The path without symbolic links in it; the path as it is when there is no such file.</summary>
    public static string RealPath(string path)
    {
        nint real = realpath(path, 0);
        if (real == 0)
            return path;
        string text = Marshal.PtrToStringUTF8(real)!;
        NativeMemory.Free((void*)real);
        return text;
    }

    /// <summary>Reads a file's identity without following a final symbolic link unless asked to; null when there is none.</summary>
    public static FileIdentity? Identify(string path, bool followLink)
    {
        byte* buffer = stackalloc byte[256];
        if (statx(AtFdCwd, path, followLink ? 0 : AtSymlinkNoFollow, StatxBasicStats, buffer) != 0)
            return null;
        return new FileIdentity(
            Owner: *(uint*)(buffer + 20),
            Mode: *(ushort*)(buffer + 28),
            Inode: *(ulong*)(buffer + 32),
            Device: ((ulong)*(uint*)(buffer + 136) << 32) | *(uint*)(buffer + 140),
            Size: *(long*)(buffer + 40),
            Modified: (*(long*)(buffer + 112) * 1_000_000_000) + *(uint*)(buffer + 120),
            Changed: (*(long*)(buffer + 96) * 1_000_000_000) + *(uint*)(buffer + 104));
    }

    /// <summary>The version of the C library this process runs on, or null when it is not glibc.</summary>
    public static Version? GlibcVersion()
    {
        try
        {
            return Version.TryParse(Marshal.PtrToStringUTF8(gnu_get_libc_version()), out Version? version) ? version : null;
        }
        catch (EntryPointNotFoundException)
        {
            return null;
        }
        catch (DllNotFoundException)
        {
            return null;
        }
    }

    [LibraryImport("libc")]
    private static partial uint geteuid();

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int pid, int signal);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int access(string path, int mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statvfs(string path, ulong* buffer);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int directory, string path, int flags, uint mask, byte* buffer);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint realpath(string path, nint resolved);

    [LibraryImport("libc")]
    private static partial nint gnu_get_libc_version();
}
