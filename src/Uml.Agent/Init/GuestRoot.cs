using Uml.CI.Wire;

namespace Uml.CI.Agent.Init;

/// <summary>A part of the guest that could not be set up as asked.</summary>
internal sealed class SetupException(int errno, string what)
    : Exception(errno == 0 ? what : $"{what}: {Linux.Describe(errno)}")
{
    public int Errno { get; } = errno;
}

/// <summary>Builds the file system that commands see.</summary>
internal static unsafe class GuestRoot
{
    // Everything of ours lives below one name, out of the way of an empty root's own files.
    private const string Own = "/.uml";

    /// <summary>What must be there before the host can be spoken to: device nodes and /proc.</summary>
    public static void MountEarly()
    {
        Linux.umask(0);
        Linux.MakeDirectory("/proc");
        Linux.Mount("proc", "/proc", "proc", Linux.MS_NOSUID | Linux.MS_NODEV | Linux.MS_NOEXEC, "");
        MountDevices("/dev");
    }

    /// <summary>Does what <paramref name="setup"/> says and leaves this process in the new root.</summary>
    /// <param name="setup">What the host asked for.</param>
    /// <param name="spool">Descriptor of the spool directory.</param>
    /// <returns>What did not work but need not stop a guest.</returns>
    /// <exception cref="SetupException">What could not be done.</exception>
    public static List<string> Build(SetupMessage setup, out int spool)
    {
        var warnings = new List<string>();
        Directory(Own);
        spool = -1;
        if (setup.Spool.Length > 0)
        {
            HostDirectory(setup.Spool, Own + "/spool", readOnly: false);
            spool = Linux.Open(Own + "/spool", Linux.O_DIRECTORY);
        }

        BootMarks.Reach("spool");
        if (setup.Modules.Length > 0 && (setup.LoadModules.Count > 0 || setup.Root.Length > 0 || setup.Disk.Length > 0))
            HostDirectory(setup.Modules, Own + "/modules", readOnly: true);
        LoadModules(setup, warnings);
        BootMarks.Reach("modules");

        string root = "";
        if (setup.Disk.Length > 0)
        {
            root = Own + "/root";
            RootDisk.Mount(setup, root, Own);
            if (setup.Attributes.Length > 0)
                ExtendedAttributes.Restore($"{Own}/spool/{setup.Attributes}", root, warnings);
            RootDisk.NameHost(setup, root, warnings);
        }
        else if (setup.Root.Length > 0)
        {
            root = Own + "/root";
            HostDirectory(setup.Root, Own + "/lower", readOnly: true);
            CopyOnWrite(Own + "/lower", root, Own + "/upper");
        }

        BootMarks.Reach("root");
        MountSystem(root, setup, warnings);
        BootMarks.Reach("system");
        int number = 0;
        foreach (ShareMessage share in setup.Shares)
            MountShare(root, share, number++);
        ReadLessAhead(root, mounts: 4 + (2 * number));
        KeepWorkingDirectory(root, setup);
        BootMarks.Reach("shares");

        if (root.Length > 0)
            EnterRoot(root);
        Linux.ChangeDirectory("/");
        Linux.umask(0x12);

        if (setup.Hostname.Length > 0 && Linux.SetHostname(setup.Hostname) is not 0 and var hostnameError)
            throw new SetupException(hostnameError, $"cannot set the host name to \"{setup.Hostname}\"");
        if (setup.ClockNanoseconds != 0 && Linux.SetClock(setup.ClockNanoseconds) is not 0 and var clockError)
            throw new SetupException(clockError, "cannot set the clock");
        if (LoopbackUp() is not 0 and var loopbackError)
            warnings.Add($"cannot bring the loopback interface up: {Linux.Describe(loopbackError)}");
        BootMarks.Reach("ready");
        return warnings;
    }

    private static void LoadModules(SetupMessage setup, List<string> warnings)
    {
        foreach (string module in setup.LoadModules)
        {
            int fd = Linux.Open($"{Own}/modules/{module}", Linux.O_RDONLY);
            int error = fd < 0 ? Linux.Errno : Linux.LoadModule(fd);
            if (fd >= 0)
                Linux.close(fd);
            // EEXIST: the module is in already, or built in.
            if (error is not 0 and not Linux.EEXIST)
                warnings.Add($"cannot load the module {module}: {Linux.Describe(error)}");
        }
    }

    private static void MountSystem(string root, SetupMessage setup, List<string> warnings)
    {
        if (root.Length > 0)
        {
            Required("proc", root + "/proc", "proc", Linux.MS_NOSUID | Linux.MS_NODEV | Linux.MS_NOEXEC, "");
            Directory(root + "/dev");
            MountDevices(root + "/dev");
        }
        else
        {
            Directory("/tmp");
            Required("tmpfs", "/tmp", "tmpfs", Linux.MS_NOSUID | Linux.MS_NODEV, "mode=1777");
        }

        Optional("sysfs", root + "/sys", "sysfs", Linux.MS_NOSUID | Linux.MS_NODEV | Linux.MS_NOEXEC, "", warnings);
        Optional("cgroup2", root + "/sys/fs/cgroup", "cgroup2", Linux.MS_NOSUID | Linux.MS_NODEV | Linux.MS_NOEXEC, "", warnings);
        Required("devpts", root + "/dev/pts", "devpts", Linux.MS_NOSUID | Linux.MS_NOEXEC, "mode=620,gid=5,ptmxmode=666");
        Required("tmpfs", root + "/dev/shm", "tmpfs", Linux.MS_NOSUID | Linux.MS_NODEV, "mode=1777");
        Required("tmpfs", root + "/run", "tmpfs", Linux.MS_NOSUID | Linux.MS_NODEV, "mode=755");
        Linux.MakeDirectory(root + "/run/lock", 0x3ff);
        foreach ((string target, string name) in (ReadOnlySpan<(string, string)>)[
            ("/proc/self/fd", "fd"), ("/proc/self/fd/0", "stdin"), ("/proc/self/fd/1", "stdout"), ("/proc/self/fd/2", "stderr")])
        {
            Linux.MakeLink(target, $"{root}/dev/{name}");
        }

        // The modules of the guest's kernel, where modprobe looks for them: the host has only its own.
        if (root.Length > 0 && setup.Modules.Length > 0)
        {
            string release = (Linux.ReadText("/proc/sys/kernel/osrelease") ?? "").Trim();
            string target = $"{root}/lib/modules/{release}";
            int error = Linux.MakeDirectories(target);
            if (error == 0)
                error = Linux.Mount(Own + "/modules", target, "", Linux.MS_BIND, "");
            if (error != 0)
                warnings.Add($"cannot show the kernel's modules at /lib/modules/{release}: {Linux.Describe(error)}");
        }
    }

    /// <summary>
    /// Has hostfs read 32 KiB ahead of a program instead of 128. It reads page by page whatever the amount (hostfs_read_folio), so
    /// a long read is no slower; what a program never looks at is not copied, and takes none of the guest's memory.
    /// </summary>
    private static void ReadLessAhead(string root, int mounts)
    {
        // Mounts are numbered from 1, overlays among them (super_setup_bdi). A kernel without sysfs reads as far ahead as it likes.
        for (int mount = 1; mount <= mounts; mount++)
        {
            int file = Linux.Open($"{root}/sys/class/bdi/hostfs-{mount}/read_ahead_kb", Linux.O_WRONLY);
            if (file < 0)
                continue;
            fixed (byte* kilobytes = "32"u8)
                Linux.write(file, kilobytes, 2);
            Linux.close(file);
        }
    }

    private static void MountShare(string root, ShareMessage share, int number)
    {
        string target = root + share.GuestPath;
        string staging = $"{Own}/share{number}";

        // The agent is not confined to its root yet and the share's host path need not be below it: look at the host through hostfs.
        string parent = Parent(share.HostPath);
        if (Linux.Mount("hostfs", MakeDirectory(staging), "hostfs", share.Mode == ShareMode.ReadWrite ? 0 : Linux.MS_RDONLY, share.HostPath) == 0)
        {
            Directory(target);
            if (share.Mode == ShareMode.CopyOnWrite)
                CopyOnWrite(staging, target, $"{Own}/upper{number}");
            else
                Bind(staging, target, share);
            return;
        }

        // hostfs mounts directories only: a file is bound out of its directory.
        string file = $"{staging}/{share.HostPath[(share.HostPath.LastIndexOf('/') + 1)..]}";
        int error = Linux.Mount("hostfs", staging, "hostfs", share.Mode == ShareMode.ReadWrite ? 0 : Linux.MS_RDONLY, parent);
        if (error != 0 || !Linux.Exists(file))
            throw new SetupException(error == 0 ? Linux.ENOENT : error, $"cannot mount {share.HostPath} of the host at {share.GuestPath}");
        if (share.Mode == ShareMode.CopyOnWrite)
            throw new SetupException(0, $"cannot mount {share.HostPath} copy-on-write: it is a file; copy it in instead");
        Directory(Parent(target));
        int fd = Linux.Open(target, Linux.O_WRONLY | Linux.O_CREAT, 0x1a4);
        if (fd >= 0)
            Linux.close(fd);
        Bind(file, target, share);
    }

    private static void Bind(string source, string target, ShareMessage share)
    {
        int error = Linux.Mount(source, target, "", Linux.MS_BIND, "");
        if (error != 0)
            throw new SetupException(error, $"cannot mount {share.HostPath} of the host at {share.GuestPath}");
    }

    // A working directory below /run, /dev/shm or /proc of the host is hidden by the guest's own mounts there.
    private static void KeepWorkingDirectory(string root, SetupMessage setup)
    {
        if (root.Length == 0 || setup.WorkingDirectory.Length == 0 || Linux.IsDirectory(root + setup.WorkingDirectory))
            return;
        if (Linux.IsDirectory(Own + "/lower" + setup.WorkingDirectory))
        {
            Directory(root + setup.WorkingDirectory);
            // Bound to a name of ours first: overlay's options give ':' and ',' a meaning.
            int error = Linux.Mount(Own + "/lower" + setup.WorkingDirectory, MakeDirectory(Own + "/cwd"), "", Linux.MS_BIND, "");
            if (error != 0)
                throw new SetupException(error, $"cannot keep the working directory {setup.WorkingDirectory}");
            CopyOnWrite(Own + "/cwd", root + setup.WorkingDirectory, Own + "/upper-cwd");
        }
    }

    // As switch_root does: pivot_root refuses the initramfs.
    private static void EnterRoot(string root)
    {
        int error = Linux.ChangeDirectory(root);
        if (error == 0)
            error = Linux.Mount(".", "/", "", Linux.MS_MOVE, "");
        if (error == 0)
            error = Linux.ChangeRoot(".");
        if (error != 0)
            throw new SetupException(error, "cannot enter the guest's root");
    }

    /// <summary>Mounts a layer that takes the writes over a directory.</summary>
    /// <param name="lower">What is below.</param>
    /// <param name="target">Where both are seen.</param>
    /// <param name="upper">Where the layer is mounted.</param>
    /// <param name="device">The block device that takes the writes; empty for memory.</param>
    public static void CopyOnWrite(string lower, string target, string upper, string device = "")
    {
        if (device.Length == 0)
            Required("tmpfs", upper, "tmpfs", 0, "mode=755");
        else
            Required(device, upper, "ext4", 0, "");
        Directory(upper + "/data");
        Directory(upper + "/work");
        Directory(target);
        int error = Linux.Mount("overlay", target, "overlay", 0, $"lowerdir={lower},upperdir={upper}/data,workdir={upper}/work");
        if (error != 0)
        {
            throw new SetupException(error, (Linux.ReadText("/proc/filesystems") ?? "").Contains("\toverlay\n", StringComparison.Ordinal)
                ? $"cannot mount an overlay at {target}"
                : "the guest's kernel has no overlayfs and no overlay module was found beside it");
        }
    }

    private static void HostDirectory(string hostPath, string target, bool readOnly)
    {
        // mount(2) with the bare path as data is the one form that every version of hostfs takes.
        int error = Linux.Mount("hostfs", MakeDirectory(target), "hostfs", readOnly ? Linux.MS_RDONLY : 0, hostPath);
        if (error != 0)
            throw new SetupException(error, $"cannot mount {hostPath} of the host");
    }

    private static void MountDevices(string target)
    {
        if (Linux.Mount("devtmpfs", target, "devtmpfs", Linux.MS_NOSUID, "mode=755") == 0)
            return;

        // A kernel without devtmpfs: make what programs expect by hand (Documentation/admin-guide/devices.txt).
        Required("tmpfs", target, "tmpfs", Linux.MS_NOSUID, "mode=755");
        foreach ((string name, int mode, int major, int minor) in (ReadOnlySpan<(string, int, int, int)>)[
            ("null", 0x1b6, 1, 3), ("zero", 0x1b6, 1, 5), ("full", 0x1b6, 1, 7), ("random", 0x1b6, 1, 8), ("urandom", 0x1b6, 1, 9),
            ("kmsg", 0x1a4, 1, 11), ("tty", 0x1b6, 5, 0), ("console", 0x180, 5, 1), ("ptmx", 0x1b6, 5, 2), ("ttyS0", 0x180, 4, 64)])
        {
            Linux.MakeNode($"{target}/{name}", 0x2000 | mode, major, minor);
        }
    }

    /// <summary>Makes a directory with all its parents.</summary>
    public static void Directory(string path)
    {
        int error = Linux.MakeDirectories(path);
        if (error != 0)
            throw new SetupException(error, $"cannot make the directory {path}");
    }

    private static string MakeDirectory(string path)
    {
        Directory(path);
        return path;
    }

    private static void Required(string source, string target, string type, ulong flags, string data)
    {
        Directory(target);
        int error = Linux.Mount(source, target, type, flags, data);
        if (error != 0)
            throw new SetupException(error, $"cannot mount {type} at {target}");
    }

    private static void Optional(string source, string target, string type, ulong flags, string data, List<string> warnings)
    {
        int error = Linux.MakeDirectories(target);
        if (error == 0)
            error = Linux.Mount(source, target, type, flags, data);
        if (error != 0)
            warnings.Add($"cannot mount {type} at {target}: {Linux.Describe(error)}");
    }

    private static string Parent(string path) => path.LastIndexOf('/') is > 0 and var slash ? path[..slash] : "/";

    private static int LoopbackUp()
    {
        const int AF_INET = 2, SOCK_DGRAM = 2, IFF_UP = 1;
        const nuint SIOCGIFFLAGS = 0x8913, SIOCSIFFLAGS = 0x8914;
        int fd = Linux.socket(AF_INET, SOCK_DGRAM, 0);
        if (fd < 0)
            return Linux.Errno;
        byte* request = stackalloc byte[40];
        new Span<byte>(request, 40).Clear();
        "lo"u8.CopyTo(new Span<byte>(request, 16));
        int error = Linux.ioctl(fd, SIOCGIFFLAGS, request) == 0 ? 0 : Linux.Errno;
        if (error == 0)
        {
            *(short*)(request + 16) |= IFF_UP;
            error = Linux.ioctl(fd, SIOCSIFFLAGS, request) == 0 ? 0 : Linux.Errno;
        }

        Linux.close(fd);
        return error;
    }
}
