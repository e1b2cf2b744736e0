using System.Runtime.InteropServices;
using System.Text;

namespace Uml.CI.Agent.Init;

/// <summary>The system calls PID 1 needs, bound statically, with errors as return values.</summary>
internal static unsafe partial class Linux
{
    public const int O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0x40, O_NOCTTY = 0x100, O_TRUNC = 0x200, O_APPEND = 0x400, O_NONBLOCK = 0x800, O_DIRECTORY = 0x10000, O_NOFOLLOW = 0x20000, O_CLOEXEC = 0x80000;
    public const ulong MS_RDONLY = 1, MS_NOSUID = 2, MS_NODEV = 4, MS_NOEXEC = 8, MS_BIND = 4096, MS_MOVE = 8192;
    public const short POLLIN = 1, POLLOUT = 4;
    public const int ENOENT = 2, EIO = 5, ENOEXEC = 8, EAGAIN = 11, EACCES = 13, EEXIST = 17, ENOTDIR = 20, EINVAL = 22, ELOOP = 40, EADDRINUSE = 98;
    public const int WNOHANG = 1;
    private const nint SIG_DFL = 0, SIG_IGN = 1;
    public const int AF_UNIX = 1, SOCK_STREAM = 1, SOCK_NONBLOCK = 0x800, SOCK_CLOEXEC = 0x80000, SHUT_WR = 1;
    public const int S_IFMT = 0xF000, S_IFDIR = 0x4000, S_IFSOCK = 0xC000;

    private const int SYS_finit_module = 313, SYS_pidfd_open = 434;

    [StructLayout(LayoutKind.Sequential)]
    public struct PollFd
    {
        public int Fd;
        public short Events;
        public short Revents;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }

    public static int Errno => Marshal.GetLastSystemError();

    public static string Describe(int errno) => Marshal.GetPInvokeErrorMessage(errno);

    /// <summary>A NUL-terminated copy of <paramref name="text"/>.</summary>
    public static byte[] Z(string text)
    {
        byte[] bytes = new byte[Encoding.UTF8.GetByteCount(text) + 1];
        Encoding.UTF8.GetBytes(text, bytes);
        return bytes;
    }

    public static int Open(string path, int flags, int mode = 0)
    {
        fixed (byte* p = Z(path))
            return open(p, flags | O_CLOEXEC, mode);
    }

    public static int OpenAt(int directory, string path, int flags)
    {
        fixed (byte* p = Z(path))
            return openat(directory, p, flags | O_CLOEXEC, 0);
    }

    public static int UnlinkAt(int directory, string path)
    {
        fixed (byte* p = Z(path))
            return unlinkat(directory, p, 0);
    }

    public static int Mount(string source, string target, string type, ulong flags, string data)
    {
        fixed (byte* s = Z(source), t = Z(target), f = Z(type), d = Z(data))
            return mount(s, t, f, flags, d) == 0 ? 0 : Errno;
    }

    public static int MakeDirectory(string path, int mode = 0x1ed)
    {
        fixed (byte* p = Z(path))
            return mkdir(p, mode) == 0 ? 0 : Errno;
    }

    /// <summary>Makes a directory and all its missing parents.</summary>
    public static int MakeDirectories(string path)
    {
        for (int i = 1; i <= path.Length; i++)
        {
            if (i != path.Length && path[i] != '/')
                continue;
            int error = MakeDirectory(path[..i]);
            if (error is not 0 and not EEXIST && !IsDirectory(path[..i]))
                return error;
        }

        return IsDirectory(path) ? 0 : ENOTDIR;
    }

    public static int MakeNode(string path, int mode, int major, int minor)
    {
        fixed (byte* p = Z(path))
            return mknod(p, mode, (ulong)((major << 8) | minor)) == 0 ? 0 : Errno;
    }

    public static int MakeLink(string target, string path)
    {
        fixed (byte* t = Z(target), p = Z(path))
            return symlink(t, p) == 0 ? 0 : Errno;
    }

    /// <summary>The file's mode, or -1.</summary>
    public static int Mode(string path)
    {
        byte* stat = stackalloc byte[256];
        fixed (byte* p = Z(path))
        {
            // struct stat of x86-64: st_mode is the 32-bit word at offset 24.
            return Linux.stat(p, stat) == 0 ? *(int*)(stat + 24) : -1;
        }
    }

    public static bool Exists(string path) => Mode(path) >= 0;

    public static bool IsDirectory(string path) => Mode(path) is var mode and >= 0 && (mode & S_IFMT) == S_IFDIR;

    public static bool IsExecutable(string path)
    {
        fixed (byte* p = Z(path))
            return access(p, 1) == 0;
    }

    public static int ChangeDirectory(string path)
    {
        fixed (byte* p = Z(path))
            return chdir(p) == 0 ? 0 : Errno;
    }

    public static int ChangeRoot(string path)
    {
        fixed (byte* p = Z(path))
            return chroot(p) == 0 ? 0 : Errno;
    }

    public static int SetHostname(string name)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(name);
        fixed (byte* p = bytes)
            return sethostname(p, (nuint)bytes.Length) == 0 ? 0 : Errno;
    }

    public static int SetClock(ulong nanoseconds)
    {
        var time = new TimeSpec { Seconds = (long)(nanoseconds / 1_000_000_000), Nanoseconds = (long)(nanoseconds % 1_000_000_000) };
        return clock_settime(0, &time) == 0 ? 0 : Errno;
    }

    /// <summary>Gives a unix socket its path.</summary>
    public static int Bind(int fd, ReadOnlySpan<byte> path)
    {
        // struct sockaddr_un: the family, then the path, which ends with a NUL.
        byte* address = stackalloc byte[2 + path.Length + 1];
        *(ushort*)address = AF_UNIX;
        path.CopyTo(new Span<byte>(address + 2, path.Length));
        address[2 + path.Length] = 0;
        return bind(fd, address, (uint)(2 + path.Length + 1)) == 0 ? 0 : Errno;
    }

    public static int LoadModule(int fd)
    {
        byte none = 0;
        return syscall(SYS_finit_module, fd, (nint)(&none), 0) == 0 ? 0 : Errno;
    }

    public static int OpenPidFd(int pid) => (int)syscall(SYS_pidfd_open, pid, 0, 0);

    /// <summary>
    /// Undoes what the runtime sets up and children would inherit: what is ignored stays ignored across an exec. PID 1 is not
    /// ended by a signal's default action (signal(7)), so a closed pipe is an error of write and nothing more.
    /// </summary>
    public static void DefaultSignals() => SetBrokenPipeAction(SIG_DFL);

    /// <summary>For a process that is not PID 1, which a closed pipe would end.</summary>
    public static void IgnoreBrokenPipes() => SetBrokenPipeAction(SIG_IGN);

    private static void SetBrokenPipeAction(nint handler)
    {
        const int SYS_rt_sigaction = 13, SIGPIPE = 13;
        // struct kernel_sigaction: the handler, then flags, restorer and mask, all none.
        long* action = stackalloc long[4];
        action[0] = handler;
        action[1] = action[2] = action[3] = 0;
        syscall(SYS_rt_sigaction, SIGPIPE, (nint)action, 0, sizeof(long));
    }

    /// <summary>
    /// Lets this process wait until others have had their turn when it wakes up, but not its children: a command that writes
    /// then fills its pipe before we read it, instead of being interrupted at each write.
    /// </summary>
    public static void Yield()
    {
        const int SCHED_BATCH = 3, SCHED_RESET_ON_FORK = 0x40000000;
        SetScheduler(SCHED_BATCH | SCHED_RESET_ON_FORK);
    }

    /// <summary>Undoes <see cref="Yield"/>.</summary>
    public static void DoNotYield() => SetScheduler(policy: 0);

    private static void SetScheduler(int policy)
    {
        const int SYS_sched_setscheduler = 144;
        int priority = 0;
        syscall(SYS_sched_setscheduler, 0, policy, (nint)(&priority), 0);
    }

    /// <summary>Writes a small file anew.</summary>
    public static int WriteText(string path, string text)
    {
        int fd = Open(path, O_WRONLY | O_CREAT | O_TRUNC, 0x1a4);
        if (fd < 0)
            return Errno;
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        nint written;
        fixed (byte* p = bytes)
            written = write(fd, p, (nuint)bytes.Length);
        int error = written == bytes.Length ? 0 : Errno;
        close(fd);
        return error;
    }

    /// <summary>Reads a small file whole; null if it cannot be read. /proc files have no length, so read until the end.</summary>
    public static string? ReadText(string path, int limit = 64 * 1024) => ReadBytes(path, limit) is { } bytes ? Encoding.UTF8.GetString(bytes) : null;

    /// <summary>Reads a file whole; null if it cannot be read.</summary>
    public static byte[]? ReadBytes(string path, int limit)
    {
        int fd = Open(path, O_RDONLY);
        if (fd < 0)
            return null;
        byte[] buffer = new byte[Math.Min(limit, 4096)];
        int length = 0;
        while (length < limit)
        {
            if (length == buffer.Length)
                Array.Resize(ref buffer, Math.Min(limit, buffer.Length * 4));
            nint n;
            fixed (byte* p = &buffer[length])
                n = read(fd, p, (nuint)(buffer.Length - length));
            if (n <= 0)
                break;
            length += (int)n;
        }

        close(fd);
        return buffer[..length];
    }

    [DllImport("libc")] public static extern int open(byte* path, int flags, int mode);
    [DllImport("libc")] public static extern int openat(int directory, byte* path, int flags, int mode);
    [DllImport("libc")] public static extern int unlinkat(int directory, byte* path, int flags);
    [DllImport("libc")] public static extern int close(int fd);
    [DllImport("libc")] public static extern int execve(byte* path, byte** arguments, byte** environment);
    [DllImport("libc")] public static extern nint read(int fd, byte* buffer, nuint count);
    [DllImport("libc")] public static extern nint write(int fd, byte* buffer, nuint count);
    [DllImport("libc")] public static extern int pipe2(int* fds, int flags);
    [DllImport("libc")] public static extern int fcntl(int fd, int command, nint argument);
    [DllImport("libc")] public static extern int ioctl(int fd, nuint request, void* argument);
    [DllImport("libc")] public static extern int poll(PollFd* fds, nuint count, int timeout);
    [DllImport("libc")] public static extern int kill(int pid, int signal);
    [DllImport("libc")] public static extern int waitpid(int pid, int* status, int options);
    [DllImport("libc")] public static extern int reboot(int command);
    [DllImport("libc")] public static extern void sync();
    [DllImport("libc")] public static extern int socket(int domain, int type, int protocol);
    [DllImport("libc")] public static extern int listen(int fd, int backlog);
    [DllImport("libc")] public static extern int accept4(int fd, void* address, void* length, int flags);
    [DllImport("libc")] public static extern int shutdown(int fd, int how);
    [DllImport("libc")] public static extern int tcgetattr(int fd, byte* termios);
    [DllImport("libc")] public static extern int tcsetattr(int fd, int action, byte* termios);
    [DllImport("libc")] public static extern void cfmakeraw(byte* termios);
    [DllImport("libc")] public static extern uint umask(uint mask);
    [DllImport("libc")] private static extern int bind(int fd, byte* address, uint length);
    [DllImport("libc")] private static extern int mount(byte* source, byte* target, byte* type, ulong flags, byte* data);
    [DllImport("libc")] private static extern int mkdir(byte* path, int mode);
    [DllImport("libc")] private static extern int mknod(byte* path, int mode, ulong device);
    [DllImport("libc")] private static extern int symlink(byte* target, byte* path);
    [DllImport("libc")] public static extern nint lgetxattr(byte* path, byte* name, byte* value, nuint size);
    [DllImport("libc")] public static extern int lsetxattr(byte* path, byte* name, byte* value, nuint size, int flags);
    [DllImport("libc")] private static extern int stat(byte* path, byte* buffer);
    [DllImport("libc")] private static extern int access(byte* path, int mode);
    [DllImport("libc")] private static extern int chdir(byte* path);
    [DllImport("libc")] private static extern int chroot(byte* path);
    [DllImport("libc")] private static extern int sethostname(byte* name, nuint length);
    [DllImport("libc")] private static extern int clock_settime(int clock, TimeSpec* time);
    [DllImport("libc")] private static extern nint syscall(nint number, nint a, nint b, nint c, nint d = 0);
}
