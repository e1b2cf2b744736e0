using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Uml.CI;

/// <summary>The system calls the host side needs and .NET does not offer.</summary>
internal static unsafe partial class Native
{
    private const int EINTR = 4;
    private const int AF_UNIX = 1, SOCK_STREAM = 1, SOCK_CLOEXEC = 0x80000;
    private const int O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0x40, O_EXCL = 0x80, O_NOFOLLOW = 0x20000, O_CLOEXEC = 0x80000, O_DIRECTORY = 0x10000, O_TMPFILE = 0x410000;
    private const int F_DUPFD_CLOEXEC = 1030;
    private const short SpawnSetSignalDefaults = 0x04, SpawnSetSignalMask = 0x08, SpawnSetSession = 0x80;

    // Inherited descriptors are moved out of the way of the numbers the child gets them under.
    private const int FirstFreeDescriptor = 10;

    public static string Describe(int errno) => Marshal.GetPInvokeErrorMessage(errno);

    /// <summary>Whether the calling user may execute the file, noexec mounts considered.</summary>
    public static bool IsExecutable(string path) => access(path, 1) == 0;

    /// <summary>A connected pair of stream sockets; both ends close on exec.</summary>
    public static (SafeSocketHandle First, SafeSocketHandle Second) SocketPair()
    {
        int* fds = stackalloc int[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
            throw Failure("cannot make a socket pair");
        return (new SafeSocketHandle(fds[0], ownsHandle: true), new SafeSocketHandle(fds[1], ownsHandle: true));
    }

    /// <summary>Starts a program in its own session with the given descriptors as 3, 4, ...; standard input and output are /dev/null.</summary>
    /// <returns>Its process number. The caller reaps it with <see cref="Wait"/>.</returns>
    /// <exception cref="IOException">It could not be started.</exception>
    public static int Spawn(string program, IReadOnlyList<string> arguments, params ReadOnlySpan<SafeHandle> descriptors)
    {
        // Rounded-up sizes of glibc's and musl's opaque types on x86-64.
        byte* actions = stackalloc byte[256];
        byte* attributes = stackalloc byte[512];
        byte* signals = stackalloc byte[128];
        posix_spawn_file_actions_init(actions);
        posix_spawnattr_init(attributes);
        // Its own session, so that Ctrl-C on the terminal does not end the one process that cleans up.
        posix_spawnattr_setflags(attributes, SpawnSetSignalDefaults | SpawnSetSignalMask | SpawnSetSession);
        sigfillset(signals);
        posix_spawnattr_setsigdefault(attributes, signals);
        sigemptyset(signals);
        posix_spawnattr_setsigmask(attributes, signals);

        var moved = new List<int>();
        nint[] argv = new nint[arguments.Count + 2];
        nint nullPath = Marshal.StringToCoTaskMemUTF8("/dev/null");
        try
        {
            posix_spawn_file_actions_addopen(actions, 0, (byte*)nullPath, 0, 0);
            posix_spawn_file_actions_addopen(actions, 1, (byte*)nullPath, O_WRONLY, 0);
            for (int i = 0; i < descriptors.Length; i++)
            {
                int copy = fcntl((int)descriptors[i].DangerousGetHandle(), F_DUPFD_CLOEXEC, FirstFreeDescriptor);
                if (copy < 0)
                    throw Failure("cannot duplicate a descriptor");
                moved.Add(copy);
                posix_spawn_file_actions_adddup2(actions, copy, 3 + i);
            }

            argv[0] = Marshal.StringToCoTaskMemUTF8(program);
            for (int i = 0; i < arguments.Count; i++)
                argv[i + 1] = Marshal.StringToCoTaskMemUTF8(arguments[i]);
            int pid;
            int error;
            // The agent needs nothing of our environment.
            byte** envp = stackalloc byte*[1];
            envp[0] = null;
            fixed (nint* vector = argv)
                error = posix_spawn(&pid, (byte*)argv[0], actions, attributes, (byte**)vector, envp);
            return error == 0 ? pid : throw new IOException($"cannot start {program}: {Describe(error)}");
        }
        finally
        {
            foreach (nint text in argv)
                Marshal.FreeCoTaskMem(text);
            Marshal.FreeCoTaskMem(nullPath);
            foreach (int fd in moved)
                close(fd);
            posix_spawn_file_actions_destroy(actions);
            posix_spawnattr_destroy(attributes);
        }
    }

    /// <summary>Waits for a child and takes its zombie away. Blocks.</summary>
    public static void Wait(int pid)
    {
        int status;
        while (waitpid(pid, &status, 0) < 0 && Marshal.GetLastSystemError() == EINTR)
        {
        }
    }

    /// <summary>Waits, as precisely as the host can; shorter than a millisecond too.</summary>
    public static void Sleep(TimeSpan time)
    {
        long* request = stackalloc long[2];
        request[0] = (long)time.TotalSeconds;
        request[1] = time.Ticks % TimeSpan.TicksPerSecond * 100;
        nanosleep(request, null);
    }

    /// <summary>Opens a directory so that files can be made in it whatever happens to its name.</summary>
    public static SafeFileHandle OpenDirectory(string path)
    {
        int fd = open(path, O_DIRECTORY | O_CLOEXEC, 0);
        return fd >= 0 ? new SafeFileHandle(fd, ownsHandle: true) : throw Failure($"cannot open {path}");
    }

    /// <summary>Makes a new file in a directory; never follows a link that is already there.</summary>
    public static SafeFileHandle CreateIn(SafeFileHandle directory, string name)
    {
        int fd = openat((int)directory.DangerousGetHandle(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0x180);
        return fd >= 0 ? new SafeFileHandle(fd, ownsHandle: true) : throw Failure($"cannot make the spool file {name}");
    }

    /// <summary>Tries what the kernel does with its memory file: an unnamed file, mapped executable. Returns what failed, or null.</summary>
    public static string? TryExecutableMapping(string directory)
    {
        const int ReadWriteExecute = 7, MapShared = 1, Size = 4096;
        int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0x180);
        if (fd < 0)
            return Describe(Marshal.GetLastSystemError());
        try
        {
            if (ftruncate(fd, Size) != 0)
                return Describe(Marshal.GetLastSystemError());
            nint memory = mmap(0, Size, ReadWriteExecute, MapShared, fd, 0);
            if (memory == -1)
                return Marshal.GetLastSystemError() == 1 ? "mounted noexec" : Describe(Marshal.GetLastSystemError());
            munmap(memory, Size);
            return null;
        }
        finally
        {
            close(fd);
        }
    }

    private static IOException Failure(string what) => new($"{what}: {Describe(Marshal.GetLastSystemError())}");

    [DllImport("libc")] private static extern int socketpair(int domain, int type, int protocol, int* fds);
    [DllImport("libc")] private static extern int fcntl(int fd, int command, nint argument);
    [DllImport("libc")] private static extern int close(int fd);
    [DllImport("libc")] private static extern int nanosleep(long* request, long* remaining);
    [DllImport("libc")] private static extern int waitpid(int pid, int* status, int options);
    [LibraryImport("libc")] public static partial int getppid();
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)] private static partial int access(string path, int mode);
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)] private static partial int open(string path, int flags, int mode);
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)] private static partial int openat(int directory, string path, int flags, int mode);
    [DllImport("libc")] private static extern int ftruncate(int fd, long length);
    [DllImport("libc")] private static extern nint mmap(nint address, nint length, int protection, int flags, int fd, long offset);
    [DllImport("libc")] private static extern int munmap(nint address, nint length);
    [DllImport("libc")] private static extern int posix_spawn(int* pid, byte* path, void* actions, void* attributes, byte** argv, byte** envp);
    [DllImport("libc")] private static extern int posix_spawn_file_actions_init(void* actions);
    [DllImport("libc")] private static extern int posix_spawn_file_actions_destroy(void* actions);
    [DllImport("libc")] private static extern int posix_spawn_file_actions_adddup2(void* actions, int fd, int newFd);
    [DllImport("libc")] private static extern int posix_spawn_file_actions_addopen(void* actions, int fd, byte* path, int flags, int mode);
    [DllImport("libc")] private static extern int posix_spawnattr_init(void* attributes);
    [DllImport("libc")] private static extern int posix_spawnattr_destroy(void* attributes);
    [DllImport("libc")] private static extern int posix_spawnattr_setflags(void* attributes, short flags);
    [DllImport("libc")] private static extern int posix_spawnattr_setsigmask(void* attributes, void* set);
    [DllImport("libc")] private static extern int posix_spawnattr_setsigdefault(void* attributes, void* set);
    [DllImport("libc")] private static extern int sigfillset(void* set);
    [DllImport("libc")] private static extern int sigemptyset(void* set);
}
