using System.Runtime.InteropServices;

namespace Uml.CI.Cli;

/// <summary>Terminals and descriptors, as far as .NET has no door to them.</summary>
internal static unsafe partial class Native
{
    public const int EINTR = 4, EIO = 5, EBADF = 9, EAGAIN = 11, EPIPE = 32;
    public const short PollIn = 1, PollOut = 4;
    private const nuint TIOCGWINSZ = 0x5413;
    private const int GetDescriptorFlags = 1;
    private const int TCSADRAIN = 1, TCSANOW = 0;

    // struct termios of glibc and musl on x86-64 has 60 bytes.
    private const int TermiosSize = 64;

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    /// <summary>Reads; the number of bytes, or the negative error number.</summary>
    public static int Read(int fd, Span<byte> buffer)
    {
        fixed (byte* p = buffer)
        {
            nint n = read(fd, p, (nuint)buffer.Length);
            return n >= 0 ? (int)n : -Marshal.GetLastPInvokeError();
        }
    }

    /// <summary>Writes; the number of bytes, or the negative error number.</summary>
    public static int Write(int fd, ReadOnlySpan<byte> buffer)
    {
        fixed (byte* p = buffer)
        {
            nint n = write(fd, p, (nuint)buffer.Length);
            return n >= 0 ? (int)n : -Marshal.GetLastPInvokeError();
        }
    }

    /// <summary>Waits until a descriptor is ready; false when the time is up.</summary>
    public static bool Poll(int fd, short events, int milliseconds)
    {
        var descriptor = new PollDescriptor { Descriptor = fd, Events = events };
        return poll(&descriptor, 1, milliseconds) > 0;
    }

    /// <summary>Whether a descriptor is open and was so when this program was started: what was inherited is not marked to close on exec.</summary>
    public static bool IsInherited(int fd) => fcntl(fd, GetDescriptorFlags) == 0;

    public static bool IsTerminal(int fd) => isatty(fd) == 1;

    /// <summary>Whether this process may read the terminal without being stopped.</summary>
    public static bool IsForeground(int terminal) => tcgetpgrp(terminal) is var group && (group < 0 || group == getpgrp());

    /// <summary>The size of a terminal, or null.</summary>
    public static TerminalSize? SizeOf(int fd)
    {
        ushort* size = stackalloc ushort[4];
        return ioctl(fd, TIOCGWINSZ, size) == 0 && size[0] > 0 && size[1] > 0 ? new TerminalSize(size[1], size[0]) : null;
    }

    /// <summary>The settings of a terminal, for <see cref="Restore"/>; null if it has none.</summary>
    public static byte[]? Settings(int fd)
    {
        byte[] settings = new byte[TermiosSize];
        fixed (byte* p = settings)
            return tcgetattr(fd, p) == 0 ? settings : null;
    }

    /// <summary>Hands every byte through, in both directions.</summary>
    public static void MakeRaw(int fd, byte[] settings)
    {
        byte[] raw = [.. settings];
        fixed (byte* p = raw)
        {
            cfmakeraw(p);
            tcsetattr(fd, TCSADRAIN, p);
        }
    }

    public static void Restore(int fd, byte[] settings)
    {
        fixed (byte* p = settings)
            tcsetattr(fd, TCSANOW, p);
    }

    public static string Describe(int error) => Marshal.GetPInvokeErrorMessage(error);

    [LibraryImport("libc", SetLastError = true)] private static partial nint read(int fd, byte* buffer, nuint count);
    [LibraryImport("libc", SetLastError = true)] private static partial nint write(int fd, byte* buffer, nuint count);
    [LibraryImport("libc")] private static partial int fcntl(int fd, int command);
    [LibraryImport("libc")] private static partial int poll(PollDescriptor* descriptors, nuint count, int timeout);
    [LibraryImport("libc")] private static partial int isatty(int fd);
    [LibraryImport("libc")] private static partial int tcgetpgrp(int fd);
    [LibraryImport("libc")] public static partial int getppid();
    [LibraryImport("libc")] private static partial int getpgrp();
    [LibraryImport("libc")] private static partial int ioctl(int fd, nuint request, void* argument);
    [LibraryImport("libc")] private static partial int tcgetattr(int fd, byte* settings);
    [LibraryImport("libc")] private static partial int tcsetattr(int fd, int when, byte* settings);
    [LibraryImport("libc")] private static partial void cfmakeraw(byte* settings);
}
