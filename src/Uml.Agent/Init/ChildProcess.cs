using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Uml.CI.Agent.Init;

/// <summary>What a child does between its birth and its program, prepared so that nothing needs to be allocated there.</summary>
internal unsafe struct ChildPlan
{
    public byte* Path;
    public byte** Arguments;
    public byte** Environment;
    public byte* Directory;
    public byte* Terminal;
    public int Stdin;
    public int Stdout;
    public int Stderr;
    public int ChangeUser;
    public uint Uid;
    public uint Gid;
    public uint* Groups;
    public int GroupCount;
    public int RestoreBrokenPipes;

    /// <summary>Set by the child, which shares our memory: the errno of what failed, or 0 when the program runs.</summary>
    public int Error;
}

/// <summary>Starts programs by vfork.</summary>
/// <remarks>
/// Not posix_spawn: glibc's asks for the disposition of each of 64 signals in the child, and a system call in a guest costs
/// up to 25 us. Not fork: a guest process is a process of the host, and copying our memory map only to drop it makes one more.
/// The child runs on our stack while we wait, so it is one function that calls the kernel and never returns. All imports here
/// are plain calls (static linking, no GC transition): the runtime does not notice the child.
/// </remarks>
internal static unsafe class ChildProcess
{
    private const int O_RDWR = 2, SIGPIPE = 13;
    private const int SYS_rt_sigaction = 13, SYS_setgroups = 116, SYS_setresuid = 117, SYS_setresgid = 119;

    /// <summary>Starts the program; returns its process number, or -1 with errno.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static int Start(ChildPlan* plan)
    {
        int pid = vfork();
        if (pid == 0)
            Become(plan);
        return pid;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Become(ChildPlan* plan)
    {
        setsid();

        bool ok = true;
        if (plan->Terminal == null)
        {
            ok = ok && dup2(plan->Stdin, 0) >= 0 && dup2(plan->Stdout, 1) >= 0 && dup2(plan->Stderr, 2) >= 0;
        }
        else
        {
            // A session leader that opens a terminal without O_NOCTTY gets it as its controlling one.
            int terminal = open(plan->Terminal, O_RDWR, 0);
            ok = ok && terminal >= 0 && dup2(terminal, 0) >= 0 && dup2(terminal, 1) >= 0 && dup2(terminal, 2) >= 0;
            if (terminal > 2)
                close(terminal);
        }

        if (plan->RestoreBrokenPipes != 0)
        {
            // struct kernel_sigaction of zeros is SIG_DFL.
            long* action = stackalloc long[4];
            action[0] = action[1] = action[2] = action[3] = 0;
            syscall(SYS_rt_sigaction, SIGPIPE, (nint)action, 0, sizeof(long));
        }

        if (plan->ChangeUser != 0)
        {
            ok = ok && syscall(SYS_setgroups, plan->GroupCount, (nint)plan->Groups, 0, 0) == 0
                && syscall(SYS_setresgid, (nint)plan->Gid, (nint)plan->Gid, (nint)plan->Gid, 0) == 0
                && syscall(SYS_setresuid, (nint)plan->Uid, (nint)plan->Uid, (nint)plan->Uid, 0) == 0;
        }

        if (ok && chdir(plan->Directory) == 0)
            execve(plan->Path, plan->Arguments, plan->Environment);
        plan->Error = *__errno_location();
        _exit(127);
    }

    [DllImport("libc"), SuppressGCTransition] private static extern int vfork();
    [DllImport("libc"), SuppressGCTransition] private static extern int setsid();
    [DllImport("libc"), SuppressGCTransition] private static extern int dup2(int fd, int newFd);
    [DllImport("libc"), SuppressGCTransition] private static extern int open(byte* path, int flags, int mode);
    [DllImport("libc"), SuppressGCTransition] private static extern int close(int fd);
    [DllImport("libc"), SuppressGCTransition] private static extern int chdir(byte* path);
    [DllImport("libc"), SuppressGCTransition] private static extern int execve(byte* path, byte** arguments, byte** environment);
    [DllImport("libc"), SuppressGCTransition] private static extern void _exit(int status);
    [DllImport("libc"), SuppressGCTransition] private static extern int* __errno_location();
    [DllImport("libc"), SuppressGCTransition] private static extern nint syscall(nint number, nint a, nint b, nint c, nint d);
}
