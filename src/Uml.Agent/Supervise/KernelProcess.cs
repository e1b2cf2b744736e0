using System.Globalization;
using System.Runtime.InteropServices;
using Uml.CI.Wire;
using static Uml.CI.Agent.Supervise.Native;

namespace Uml.CI.Agent.Supervise;

/// <summary>Starts the kernel, in its own session, confined and with nothing open that is not its own.</summary>
internal static unsafe class KernelProcess
{
    /// <summary>The only part of its directory that the kernel may write; relative to that directory, which is its current one.</summary>
    public const string WritableDirectory = "/guest";

    /// <summary>Input that the host hands over. The guest may read and remove, not create: the host would follow a planted link.</summary>
    public const string SpoolDirectory = "/spool";

    /// <summary>A link to the initramfs; relative, as a path may hold what a kernel's command line cannot.</summary>
    public const string InitramfsLink = "initramfs";

    /// <summary>A link to a disk, for the same reason.</summary>
    public static string DiskLink(int number) => "disk" + number.ToString(CultureInfo.InvariantCulture);

    public const string MemoryDirectory = WritableDirectory + "/mem";

    public const string SocketDirectory = WritableDirectory + "/uml";

    private const int LongestKernelName = 40;

    private const string FewCapabilities = "few-capabilities";

    private enum Stage
    {
        Landlock = 1,
        Capabilities,
        Filter,
        Keeper,
        Descriptors,
        Execute,
    }

    /// <summary>The name UML gives its management socket's directory; the socket's path must stay short.</summary>
    public static string MachineName(string name) => name.Length <= LongestKernelName ? name : name[^LongestKernelName..];

    /// <summary>Starts the kernel. The current directory must be the guest's.</summary>
    public static KernelStart Start(StartGuestMessage options, string directory, int log, string? controlGroup, int processor)
    {
        int devNull = Open("/dev/null", O_RDONLY);
        if (devNull < 0)
            return Failed("cannot open /dev/null", Error);

        var plan = new Plan
        {
            Parent = GetPid(),
            DevNull = devNull,
            Log = log,
            File = Text(options.Kernel),
            Rules = -1,
            ControlGroup = -1,
        };

        var arguments = new List<string> { options.Kernel };
        foreach (string template in options.Arguments)
        {
            string argument = template;
            for (int disk = 0; disk < options.Disks.Count; disk++)
                argument = argument.Replace($"{{disk{disk}}}", DiskLink(disk), StringComparison.Ordinal);
            arguments.Add(argument
                .Replace("{console}", Supervisor.ConsoleLine.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
                .Replace("{initramfs}", InitramfsLink, StringComparison.Ordinal)
                .Replace("{log}", log.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal));
        }

        // Relative, so that neither its length nor a space in it matters: mconsole's address has room for 107 bytes.
        arguments.Add($"uml_dir={SocketDirectory[1..]}/");
        arguments.Add($"umid={MachineName(options.Name)}");
        plan.Arguments = Array(arguments);

        var environment = new List<string>();
        foreach (string variable in options.Environment)
        {
            if (!variable.StartsWith("TMPDIR=", StringComparison.Ordinal) && !variable.StartsWith("HOME=", StringComparison.Ordinal))
                environment.Add(variable);
        }

        environment.Add($"TMPDIR={directory}{MemoryDirectory}");
        environment.Add($"HOME={directory}");
        plan.Environment = Array(environment);

        int version = options.Confine ? Landlock.Version() : 0;
        if (version > 0)
            plan.Rules = Landlock.CreateRules(version, directory, options.Kernel, options.ReadPaths, options.WritePaths);
        if (plan.Rules >= 0 && options.WritePaths.Count == 0)
            plan.Filter = MetadataFilter.Build(refuseTruncation: version < Landlock.FirstWithTruncation);
        plan.Confine = options.Confine ? 1 : 0;
        plan.Processor = processor;
        plan.Root = options.Confine && GetEffectiveUser() == 0 ? 1 : 0;

        if (controlGroup is not null)
            plan.ControlGroup = Open(controlGroup, O_RDONLY | O_DIRECTORY);

        (nint commandLine, nint commandLineEnd) = OwnCommandLine();
        plan.CommandLine = (byte*)commandLine;
        plan.CommandLineEnd = (byte*)commandLineEnd;
        int* pipe = stackalloc int[2];
        if (Pipe2(pipe, O_CLOEXEC) != 0)
            return Failed("cannot make a pipe", Error);
        plan.Report = pipe[1];

        ulong forked = (ulong)System.Diagnostics.Stopwatch.GetTimestamp();
        // Born in the group: to move there later costs an RCU grace period, ten milliseconds.
        int pid = plan.ControlGroup >= 0 ? ForkInto(plan.ControlGroup) : -1;
        bool grouped = pid >= 0;
        if (!grouped)
            pid = Fork();
        if (pid == 0)
            Become(&plan);

        int error = Error;
        Close(pipe[1]);
        Close(devNull);
        if (plan.Rules >= 0)
            Close(plan.Rules);
        if (plan.ControlGroup >= 0)
            Close(plan.ControlGroup);

        var inForce = new List<string>();
        if (plan.Rules >= 0)
            inForce.Add($"landlock:{version}");
        if (plan.Filter != 0)
            inForce.Add("metadata-filter");
        if (plan.Root != 0)
            inForce.Add(FewCapabilities);
        if (grouped)
            inForce.Add("cgroup");

        string? failure = pid < 0 ? $"cannot fork: {ErrorText(error)}" : null;
        int* report = stackalloc int[2];
        while (pid > 0)
        {
            nint n = Read(pipe[0], (byte*)report, sizeof(int) * 2);
            if (n < 0 && Error == EINTR)
                continue;
            if (n != sizeof(int) * 2)
                break;
            switch ((Stage)report[0])
            {
                case Stage.Landlock:
                    inForce.Remove($"landlock:{version}");
                    break;
                case Stage.Capabilities:
                    inForce.Remove(FewCapabilities);
                    break;
                case Stage.Filter:
                    inForce.Remove("metadata-filter");
                    break;
                case Stage.Keeper:
                    error = report[1];
                    failure = $"cannot fork: {ErrorText(error)}";
                    break;
                case Stage.Descriptors:
                    error = report[1];
                    failure = $"cannot set up the kernel's descriptors: {ErrorText(error)}";
                    break;
                case Stage.Execute:
                    error = report[1];
                    failure = CannotExecute(options.Kernel, error);
                    break;
            }
        }

        Close(pipe[0]);
        return new KernelStart(pid, string.Join(' ', inForce), failure, failure is null ? 0 : error) { Forked = forked };
    }

    private static int ForkInto(int controlGroup)
    {
        // struct clone_args: flags first, the exit signal fifth, the group's descriptor eleventh.
        const int exitSignal = 4, cgroup = 10, size = 11;
        ulong* arguments = stackalloc ulong[size];
        for (int i = 0; i < size; i++)
            arguments[i] = 0;
        arguments[0] = CLONE_INTO_CGROUP;
        arguments[exitSignal] = SIGCHLD;
        arguments[cgroup] = (ulong)controlGroup;
        return (int)Syscall(SYS_clone3, (nint)arguments, size * sizeof(ulong), 0, 0, 0, 0);
    }

    // What runs here is a copy of a process with several threads: system calls only, and nothing that allocates.
    private static void Become(Plan* plan)
    {
        // First of all its own session, so that from now on its process group can be killed as one.
        SetSession();

        // struct kernel_sigaction, all zero, is SIG_DFL without flags.
        byte* action = stackalloc byte[32];
        for (int i = 0; i < 32; i++)
            action[i] = 0;
        for (int signal = 1; signal <= 64; signal++)
            Syscall(SYS_rt_sigaction, signal, (nint)action, 0, sizeof(ulong), 0, 0);
        ulong none = 0;
        const int setMask = 2;
        Syscall(SYS_rt_sigprocmask, setMask, (nint)(&none), 0, sizeof(ulong), 0, 0);

        // A kernel that has its handlers ends in order on SIGTERM. One that has not sets its stubs loose for the moment
        // until its group is killed, so only where they are confined.
        if (plan->Rules >= 0)
            Prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
        if (GetParentPid() != plan->Parent)
            ExitNow(127);

        nint keeper = Syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0, 0);
        if (keeper == 0)
            Keep(plan);
        if (keeper < 0)
        {
            Report(plan, Stage.Keeper);
            ExitNow(127);
        }

        // With seccomp UML holds a descriptor per guest process; its memory is one file; a core file would be as large.
        Raise(RLIMIT_NOFILE);
        Raise(RLIMIT_FSIZE);
        Raise(RLIMIT_NPROC);
        ulong* noCore = stackalloc ulong[2];
        noCore[0] = 0;
        noCore[1] = 0;
        Syscall(SYS_prlimit64, 0, RLIMIT_CORE, (nint)noCore, 0, 0, 0);

        if (Dup2(plan->DevNull, 0) < 0 || Dup2(plan->Log, 1) < 0 || Dup2(plan->Log, 2) < 0
            || Fcntl(plan->Log, F_SETFD, 0) < 0 || Fcntl(Supervisor.ConsoleLine, F_SETFD, 0) < 0)
        {
            Report(plan, Stage.Descriptors);
            ExitNow(127);
        }

        if (plan->Processor >= 0)
        {
            ulong* mask = stackalloc ulong[Processor.MaskBytes / sizeof(ulong)];
            for (int i = 0; i < Processor.MaskBytes / sizeof(ulong); i++)
                mask[i] = 0;
            mask[plan->Processor / 64] = 1UL << (plan->Processor % 64);
            Syscall(SYS_sched_setaffinity, 0, Processor.MaskBytes, (nint)mask, 0, 0, 0);
        }

        // UML wants a fixed layout and otherwise executes itself a second time through /proc.
        Syscall(SYS_personality, ADDR_NO_RANDOMIZE, 0, 0, 0, 0, 0);

        if (plan->Confine != 0)
        {
            Prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            if (plan->Root != 0 && !DropCapabilities())
                Report(plan, Stage.Capabilities);
            if (plan->Rules >= 0 && Syscall(SYS_landlock_restrict_self, plan->Rules, 0, 0, 0, 0, 0) != 0)
                Report(plan, Stage.Landlock);
            const int filterMode = 2;
            if (plan->Filter != 0 && Prctl(PR_SET_SECCOMP, filterMode, plan->Filter, 0, 0) != 0)
                Report(plan, Stage.Filter);
        }

        Syscall(SYS_execve, (nint)plan->File, (nint)plan->Arguments, (nint)plan->Environment, 0, 0, 0);
        Report(plan, Stage.Execute);
        ExitNow(127);
    }

    // A guest that root started must not be able to load modules into the host, set its clock or reboot it. What it keeps
    // is about files, where Landlock draws the line.
    private static bool DropCapabilities()
    {
        // Without this bit root would be given them all back by execve, which then also forgets the fixed layout: UML would
        // execute itself for ever. Where it may not be set, all stay.
        const int noRoot = 1, noRootLocked = 2;
        if (Prctl(PR_SET_SECUREBITS, noRoot | noRootLocked, 0, 0, 0) != 0)
            return false;

        const uint version = 0x20080522;
        const uint chown = 0, overrideAccess = 1, owner = 3, keepSetId = 4;
        const uint kept = 1 << (int)chown | 1 << (int)overrideAccess | 1 << (int)owner | 1 << (int)keepSetId;
        uint* header = stackalloc uint[2];
        header[0] = version;
        header[1] = 0;

        // effective, permitted, inheritable; twice, for 64 bits
        uint* sets = stackalloc uint[6];
        if (Syscall(SYS_capget, (nint)header, (nint)sets, 0, 0, 0, 0) != 0)
            return false;
        sets[0] = sets[1] = sets[2] = sets[1] & kept;
        sets[3] = sets[4] = sets[5] = 0;
        if (Syscall(SYS_capset, (nint)header, (nint)sets, 0, 0, 0, 0) != 0)
            return false;

        // What is ambient survives execve.
        const int raise = 2;
        for (int capability = (int)chown; capability <= (int)keepSetId; capability++)
        {
            if ((sets[1] & 1u << capability) != 0)
                Prctl(PR_CAP_AMBIENT, raise, capability, 0, 0);
        }

        return true;
    }

    private static void Report(Plan* plan, Stage stage)
    {
        int* record = stackalloc int[2];
        record[1] = Error;
        record[0] = (int)stage;
        Write(plan->Report, (byte*)record, sizeof(int) * 2);
    }

    private static void Raise(int resource)
    {
        ulong* limit = stackalloc ulong[2];
        if (Syscall(SYS_prlimit64, 0, resource, 0, (nint)limit, 0, 0) != 0)
            return;
        limit[0] = limit[1];
        Syscall(SYS_prlimit64, 0, resource, (nint)limit, 0, 0, 0);
    }

    // For when both supervisors are killed at once. A signal for a dead parent does not do it: SIGTERM finds a kernel that
    // is starting without its handler, and SIGKILL sets stubs loose that nobody then ends. This process is
    // in the kernel's process group, which it kills, itself included, when the last supervisor has closed its pipe. It is
    // the supervisor's child, not the kernel's (which must not find children it does not know), and goes by another
    // name, lest it be killed along with the supervisors by whoever kills by name.
    private static void Keep(Plan* plan)
    {
        ReadOnlySpan<byte> name = "uml-keeper\0"u8;
        fixed (byte* p = name)
            Prctl(PR_SET_NAME, (nint)p, 0, 0, 0);
        for (byte* p = plan->CommandLine; p < plan->CommandLineEnd; p++)
            *p = p - plan->CommandLine < name.Length ? name[(int)(p - plan->CommandLine)] : (byte)0;

        Dup2(Supervisor.LifeLine, 0);
        CloseFrom(1);
        byte nothing;
        while (Read(0, &nothing, 1) < 0 && Error == EINTR)
        {
        }

        Kill(0, SIGKILL);
        ExitNow(0);
    }

    private static string CannotExecute(string kernel, int error)
    {
        string remedy = error switch
        {
            ENOENT when Stat(kernel, out _) => "; the loader it names is missing or not among the paths it may read",
            EACCES => "; it must be executable, on a file system that is not mounted noexec, and so must its loader",
            _ => "",
        };
        return $"cannot execute the kernel {kernel}: {ErrorText(error)}{remedy}";
    }

    private static (nint Start, nint End) OwnCommandLine()
    {
        // /proc/self/stat: of the fields after the name, which is the second, arg_start and arg_end are 48 and 49.
        string stat = ReadText("/proc/self/stat") ?? "";
        string[] fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        const int start = 48 - 3, end = 49 - 3;
        return fields.Length > end
            ? (nint.Parse(fields[start], CultureInfo.InvariantCulture), nint.Parse(fields[end], CultureInfo.InvariantCulture))
            : (0, 0);
    }

    private static KernelStart Failed(string what, int error) => new(-1, "", $"{what}: {ErrorText(error)}", error);

    private static byte* Text(string text) => (byte*)Marshal.StringToCoTaskMemUTF8(text);

    private static byte** Array(List<string> texts)
    {
        var array = (byte**)NativeMemory.Alloc((nuint)(texts.Count + 1), (nuint)sizeof(byte*));
        for (int i = 0; i < texts.Count; i++)
            array[i] = Text(texts[i]);
        array[texts.Count] = null;
        return array;
    }

    private struct Plan
    {
        public int Parent;
        public int DevNull;
        public int Log;
        public int Rules;
        public int ControlGroup;
        public int Confine;
        public int Root;
        public int Processor;
        public int Report;
        public nint Filter;
        public byte* CommandLine;
        public byte* CommandLineEnd;
        public byte* File;
        public byte** Arguments;
        public byte** Environment;
    }
}

/// <summary>How starting the kernel went.</summary>
/// <param name="ProcessId">The process, to be ended also after a failure; -1 if there is none.</param>
/// <param name="Confinement">What is in force, for people.</param>
/// <param name="Failure">One line, or null if the kernel runs.</param>
/// <param name="Error">The errno of the failure.</param>
internal sealed record KernelStart(int ProcessId, string Confinement, string? Failure, int Error)
{
    /// <summary>When its process was about to be made, as <see cref="SupervisorTimes.Forked"/>.</summary>
    public ulong Forked { get; init; }
}
