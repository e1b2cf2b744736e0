using static Uml.CI.Agent.Supervise.Native;

namespace Uml.CI.Agent.Supervise;

/// <summary>Confines the kernel to the files it was given (Documentation/userspace-api/landlock.rst), without privileges.</summary>
/// <remarks>
/// A guest's root is, on the host, the account that runs the kernel: it may mount hostfs anywhere and load kernel code.
/// What is allowed here is therefore all that any guest can do to the host's files.
/// </remarks>
internal static unsafe class Landlock
{
    private const ulong Execute = 1 << 0, WriteFile = 1 << 1, ReadFile = 1 << 2, ReadDirectory = 1 << 3, RemoveDirectory = 1 << 4,
        RemoveFile = 1 << 5, MakeDirectory = 1 << 7, MakeRegular = 1 << 8, MakeSocket = 1 << 9, MakeFifo = 1 << 10,
        MakeSymlink = 1 << 12, Refer = 1 << 13, Truncate = 1 << 14, DeviceControl = 1 << 15;

    /// <summary>The first version in which truncating a file is a right of its own.</summary>
    public const int FirstWithTruncation = 3;

    /// <summary>The rights that mean something for a file; the others are for directories.</summary>
    private const ulong OfFiles = Execute | WriteFile | ReadFile | Truncate | DeviceControl;

    private const ulong Read = Execute | ReadFile | ReadDirectory;

    // No device nodes, whoever runs it.
    private const ulong ReadWrite = Read | WriteFile | RemoveDirectory | RemoveFile | MakeDirectory | MakeRegular | MakeSocket
        | MakeFifo | MakeSymlink | Refer | Truncate;

    /// <summary>The host's version of Landlock, 0 if it has none.</summary>
    public static int Version()
    {
        const int versionFlag = 1;
        return (int)Math.Max(0, Syscall(SYS_landlock_create_ruleset, 0, 0, versionFlag, 0, 0, 0));
    }

    /// <summary>Makes the set of rules for a guest.</summary>
    /// <returns>A descriptor for <c>landlock_restrict_self</c>, or -1.</returns>
    public static int CreateRules(int version, string guestDirectory, string kernel, IReadOnlyList<string> readPaths, IReadOnlyList<string> writePaths)
    {
        // struct landlock_ruleset_attr { u64 handled_access_fs, handled_access_net, scoped; }; each kernel takes what it knows.
        ulong handled = version switch { 1 => (1 << 13) - 1, 2 => (1 << 14) - 1, 3 or 4 => (1 << 15) - 1, _ => (1 << 16) - 1 };
        const ulong bindAndConnectTcp = 3, abstractSocketsAndSignals = 3;
        ulong* attributes = stackalloc ulong[] { handled, bindAndConnectTcp, abstractSocketsAndSignals };
        int size = version switch { < 4 => 8, < 6 => 16, _ => 24 };
        int rules = (int)Syscall(SYS_landlock_create_ruleset, (nint)attributes, size, 0, 0, 0, 0);
        if (rules < 0)
            return -1;
        Fcntl(rules, F_SETFD, FD_CLOEXEC);

        // One after the other; what does not exist needs no rule.
        Allow(rules, kernel, Execute | ReadFile, handled);
        foreach (string path in readPaths)
            Allow(rules, path, Read, handled);
        foreach (string path in writePaths)
            Allow(rules, path, ReadWrite, handled);
        Allow(rules, guestDirectory + KernelProcess.WritableDirectory, ReadWrite, handled);
        Allow(rules, guestDirectory + KernelProcess.SpoolDirectory, ReadFile | ReadDirectory | RemoveFile, handled);

        // Null consoles; the host's processor features; the guest's hardware random numbers.
        Allow(rules, "/dev/null", ReadFile | WriteFile, handled);
        Allow(rules, "/dev/zero", ReadFile | WriteFile, handled);
        Allow(rules, "/dev/random", ReadFile, handled);
        Allow(rules, "/dev/urandom", ReadFile, handled);
        Allow(rules, "/proc/cpuinfo", ReadFile, handled);
        return rules;
    }

    private static void Allow(int rules, string path, ulong rights, ulong handled)
    {
        int file = Open(path, O_PATH);
        if (file < 0)
            return;
        if (Stat(file, out FileStatus status) && !status.IsDirectory)
            rights &= OfFiles;

        // struct landlock_path_beneath_attr { u64 allowed_access; s32 parent_fd; } packed
        const int pathBeneath = 1;
        ulong* rule = stackalloc ulong[2];
        rule[0] = rights & handled;
        rule[1] = (uint)file;
        Syscall(SYS_landlock_add_rule, rules, pathBeneath, (nint)rule, 0, 0, 0);
        Close(file);
    }
}
