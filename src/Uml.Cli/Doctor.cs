using System.Runtime.InteropServices;

namespace Uml.CI.Cli;

/// <summary>How a check ended.</summary>
internal enum Grade
{
    /// <summary>Good to know.</summary>
    Information,

    /// <summary>As it should be.</summary>
    Pass,

    /// <summary>Guests run; something is slower, weaker or missing.</summary>
    Warning,

    /// <summary>Guests do not run.</summary>
    Fail,
}

/// <summary>One line of the diagnosis.</summary>
/// <param name="Name">What was looked at.</param>
/// <param name="Grade">How it ended.</param>
/// <param name="Detail">What was found.</param>
/// <param name="Remedy">What to do about it.</param>
internal sealed record Finding(string Name, Grade Grade, string Detail, string? Remedy = null);

/// <summary>All of it.</summary>
internal sealed record Diagnosis(IReadOnlyList<Finding> Findings, bool CanRunGuests, string Confinement);

/// <summary>Tries everything a guest needs, one after the other, and last a guest.</summary>
internal sealed class Doctor(Action<Finding>? tell, bool offline)
{
    private const long UsualMemory = 512L << 20;
    private static readonly TimeSpan BootTimeout = TimeSpan.FromSeconds(20);

    private readonly List<Finding> _findings = [];
    private bool _canRun;
    private string _confinement = "";

    /// <summary>Runs all checks.</summary>
    public async Task<Diagnosis> ExamineAsync(CancellationToken cancellationToken)
    {
        if (CheckMachine())
        {
            CheckMemory();
            CheckLimits();
            CheckControlGroup();
            CheckAgent();
            KernelStore? store = CheckStore();
            CheckApt();
            await CheckImagesAsync(cancellationToken);
            if (store is not null)
                await CheckGuestsAsync(store, cancellationToken);
        }

        return new Diagnosis(_findings, _canRun, _confinement);
    }

    private void Add(string name, Grade grade, string detail, string? remedy = null)
    {
        var finding = new Finding(name, grade, detail, remedy);
        _findings.Add(finding);
        tell?.Invoke(finding);
    }

    private bool CheckMachine()
    {
        try
        {
            HostRequirements.Check();
            Add("machine", Grade.Pass, $"{RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant()}, Linux {Environment.OSVersion.Version}, {Environment.ProcessorCount} CPUs");
            return true;
        }
        catch (GuestUnavailableException e)
        {
            Add("machine", Grade.Fail, e.Message);
            return false;
        }
    }

    private void CheckMemory()
    {
        IReadOnlyList<MemoryDirectory.Candidate> candidates = MemoryDirectory.Probe(UsualMemory);
        string others = string.Join("; ", candidates.Where(c => c.Problem is not null).Select(c => $"{c.Path}: {c.Problem}"));
        if (others.Length > 0)
            others = $" (not: {others})";
        const string remedy = "mount a tmpfs with the options exec,size=1G somewhere and name it in UML_TMPDIR";
        if (candidates.FirstOrDefault(c => c.Problem is null && c.InMemory) is { } good)
            Add("memory directory", Grade.Pass, $"{good.Path}: a tmpfs, executable, {Size.Format(good.Free)} free{others}");
        else if (candidates.FirstOrDefault(c => c.Problem is null) is { } slow)
            Add("memory directory", Grade.Warning, $"{slow.Path} is on a disk, {Size.Format(slow.Free)} free: guests write their memory to it{others}", remedy);
        else
            Add("memory directory", Grade.Fail, $"no directory can hold a guest's memory of {ByteSize.Format(UsualMemory)}{others}", remedy);
    }

    private void CheckLimits()
    {
        // Soft limits are raised by the supervisor; the hard ones count.
        (string Line, string Name, long Least, string Why, string Option)[] wanted =
        [
            ("Max processes", "processes", 256, "each process of a guest is one of the host", "-u"),
            ("Max open files", "open files", 1024, "each process of a guest takes an open file", "-n"),
            ("Max file size", "file size", UsualMemory, "a guest's memory is a file", "-f"),
        ];
        string[] limits = File.ReadAllLines("/proc/self/limits");
        var problems = new List<(string Text, string Option, bool Fatal)>();
        var values = new List<string>();
        foreach ((string line, string name, long least, string why, string option) in wanted)
        {
            string? row = limits.FirstOrDefault(l => l.StartsWith(line, StringComparison.Ordinal));
            string[] fields = row?[26..].Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [];
            if (fields.Length < 2)
                continue;
            values.Add($"{name} {fields[1]}");
            if (long.TryParse(fields[1], out long hard) && hard < least)
                problems.Add(($"{name} {hard}, {least} wanted: {why}", option, option == "-f"));
        }

        if (problems.Count == 0)
            Add("limits", Grade.Pass, string.Join(", ", values));
        foreach ((string text, string option, bool fatal) in problems)
            Add("limits", fatal ? Grade.Fail : Grade.Warning, text, $"raise the hard limit (ulimit -H {option}, /etc/security/limits.conf, or the container's --ulimit)");
    }

    private void CheckControlGroup()
    {
        // Version 2 shows the own group; inside a container's namespace its root is the container's limit.
        string path = ReadOrNull("/proc/self/cgroup")?.Split('\n').FirstOrDefault(l => l.StartsWith("0::", StringComparison.Ordinal))?[3..] ?? "/";
        foreach ((string file, long least, string what, string why) in ((string, long, string, string)[])
            [("memory.max", UsualMemory + (64L << 20), "memory", "the host's killer takes guests apart in mid-run"), ("pids.max", 256, "processes", "each process of a guest is one of the host")])
        {
            string? text = ReadOrNull($"/sys/fs/cgroup{path.TrimEnd('/')}/{file}")?.Trim();
            if (long.TryParse(text, out long limit) && limit < least)
                Add("control group", Grade.Warning, $"{what} limited to {(file == "memory.max" ? Size.Format(limit) : limit)}: {why}", $"raise {file} of the container or service");
        }
    }

    private void CheckAgent()
    {
        try
        {
            Add("agent", Grade.Pass, AgentBinary.Find());
        }
        catch (Exception e) when (e is GuestUnavailableException or IOException or UnauthorizedAccessException)
        {
            Add("agent", Grade.Fail, e.Message);
        }
    }

    private KernelStore? CheckStore()
    {
        try
        {
            var store = new KernelStore();
            if (store.Notice is { } notice)
                Add("kernel store", Grade.Warning, notice);
            else
                Add("kernel store", Grade.Pass, $"{store.Root}, {store.List().Count} kernels");
            if (store.List().Select(k => KernelImage.VersionOf(k.Release)).OrderDescending().Select(v => FloatingPointState.ProblemOf(v)).FirstOrDefault(p => p is not null) is { } old)
                Add("floating point", Grade.Warning, $"the store holds older kernels: {old}", "run them on a machine with another processor, or use newer ones");
            return store;
        }
        catch (KernelException e)
        {
            Add("kernel store", Grade.Fail, e.Message);
            return null;
        }
    }

    private void CheckApt()
    {
        string[] missing = [.. ((string[])["apt-get", "apt-cache", "dpkg-deb"]).Where(p => !IsInPath(p))];
        if (missing.Length == 0)
            Add("apt", Grade.Pass, "apt and dpkg-deb are there, for kernels of the form debian:SUITE");
        else
            Add("apt", Grade.Warning, $"missing: {string.Join(", ", missing)}; kernels of the form debian:SUITE cannot be fetched", "install the packages apt and dpkg, or name a kernel executable with --kernel PATH");
    }

    private async Task CheckImagesAsync(CancellationToken cancellationToken)
    {
        try
        {
            IReadOnlyList<StoredImage> images = new ImageStore().List();
            string have = images.Count > 0 ? $"; the store has {images.Count}" : "";
            if (await new DistributionImages(HostTools.Default).ProblemAsync(cancellationToken) is not { } problem)
            {
                Add("root images", Grade.Pass, $"roots of the form debian:SUITE can be made{have}");
                return;
            }

            string[] parts = problem.Split(';', 2, StringSplitOptions.TrimEntries);
            Add("root images", Grade.Warning, $"roots of the form debian:SUITE cannot be made: {parts[0]}{have}", parts.Length > 1 ? parts[1] : null);
        }
        catch (Exception e) when (e is KernelException or IOException)
        {
            Add("root images", Grade.Warning, e.Message);
        }
    }

    private async Task CheckGuestsAsync(KernelStore store, CancellationToken cancellationToken)
    {
        GuestOptions options;
        GuestKernel kernel;
        try
        {
            options = new GuestOptions { BootTimeout = BootTimeout };
            using var progress = new ProgressLine(TimeSpan.FromSeconds(1));
            kernel = await store.ResolveAsync(options.Kernel, new KernelResolveOptions { Offline = offline, Progress = progress }, cancellationToken);
            Add("default kernel", Grade.Pass, $"{kernel.Reference}: Linux {kernel.Release}{(kernel.PackageVersion is { } version ? $" (package {version})" : "")}");
            if (FloatingPointState.ProblemOf(kernel.Version) is { } problem)
                Add("floating point", Grade.Warning, problem, "use a newer kernel, such as debian:sid");
        }
        catch (KernelException e)
        {
            Add("default kernel", Grade.Fail, e.Message);
            return;
        }

        // Each way of keeping the guest's processes apart is tried by itself: hosts forbid one, the other or both.
        string? ptrace = await TryBootAsync(options with { Root = GuestRoot.Empty, Ptrace = true }, cancellationToken);
        string? seccomp = kernel.SupportsSeccomp ? await TryBootAsync(options with { Root = GuestRoot.Empty, KernelArguments = ["seccomp=on"] }, cancellationToken) : null;
        const string denied = "allow ptrace (docker run --cap-add SYS_PTRACE, kernel.yama.ptrace_scope at most 1) or use a kernel from 6.16 on, which needs seccomp instead";
        Add("ptrace", ptrace is null ? Grade.Pass : Grade.Warning, ptrace ?? "a guest boots with it", ptrace is null ? null : denied);
        if (kernel.SupportsSeccomp)
            Add("seccomp", seccomp is null ? Grade.Pass : Grade.Warning, seccomp ?? "a guest boots with it", seccomp is null ? null : "guests fall back on ptrace, which is slower; allow seccomp(2) and prctl(2)");

        foreach (string reference in store.List().SelectMany(k => k.References).Where(r => r != kernel.Reference))
        {
            // An old kernel fails on a CPU whose register state is larger than it knew of.
            string? problem = await TryBootAsync(options with { Root = GuestRoot.Empty, Kernel = reference }, cancellationToken);
            Add("other kernel", problem is null ? Grade.Pass : Grade.Warning, $"{reference}: {problem ?? "boots on this CPU"}", problem is null ? null : "old kernels fail on new CPUs: use a newer one");
        }

        await CheckGuestAsync(options, cancellationToken);
    }

    private async Task CheckGuestAsync(GuestOptions options, CancellationToken cancellationToken)
    {
        try
        {
            await using Guest guest = await new GuestBuilder(options).StartAsync(cancellationToken);
            ExecResult result = await guest.ExecAsync(["true"], cancellationToken);
            _confinement = guest.Confinement;
            if (guest.Confinement.Contains("landlock", StringComparison.Ordinal))
                Add("confinement", Grade.Pass, guest.Confinement);
            else
                Add("confinement", Grade.Warning, guest.Confinement.Length > 0 ? guest.Confinement : "none: a guest's root can write whatever this user can", "use a host kernel with Landlock (5.13 and later, landlock among its LSMs), and run untrusted guests as a user of their own");
            foreach (string warning in guest.Warnings)
                Add("guest", Grade.Warning, warning);
            BootTimings times = guest.Timings;
            Add(
                "guest", result.Success ? Grade.Pass : Grade.Fail,
                $"ready after {Duration.Format(times.Total)} (plan {Duration.Format(times.Plan)}, spawn {Duration.Format(times.Spawn)}, kernel {Duration.Format(times.Kernel)}, set-up {Duration.Format(times.Setup)}); true: {result.Exit} after {Duration.Format(result.Duration)}");
            _canRun = result.Success;
        }
        catch (Exception e) when (e is GuestException or ArgumentException or IOException or KernelException)
        {
            Add("guest", Grade.Fail, e.Message);
        }
    }

    private static async Task<string?> TryBootAsync(GuestOptions options, CancellationToken cancellationToken)
    {
        try
        {
            await using Guest guest = await new GuestBuilder(options).StartAsync(cancellationToken);
            return null;
        }
        catch (Exception e) when (e is GuestException or ArgumentException or IOException or KernelException)
        {
            string summary = e is GuestException { Summary.Length: > 0 } failure ? failure.Summary : e.Message;
            string? last = (e as GuestException)?.KernelLogTail.TrimEnd().Split('\n')[^1];
            return string.IsNullOrEmpty(last) ? summary : $"{summary}; the log ends with: {last}";
        }
    }

    private static bool IsInPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/bin").Any(d => d.Length > 0 && File.Exists(Path.Combine(d, program)));

    private static string? ReadOrNull(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
