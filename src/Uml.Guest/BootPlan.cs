using Uml.CI.Wire;

namespace Uml.CI;

/// <summary>Everything a boot needs, worked out before anything is started: options in, messages out.</summary>
/// <param name="Start">What the supervisor is told.</param>
/// <param name="Setup">What the guest is told; the spool directory is filled in when it exists.</param>
internal sealed record BootPlan(StartGuestMessage Start, SetupMessage Setup)
{
    // These take 0.85 s of the boot of Debian's kernels to find the fastest of five implementations, of code that few tests use.
    // Names differ between versions; a name a kernel does not have is ignored (init/main.c, initcall_blacklist).
    private const string SlowInitcalls = "raid6_init,raid6_select_algo,calibrate_xor_blocks";

    private const long LeastScratch = 16L * 1024 * 1024;

    /// <summary>What the plan needs to know of the host.</summary>
    /// <param name="MemoryDirectory">A directory that can hold the guest's memory.</param>
    /// <param name="InitramfsPath">The archive with the agent.</param>
    /// <param name="Name">Name of the guest, unique on this host.</param>
    /// <param name="CurrentDirectory">The caller's current directory.</param>
    /// <param name="Image">The root image; null for a root of another kind.</param>
    /// <param name="ScratchFile">A file with an empty ext4 file system for the guest's writes; null for none.</param>
    internal sealed record HostFacts(string MemoryDirectory, string InitramfsPath, string Name, string CurrentDirectory, RootImage? Image = null, string? ScratchFile = null);

    /// <summary>Name, in the spool, of the list of extended attributes.</summary>
    internal const string AttributesFile = "attributes";

    /// <summary>Works the plan out.</summary>
    /// <exception cref="ArgumentException">An option makes no sense; the message names it and says what to do.</exception>
    public static BootPlan Create(GuestOptions options, GuestKernel kernel, HostFacts host)
    {
        Validate(options, kernel);
        bool hostRoot = options.Root.HostDirectory == "/";
        string[] modules = options.Root != GuestRoot.Empty || options.Mounts.Any(m => m.Mode == MountMode.CopyOnWrite)
            ? ModuleList.WithDependencies(kernel.ModulesDirectory, "overlay")
            : [];
        if (host.Image is { } rootImage)
            modules = [.. modules.Concat(ModuleList.WithDependencies(kernel.ModulesDirectory, rootImage.Record.FileSystem)).Distinct(StringComparer.Ordinal)];
        string[] disks = [.. ((string?[])[host.Image?.Path, host.ScratchFile]).OfType<string>()];

        ShareMessage[] shares = [.. options.Mounts.Select(m => new ShareMessage(
            Path.TrimEndingDirectorySeparator(Path.GetFullPath(m.HostPath, host.CurrentDirectory)), m.GuestPath, (ShareMode)m.Mode))];

        var read = new List<string>(kernel.ReadPaths) { kernel.ExecutablePath, host.InitramfsPath };
        if (options.Root.HostDirectory.Length > 0)
            read.Add(options.Root.HostDirectory);
        if (host.Image is { } lower)
            read.Add(lower.Path);
        if (kernel.ModulesDirectory is { } directory)
            read.Add(directory);
        read.AddRange(shares.Where(s => s.Mode != ShareMode.ReadWrite).Select(s => s.HostPath));

        string? coverage = options.CoverageDirectory is { } counts ? Path.TrimEndingDirectorySeparator(Path.GetFullPath(counts, host.CurrentDirectory)) : null;
        string[] environment =
        [
            .. kernel.LibraryDirectory is { } libraries ? (string[])[$"LD_LIBRARY_PATH={libraries}"] : [],
            // libgcc puts it before the path that each object was built at, which is none of the host's. Where nobody wants the counts,
            // they go nowhere, and nothing is said of it.
            .. coverage is not null ? (string[])[$"GCOV_PREFIX={coverage}"] : ["GCOV_PREFIX=/dev/null", "GCOV_ERROR_FILE=/dev/null"],
        ];
        IEnumerable<string> written = shares.Where(s => s.Mode == ShareMode.ReadWrite).Select(s => s.HostPath);
        if (coverage is not null)
            written = written.Append(coverage);
        if (host.ScratchFile is not null)
            written = written.Append(host.ScratchFile);

        var start = new StartGuestMessage
        {
            BaseDirectory = host.MemoryDirectory,
            Name = host.Name,
            Kernel = kernel.ExecutablePath,
            Arguments = [.. Arguments(options, kernel), .. host.Image is null ? (string[])[] : ["ubd0r={disk0}"], .. host.ScratchFile is null ? (string[])[] : ["ubd1={disk1}"]],
            Disks = disks,
            Initramfs = host.InitramfsPath,
            Environment = environment,
            ReadPaths = [.. read.Distinct(StringComparer.Ordinal)],
            WritePaths = [.. written.Distinct(StringComparer.Ordinal)],
            Confine = options.Confine,
            OneProcessor = options.Cpus == 1,
            VirtualTime = options.VirtualTime,
        };
        var setup = new SetupMessage
        {
            Root = options.Root.HostDirectory,
            Disk = host.Image switch { null => "", { Record.Partition: > 0 and var partition } => $"/dev/ubda{partition}", _ => "/dev/ubda" },
            DiskType = host.Image?.Record.FileSystem ?? "",
            Scratch = host.ScratchFile is null ? "" : "/dev/ubdb",
            Attributes = host.Image?.AttributesPath is null ? "" : AttributesFile,
            Modules = kernel.ModulesDirectory ?? "",
            LoadModules = modules,
            Shares = shares,
            Hostname = options.Hostname,
            WorkingDirectory = hostRoot ? options.WorkingDirectory ?? host.CurrentDirectory : "",
            Init = options.Init?.Candidates ?? [],
            ClockNanoseconds = options.Clock is { } clock ? checked((ulong)(clock - DateTimeOffset.UnixEpoch).Ticks * 100) : 0,
        };
        return new BootPlan(start, setup);
    }

    /// <summary>Works out how a kernel runs for itself, without agent and user space.</summary>
    /// <exception cref="ArgumentException">An option makes no sense; the message names it and says what to do.</exception>
    public static BootPlan CreateKernelOnly(GuestOptions options, GuestKernel kernel, HostFacts host)
    {
        Validate(options, kernel);
        if (!options.Mounts.IsEmpty || !options.Artifacts.IsEmpty)
            throw new ArgumentException("a kernel that runs for itself has nobody to share or copy files with: leave mounts and artifacts out");
        var start = new StartGuestMessage
        {
            BaseDirectory = host.MemoryDirectory,
            Name = host.Name,
            Kernel = kernel.ExecutablePath,
            Arguments = Arguments(options, kernel, kernelOnly: true),
            Environment = kernel.LibraryDirectory is { } libraries ? [$"LD_LIBRARY_PATH={libraries}"] : [],
            ReadPaths = [.. kernel.ReadPaths.Append(kernel.ExecutablePath).Distinct(StringComparer.Ordinal)],
            Confine = options.Confine,
            OneProcessor = options.Cpus == 1,
        };
        return new BootPlan(start, new SetupMessage());
    }

    /// <summary>Checks the paths of mounts and artifacts.</summary>
    /// <exception cref="ArgumentException">One makes no sense.</exception>
    public static void ValidateFiles(GuestOptions options)
    {
        foreach (string path in options.Mounts.Select(m => m.GuestPath).Concat(options.Artifacts.Select(a => a.GuestPath)))
        {
            if (!path.StartsWith('/') || path.Contains("/../", StringComparison.Ordinal) || path.EndsWith("/..", StringComparison.Ordinal))
                throw new ArgumentException($"\"{path}\" is not an absolute path in the guest");
        }

        foreach (string path in options.Mounts.Select(m => m.HostPath).Concat(options.Artifacts.Select(a => a.HostPath)))
        {
            if (!Path.Exists(path))
                throw new ArgumentException($"\"{path}\" does not exist on the host");
        }
    }

    private static List<string> Arguments(GuestOptions options, GuestKernel kernel, bool kernelOnly = false)
    {
        List<string> arguments =
        [
            $"mem={ByteSize.Format(options.Memory)}",
            .. kernelOnly
                // A kernel as its tree configures it has neither null channels nor serial lines. Its standard input is the null device.
                ? (string[])["con0=fd:0,fd:{log}", "console=tty0"]
                :
                [
                    "initrd={initramfs}",
                    // The kernel log has a console of its own, a regular file: any other sink drops lines when its reader is slow.
                    "con=null", "con0=null,fd:{log}", "console=tty0",
                    // The console line of the agent; no other serial line.
                    "ssl=null", "ssl0=fd:{console},fd:{console}",
                ],
            "printk.time=1", "loglevel=7",
            // A guest's reboot would run the kernel again in the same process, for ever.
            "noreboot",
        ];
        // "auto" falls back to ptrace where the host denies seccomp; SMP works with seccomp only.
        if (kernel.SupportsSeccomp)
            arguments.Add(options.Ptrace ? "seccomp=off" : options.Cpus > 1 ? "seccomp=on" : "seccomp=auto");
        if (options.Cpus > 1)
            arguments.Add($"ncpus={options.Cpus}");
        if (options.VirtualTime)
            arguments.Add("time-travel=ext:clock");
        if (options.FastBoot)
        {
            arguments.Add("lpj=20000000");
            // A kernel that tests itself may test these.
            if (!kernelOnly)
                arguments.Add($"initcall_blacklist={SlowInitcalls}");
            // 512 BSD terminals nobody opens; each of their uevents forks a helper (CONFIG_UEVENT_HELPER in Debian's kernels): 320 ms on 6.1.
            arguments.Add("pty.legacy_count=0");
            arguments.Add("zswap.enabled=0");
        }

        arguments.AddRange(options.KernelArguments);
        return arguments;
    }

    private static void Validate(GuestOptions options, GuestKernel kernel)
    {
        long least = options.Memory is >= GuestOptions.MinimumMemory and < GuestOptions.MinimumMemoryWithHelper && KernelText.Contains(kernel.ExecutablePath, "/sbin/hotplug"u8) ? GuestOptions.MinimumMemoryWithHelper : GuestOptions.MinimumMemory;
        if (options.Memory < least)
            throw new ArgumentException($"{ByteSize.Format(options.Memory)} of memory is too little: with less than {ByteSize.Format(least)} some boots of this kernel fail; memory the guest does not use costs nothing");

        if (options.Cpus is < 1 or > 64)
            throw new ArgumentException($"{options.Cpus} CPUs cannot be had: a guest has 1 to 64");
        if (options.Cpus > 1 && !kernel.IsSmp)
            throw new ArgumentException($"kernel {kernel.Release} ({kernel.Reference}) is built for one CPU (CONFIG_SMP is off): ask for 1 CPU or use a kernel with SMP");
        if (options.Cpus > 1 && options.Ptrace)
            throw new ArgumentException("more than one CPU needs the seccomp mode: do not ask for ptrace");
        if (options.VirtualTime && options.Cpus > 1)
            throw new ArgumentException("virtual time and more than one CPU exclude each other: ask for 1 CPU");
        if (options.VirtualTime && !KernelText.Contains(kernel.ExecutablePath, "time-travel=ext:"u8))
            throw new ArgumentException($"kernel {kernel.Release} ({kernel.Reference}) has no virtual time (CONFIG_UML_TIME_TRAVEL_SUPPORT is off): use one built with the profile timetravel");
        if (options.CoverageDirectory is not null && !KernelText.Contains(kernel.ExecutablePath, ".gcda\0"u8))
            throw new ArgumentException($"kernel {kernel.Release} ({kernel.Reference}) counts nothing (CONFIG_GCOV is off): use one built with the profile coverage");
        if (options.Hostname.Length is 0 or > 64)
            throw new ArgumentException($"the host name \"{options.Hostname}\" has {options.Hostname.Length} characters: 1 to 64 are possible");
        if (options.WorkingDirectory is { } directory && !directory.StartsWith('/'))
            throw new ArgumentException($"the working directory \"{directory}\" must be an absolute path in the guest");
        foreach (string argument in options.KernelArguments)
        {
            if (argument.AsSpan().ContainsAny('\n', '\0'))
                throw new ArgumentException("a kernel argument holds a line break");
            string name = argument.Split('=', 2)[0];
            if (name is "mem" or "initrd" or "con0" or "ssl0" or "umid" or "uml_dir" or "ncpus" or "rdinit" or "time-travel")
                throw new ArgumentException($"the kernel argument \"{argument}\" is the runner's own: use the option for it, or leave it out");
        }

        ValidateFiles(options);
        foreach ((string name, string value) in options.Environment)
        {
            if (name.Length == 0 || name.Contains('=') || name.Contains('\0') || value.Contains('\0'))
                throw new ArgumentException($"\"{name}\" is not the name of an environment variable, or its value holds a NUL");
        }

        if (options.Init is not null && (options.Root == GuestRoot.Empty || options.Root == GuestRoot.Host))
            throw new ArgumentException($"the init \"{options.Init}\" needs a root of its own: the {options.Root} root is no system that could be booted");
        if (options.Scratch is { } scratch && (options.Root.Reference is null || scratch < LeastScratch))
            throw new ArgumentException(options.Root.Reference is null
                ? $"room on the disk for the guest's writes is for roots that are images, and {options.Root} is none: leave it out, or name an image such as debian:trixie"
                : $"{ByteSize.Format(scratch)} on the disk is too little for the guest's writes: {ByteSize.Format(LeastScratch)} is the least");
        if (options.Root != GuestRoot.Host && options.Root != GuestRoot.Empty && options.Root.Reference is null && !Directory.Exists(options.Root.HostDirectory))
            throw new ArgumentException($"the root directory \"{options.Root}\" does not exist");
    }
}
