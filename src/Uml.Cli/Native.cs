using System.Runtime.InteropServices;

namespace Uml.CI.Cli;

/// <summary>Terminals and descriptors, as far as .NET has no door to them.</summary>
internal static unsafe partial class Native
{
    public const int EINTR = 4, EIO = 5, EBADF = 9, EAGAIN = 11, EPIPE = 32;
    public const short PollIn = 1, PollOut = 4;
    private const nuint TIOCGWINSZ = 0x5413;
    private const int GetDescriptorFlags = 1, SetDescriptorFlags = 2;
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

    [StructLayout(LayoutKind.Sequential)]
    private struct IoVector
    {
        public byte* Base;
        public nuint Length;
    }

    /// <summary>struct msghdr.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct MessageHeader
    {
        public byte* Name;
        public uint NameLength;
        public IoVector* Vectors;
        public nuint VectorCount;
        public byte* Control;
        public nuint ControlLength;
        public int Flags;
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

    /// <summary>Makes this process the leader of a session of its own, without a terminal.</summary>
    public static void LeaveSession() => setsid();

    /// <summary>Moves a descriptor to a number that programs do not inherit, and puts the null device in its place; the new number.</summary>
    public static int Withdraw(int fd)
    {
        const int ReadWrite = 2, DuplicateCloseOnExec = 1030, FirstNumber = 3;
        int copy = fcntl(fd, DuplicateCloseOnExec, FirstNumber);
        int nothing = open("/dev/null", ReadWrite);
        dup2(nothing, fd);
        close(nothing);
        return copy;
    }

    /// <summary>Makes a descriptor mean what another one means.</summary>
    public static void Duplicate(int from, int to) => dup2(from, to);

    /// <summary>Keeps a descriptor out of programs that are started from now on.</summary>
    public static void CloseOnExec(int fd) => fcntl(fd, SetDescriptorFlags, 1);

    /// <summary>Opens a directory as a place only; the descriptor, or -1.</summary>
    public static int OpenDirectory(string path) => open(path, 0x200000 /* O_PATH */ | 0x10000 /* O_DIRECTORY */ | 0x80000 /* O_CLOEXEC */);

    public static void Close(int fd) => close(fd);

    /// <summary>Sends a signal to a process; whether there was one to send it to.</summary>
    public static bool Kill(int process, int signal) => kill(process, signal) == 0;

    /// <summary>Receives what a program sends with descriptors of its own; the number of bytes, or the negative error number.</summary>
    /// <param name="socket">A connected unix socket.</param>
    /// <param name="buffer">Gets the bytes.</param>
    /// <param name="limit">The most descriptors to take.</param>
    /// <param name="descriptors">Gets the descriptors; the caller closes them.</param>
    public static int ReceiveDescriptors(int socket, Span<byte> buffer, int limit, out int[] descriptors)
    {
        const int SocketLevel = 1, Rights = 1, CloseOnExecution = 0x40000000, HeaderSize = 16;
        int space = HeaderSize + ((limit * sizeof(int) + 7) & ~7);
        byte* control = stackalloc byte[space];
        new Span<byte>(control, space).Clear();
        nint n;
        fixed (byte* p = buffer)
        {
            var part = new IoVector { Base = p, Length = (nuint)buffer.Length };
            var message = new MessageHeader { Vectors = &part, VectorCount = 1, Control = control, ControlLength = (nuint)space };
            do
                n = recvmsg(socket, &message, CloseOnExecution);
            while (n < 0 && Marshal.GetLastPInvokeError() == EINTR);
            nuint length = *(nuint*)control;
            descriptors = n >= 0 && message.ControlLength >= HeaderSize && ((int*)control)[2] == SocketLevel && ((int*)control)[3] == Rights
                ? new Span<int>(control + HeaderSize, (int)(length - HeaderSize) / sizeof(int)).ToArray()
                : [];
        }

        return n >= 0 ? (int)n : -Marshal.GetLastPInvokeError();
    }

    /// <summary>The user at the other end of a unix socket; null if that cannot be learned.</summary>
    public static uint? PeerOf(int socket)
    {
        const int SocketLevel = 1, PeerCredentials = 17;
        // struct ucred: process, user, group.
        uint* credentials = stackalloc uint[3];
        uint size = 3 * sizeof(uint);
        return getsockopt(socket, SocketLevel, PeerCredentials, credentials, &size) == 0 ? credentials[1] : null;
    }

    /// <summary>Opens the terminal that controls this process; the descriptor, or the negative error number.</summary>
    public static int OpenTerminal()
    {
        const int ReadWrite = 2, CloseOnExecution = 0x80000;
        int terminal = open("/dev/tty", ReadWrite | CloseOnExecution);
        return terminal >= 0 ? terminal : -Marshal.GetLastPInvokeError();
    }

    public static string Describe(int error) => Marshal.GetPInvokeErrorMessage(error);

    [LibraryImport("libc", SetLastError = true)] private static partial nint read(int fd, byte* buffer, nuint count);
    [LibraryImport("libc", SetLastError = true)] private static partial nint write(int fd, byte* buffer, nuint count);
    [LibraryImport("libc")] private static partial int fcntl(int fd, int command);
    [LibraryImport("libc")] private static partial int fcntl(int fd, int command, nint argument);
    [LibraryImport("libc")] private static partial int setsid();
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)] private static partial int open(string path, int flags);
    [LibraryImport("libc")] private static partial int dup2(int from, int to);
    [LibraryImport("libc")] private static partial int close(int fd);
    [LibraryImport("libc")] private static partial int kill(int process, int signal);
    [LibraryImport("libc")] private static partial int poll(PollDescriptor* descriptors, nuint count, int timeout);
    [LibraryImport("libc")] private static partial int isatty(int fd);
    [LibraryImport("libc")] private static partial int tcgetpgrp(int fd);
    [LibraryImport("libc")] public static partial uint geteuid();
    [LibraryImport("libc", SetLastError = true)] private static partial nint recvmsg(int socket, MessageHeader* message, int flags);
    [LibraryImport("libc")] private static partial int getsockopt(int socket, int level, int option, void* value, uint* length);
    [LibraryImport("libc")] private static partial int getpgrp();
    [LibraryImport("libc")] private static partial int ioctl(int fd, nuint request, void* argument);
    [LibraryImport("libc")] private static partial int tcgetattr(int fd, byte* settings);
    [LibraryImport("libc")] private static partial int tcsetattr(int fd, int when, byte* settings);
    [LibraryImport("libc")] private static partial void cfmakeraw(byte* settings);
}
