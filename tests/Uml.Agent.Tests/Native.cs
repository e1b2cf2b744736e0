using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Uml.CI.Agent.Tests;

/// <summary>The few system calls the tests need to start a supervisor the way the host library does, and to kill it.</summary>
internal static unsafe partial class Native
{
    public const int SIGKILL = 9, SIGSTOP = 19;
    private const int AF_UNIX = 1, SOCK_STREAM = 1, SOCK_CLOEXEC = 0x80000, F_DUPFD_CLOEXEC = 1030;

    [LibraryImport("libc", EntryPoint = "kill")]
    public static partial void Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "getuid")]
    public static partial uint GetUser();

    [LibraryImport("libc")]
    private static partial int socketpair(int domain, int type, int protocol, int* ends);

    [LibraryImport("libc")]
    private static partial int fcntl(int descriptor, int command, int argument);

    [LibraryImport("libc")]
    private static partial void close(int descriptor);

    [LibraryImport("libc")]
    private static partial int waitpid(int pid, int* status, int options);

    [LibraryImport("libc")]
    private static partial void posix_spawn_file_actions_init(byte* actions);

    [LibraryImport("libc")]
    private static partial void posix_spawn_file_actions_adddup2(byte* actions, int from, int to);

    [LibraryImport("libc")]
    private static partial void posix_spawn_file_actions_destroy(byte* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn(int* pid, byte* path, byte* actions, byte* attributes, byte** arguments, byte** environment);

    public static (Socket Ours, int Theirs) SocketPair()
    {
        int* ends = stackalloc int[2];
        Assert.Equal(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));

        // Out of the way of the numbers the supervisor gets them at.
        int theirs = fcntl(ends[1], F_DUPFD_CLOEXEC, 20);
        close(ends[1]);
        return (new Socket(new SafeSocketHandle(ends[0], ownsHandle: true)), theirs);
    }

    /// <summary>Starts a program with two descriptors as 3 and 4, and closes ours of them.</summary>
    public static int Spawn(string program, string argument, int third, int fourth)
    {
        byte* actions = stackalloc byte[256];
        posix_spawn_file_actions_init(actions);
        posix_spawn_file_actions_adddup2(actions, third, 3);
        posix_spawn_file_actions_adddup2(actions, fourth, 4);
        byte* path = (byte*)Marshal.StringToCoTaskMemUTF8(program);
        byte* word = (byte*)Marshal.StringToCoTaskMemUTF8(argument);
        byte** arguments = stackalloc byte*[] { path, word, null };
        byte** environment = stackalloc byte*[] { null };
        int pid;
        int error = posix_spawn(&pid, path, actions, null, arguments, environment);
        posix_spawn_file_actions_destroy(actions);
        Marshal.FreeCoTaskMem((nint)path);
        Marshal.FreeCoTaskMem((nint)word);
        close(third);
        close(fourth);
        Assert.Equal(0, error);
        return pid;
    }

    /// <summary>Reaps a child and returns its wait status; -1 if it is gone already.</summary>
    public static int Wait(int pid)
    {
        int status = -1;
        return waitpid(pid, &status, 0) == pid ? status : -1;
    }
}
