using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Uml.CI.Agent.Supervise;

/// <summary>The system calls of the supervisor, blittable throughout: they must also work between fork and exec.</summary>
internal static unsafe partial class Native
{
    public const int O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0x40, O_EXCL = 0x80, O_APPEND = 0x400,
        O_NONBLOCK = 0x800, O_DIRECTORY = 0x10000, O_NOFOLLOW = 0x20000, O_CLOEXEC = 0x80000, O_PATH = 0x200000;
    public const int EPERM = 1, ENOENT = 2, EINTR = 4, EAGAIN = 11, EACCES = 13, EEXIST = 17, ENOTDIR = 20, EISDIR = 21,
        EINVAL = 22, ENOSPC = 28, ENOSYS = 38, ENOTEMPTY = 39, ELOOP = 40, ECONNREFUSED = 111, ECHILD = 10, EBUSY = 16,
        EDQUOT = 122;
    public const int AT_FDCWD = -100, AT_REMOVEDIR = 0x200, AT_SYMLINK_NOFOLLOW = 0x100;
    public const int SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGKILL = 9, SIGPIPE = 13, SIGTERM = 15, SIGCHLD = 17;
    public const nint SIG_DFL = 0, SIG_IGN = 1;
    public const int PR_SET_PDEATHSIG = 1, PR_SET_NAME = 15, PR_SET_SECCOMP = 22, PR_SET_SECUREBITS = 28, PR_CAP_AMBIENT = 47, PR_SET_CHILD_SUBREAPER = 36, PR_SET_NO_NEW_PRIVS = 38;
    public const int LOCK_EX = 2, LOCK_NB = 4;
    public const int F_SETFD = 2, F_DUPFD_CLOEXEC = 1030, F_SETFL = 4, F_GETFL = 3, FD_CLOEXEC = 1;
    public const int AF_UNIX = 1, SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_SEQPACKET = 5, SOCK_NONBLOCK = 0x800, SOCK_CLOEXEC = 0x80000;
    public const int MSG_DONTWAIT = 0x40, MSG_NOSIGNAL = 0x4000, SOL_SOCKET = 1, SCM_RIGHTS = 1;
    public const short POLLIN = 1, POLLOUT = 4, POLLERR = 8, POLLHUP = 16;
    public const int WNOHANG = 1, WEXITED = 4, WNOWAIT = 0x01000000, P_PID = 1;
    public const int SYS_sched_setaffinity = 203, SYS_sched_getaffinity = 204, SYS_capget = 125, SYS_capset = 126, SYS_personality = 135, SYS_pidfd_open = 434, SYS_close_range = 436,
        SYS_landlock_create_ruleset = 444, SYS_landlock_add_rule = 445, SYS_landlock_restrict_self = 446,
        SYS_getdents64 = 217, SYS_rt_sigaction = 13, SYS_rt_sigprocmask = 14, SYS_prlimit64 = 302, SYS_statfs = 137,
        SYS_newfstatat = 262, SYS_clone = 56, SYS_madvise = 28, SYS_clone3 = 435, SYS_execve = 59;
    public const int CLONE_PARENT = 0x8000;
    public const ulong CLONE_INTO_CGROUP = 0x200000000;
    public const int RLIMIT_FSIZE = 1, RLIMIT_CORE = 4, RLIMIT_NOFILE = 7, RLIMIT_NPROC = 6;
    public const int ADDR_NO_RANDOMIZE = 0x0040000;
    public const uint S_IFMT = 0xF000, S_IFDIR = 0x4000, S_IFLNK = 0xA000;

    [LibraryImport("libc", EntryPoint = "syscall")] public static partial nint Syscall(nint number, nint a, nint b, nint c, nint d, nint e, nint f);
    [LibraryImport("libc", EntryPoint = "fork")] public static partial int Fork();
    [LibraryImport("libc", EntryPoint = "_exit")] public static partial void ExitNow(int status);
    [LibraryImport("libc", EntryPoint = "getpid")] public static partial int GetPid();
    [LibraryImport("libc", EntryPoint = "getppid")] public static partial int GetParentPid();
    [LibraryImport("libc", EntryPoint = "geteuid")] public static partial uint GetEffectiveUser();
    [LibraryImport("libc", EntryPoint = "setsid")] public static partial int SetSession();
    [LibraryImport("libc", EntryPoint = "kill")] public static partial int Kill(int pid, int signal);
    [LibraryImport("libc", EntryPoint = "signal")] public static partial nint Signal(int signal, nint handler);
    [LibraryImport("libc", EntryPoint = "prctl")] public static partial int Prctl(int option, nint a, nint b, nint c, nint d);
    [LibraryImport("libc", EntryPoint = "waitpid")] public static partial int WaitPid(int pid, int* status, int options);
    [LibraryImport("libc", EntryPoint = "waitid")] public static partial int WaitId(int type, int id, byte* info, int options);
    [LibraryImport("libc", EntryPoint = "usleep")] public static partial int MicroSleep(uint microseconds);
    [LibraryImport("libc", EntryPoint = "poll")] public static partial int Poll(PollFd* descriptors, nuint count, int timeout);
    [LibraryImport("libc", EntryPoint = "open")] private static partial int Open(byte* path, int flags, uint mode);
    [LibraryImport("libc", EntryPoint = "openat")] private static partial int OpenAt(int directory, byte* path, int flags, uint mode);
    [LibraryImport("libc", EntryPoint = "close")] public static partial int Close(int descriptor);
    [LibraryImport("libc", EntryPoint = "read")] public static partial nint Read(int descriptor, byte* buffer, nuint count);
    [LibraryImport("libc", EntryPoint = "write")] public static partial nint Write(int descriptor, byte* buffer, nuint count);
    [LibraryImport("libc", EntryPoint = "dup2")] public static partial int Dup2(int from, int to);
    [LibraryImport("libc", EntryPoint = "fcntl")] public static partial int Fcntl(int descriptor, int command, nint argument);
    [LibraryImport("libc", EntryPoint = "flock")] public static partial int Flock(int descriptor, int operation);
    [LibraryImport("libc", EntryPoint = "pipe2")] public static partial int Pipe2(int* ends, int flags);
    [LibraryImport("libc", EntryPoint = "mkdir")] private static partial int MakeDirectory(byte* path, uint mode);
    [LibraryImport("libc", EntryPoint = "symlink")] private static partial int Symlink(byte* target, byte* path);
    [LibraryImport("libc", EntryPoint = "mkdirat")] private static partial int MakeDirectoryAt(int directory, byte* path, uint mode);
    [LibraryImport("libc", EntryPoint = "rmdir")] private static partial int RemoveDirectory(byte* path);
    [LibraryImport("libc", EntryPoint = "unlinkat")] private static partial int UnlinkAt(int directory, byte* path, int flags);
    [LibraryImport("libc", EntryPoint = "renameat")] private static partial int RenameAt(int fromDirectory, byte* from, int toDirectory, byte* to);
    [LibraryImport("libc", EntryPoint = "fchmodat")] private static partial int ChangeModeAt(int directory, byte* path, uint mode, int flags);
    [LibraryImport("libc", EntryPoint = "fchdir")] public static partial int ChangeDirectory(int descriptor);
    [LibraryImport("libc", EntryPoint = "socketpair")] public static partial int SocketPair(int domain, int type, int protocol, int* ends);
    [LibraryImport("libc", EntryPoint = "socket")] public static partial int Socket(int domain, int type, int protocol);
    [LibraryImport("libc", EntryPoint = "bind")] public static partial int Bind(int socket, byte* address, uint length);
    [LibraryImport("libc", EntryPoint = "connect")] public static partial int Connect(int socket, byte* address, uint length);
    [LibraryImport("libc", EntryPoint = "listen")] public static partial int Listen(int socket, int backlog);
    [LibraryImport("libc", EntryPoint = "accept4")] public static partial int Accept(int socket, byte* address, uint* length, int flags);
    [LibraryImport("libc", EntryPoint = "sendmsg")] public static partial nint SendMessage(int socket, MessageHeader* message, int flags);
    [LibraryImport("libc", EntryPoint = "memfd_create")] private static partial int CreateMemoryFile(byte* name, uint flags);
    [LibraryImport("libc", EntryPoint = "ftruncate")] public static partial int Truncate(int descriptor, nint length);
    [LibraryImport("libc", EntryPoint = "send")] public static partial nint Send(int socket, byte* data, nuint length, int flags);
    [LibraryImport("libc", EntryPoint = "sendto")] public static partial nint SendTo(int socket, byte* data, nuint length, int flags, byte* address, uint addressLength);
    [LibraryImport("libc", EntryPoint = "recv")] public static partial nint Receive(int socket, byte* data, nuint length, int flags);
    [LibraryImport("libc", EntryPoint = "strerror")] private static partial byte* StrError(int error);

    /// <summary>errno of the last call.</summary>
    public static int Error => Marshal.GetLastSystemError();

    public static string ErrorText(int error) => Marshal.PtrToStringUTF8((nint)StrError(error)) ?? $"error {error}";

    public static int Open(string path, int flags, uint mode = 0)
    {
        fixed (byte* p = Terminated(path))
            return Open(p, flags | O_CLOEXEC, mode);
    }

    public static int OpenAt(int directory, ReadOnlySpan<byte> terminatedName, int flags, uint mode = 0)
    {
        fixed (byte* p = terminatedName)
            return OpenAt(directory, p, flags | O_CLOEXEC, mode);
    }

    /// <summary>An unnamed file in memory; <paramref name="terminatedName"/> is for people.</summary>
    public static int CreateMemoryFile(ReadOnlySpan<byte> terminatedName)
    {
        const uint closeOnExec = 1;
        fixed (byte* p = terminatedName)
            return CreateMemoryFile(p, closeOnExec);
    }

    /// <summary>Room for a socket's address as <see cref="Address"/> writes it.</summary>
    public const int AddressSize = 110;

    /// <summary>Writes the address of a socket that has a path, and returns its length.</summary>
    public static uint Address(byte* address, string path)
    {
        var bytes = new Span<byte>(address, AddressSize);
        bytes.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, AF_UNIX);
        return (uint)(2 + Encoding.UTF8.GetBytes(path, bytes[2..]) + 1);
    }

    public static int MakeDirectory(string path, uint mode)
    {
        fixed (byte* p = Terminated(path))
            return MakeDirectory(p, mode);
    }

    public static int MakeDirectoryAt(int directory, ReadOnlySpan<byte> terminatedName, uint mode)
    {
        fixed (byte* p = terminatedName)
            return MakeDirectoryAt(directory, p, mode);
    }

    public static int Symlink(string target, string path)
    {
        fixed (byte* t = Terminated(target), p = Terminated(path))
            return Symlink(t, p);
    }

    public static int RemoveDirectory(string path)
    {
        fixed (byte* p = Terminated(path))
            return RemoveDirectory(p);
    }

    public static int UnlinkAt(int directory, ReadOnlySpan<byte> terminatedName, int flags)
    {
        fixed (byte* p = terminatedName)
            return UnlinkAt(directory, p, flags);
    }

    public static int RenameAt(int fromDirectory, ReadOnlySpan<byte> from, int toDirectory, ReadOnlySpan<byte> to)
    {
        fixed (byte* f = from, t = to)
            return RenameAt(fromDirectory, f, toDirectory, t);
    }

    [LibraryImport("libc", EntryPoint = "fchmod")] public static partial int ChangeMode(int descriptor, uint mode);

    public static int ChangeModeAt(int directory, ReadOnlySpan<byte> terminatedName, uint mode)
    {
        fixed (byte* p = terminatedName)
            return ChangeModeAt(directory, p, mode, 0);
    }

    /// <summary>Closes every descriptor from <paramref name="first"/> on.</summary>
    public static void CloseFrom(int first)
    {
        const int plenty = 4096;
        if (Syscall(SYS_close_range, first, int.MaxValue, 0, 0, 0, 0) == 0)
            return;
        for (int descriptor = first; descriptor < plenty; descriptor++)
            Close(descriptor);
    }

    /// <summary>Device, inode, mode and owner of an open file.</summary>
    public static bool Stat(int descriptor, out FileStatus status)
    {
        const int atEmptyPath = 0x1000;
        byte nothing = 0;
        FileStatus result;
        bool ok = Syscall(SYS_newfstatat, descriptor, (nint)(&nothing), (nint)(&result), atEmptyPath, 0, 0) == 0;
        status = result;
        return ok;
    }

    /// <summary>As <see cref="Stat(int, out FileStatus)"/>, by path; symbolic links are not followed.</summary>
    public static bool Stat(string path, out FileStatus status)
    {
        FileStatus result;
        bool ok;
        fixed (byte* p = Terminated(path))
            ok = Syscall(SYS_newfstatat, AT_FDCWD, (nint)p, (nint)(&result), AT_SYMLINK_NOFOLLOW, 0, 0) == 0;
        status = result;
        return ok;
    }

    public static bool StatFileSystem(string path, out FileSystemStatus status)
    {
        FileSystemStatus result;
        bool ok;
        fixed (byte* p = Terminated(path))
            ok = Syscall(SYS_statfs, (nint)p, (nint)(&result), 0, 0, 0, 0) == 0;
        status = result;
        return ok;
    }

    /// <summary>A small file's whole text, such as those of /proc; null if it cannot be read.</summary>
    public static string? ReadText(string path)
    {
        int file = Open(path, O_RDONLY);
        if (file < 0)
            return null;
        byte[] buffer = new byte[16 * 1024];
        int length = 0;
        while (true)
        {
            if (length == buffer.Length)
                Array.Resize(ref buffer, buffer.Length * 2);
            nint n;
            fixed (byte* p = &buffer[length])
                n = Read(file, p, (nuint)(buffer.Length - length));
            if (n < 0 && Error == EINTR)
                continue;
            if (n <= 0)
                break;
            length += (int)n;
        }

        Close(file);
        return Encoding.UTF8.GetString(buffer, 0, length);
    }

    /// <summary>Writes <paramref name="text"/> to an existing file in one call, as the files of cgroup want it.</summary>
    public static bool WriteText(string path, ReadOnlySpan<byte> text)
    {
        int file = Open(path, O_WRONLY);
        if (file < 0)
            return false;
        nint n;
        fixed (byte* p = text)
            n = Write(file, p, (nuint)text.Length);
        Close(file);
        return n == text.Length;
    }

    /// <summary>UTF-8 with the zero byte that C wants.</summary>
    public static byte[] Terminated(string text)
    {
        byte[] bytes = new byte[Encoding.UTF8.GetByteCount(text) + 1];
        Encoding.UTF8.GetBytes(text, bytes);
        return bytes;
    }

    /// <summary>A line for whoever reads the supervisor's standard error.</summary>
    public static void Complain(string line)
    {
        byte[] bytes = Encoding.UTF8.GetBytes($"uml-agent: {line}\n");
        fixed (byte* p = bytes)
            Write(2, p, (nuint)bytes.Length);
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct PollFd
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    /// <summary>struct iovec.</summary>
    public struct IoVector
    {
        public byte* Base;
        public nuint Length;
    }

    /// <summary>struct msghdr.</summary>
    public struct MessageHeader
    {
        public byte* Name;
        public uint NameLength;
        public IoVector* Vectors;
        public nuint VectorCount;
        public byte* Control;
        public nuint ControlLength;
        public int Flags;
    }

    /// <summary>struct stat of x86-64.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 144)]
    public struct FileStatus
    {
        [FieldOffset(0)] public ulong Device;
        [FieldOffset(8)] public ulong Inode;
        [FieldOffset(24)] public uint Mode;
        [FieldOffset(28)] public uint Owner;

        public readonly bool IsDirectory => (Mode & S_IFMT) == S_IFDIR;
    }

    /// <summary>struct statfs of x86-64.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 120)]
    public struct FileSystemStatus
    {
        private const long NoExec = 8;

        [FieldOffset(8)] public long BlockSize;
        [FieldOffset(32)] public long BlocksAvailable;
        [FieldOffset(80)] public long Flags;

        public readonly bool IsNoExec => (Flags & NoExec) != 0;
    }
}
