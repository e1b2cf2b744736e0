using System.Collections;
using System.Collections.Immutable;
using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Parsing;

namespace Uml.CI.Cli;

/// <summary>The options that describe a guest and what runs in it, shared by <c>uml run</c>, <c>uml shell</c>, <c>uml testhost</c> and <c>uml boot-chart</c>.</summary>
internal sealed class GuestOptionSet
{
    private readonly Option<string?> _kernel = new("--kernel", "-k") { HelpName = "REFERENCE", Description = "Kernel to boot: debian:SUITE, a version such as 7.3, file:PATH or a path. Default: $UML_KERNEL, else debian:sid" };
    private readonly Option<string> _root = new("--root") { HelpName = "ROOT", Description = "Root file system, under a layer that keeps every write in the guest: host, the host's own (default); empty, nothing but what is copied and mounted in; a directory; a distribution, debian:SUITE; image:NAME; or an image file" };
    private readonly Option<long?> _scratch = new("--scratch") { HelpName = "SIZE", Description = "Keep what is written to a root that is an image on the host's disk, at most that much, and not in the guest's memory", CustomParser = ParseMemory };
    private readonly Option<long?> _memory = new("--memory", "-m") { HelpName = "SIZE", Description = "Memory, such as 512M (default) or 2G; at least 256M, or 64M on kernels built by uml. The host gives it as the guest uses it", CustomParser = ParseMemory };
    private readonly Option<int?> _cpus = new("--cpus") { HelpName = "N", Description = "Number of CPUs; more than one needs a kernel with SMP", CustomParser = ParseCpus };
    private readonly Option<GuestMount[]> _mounts = new("--mount") { HelpName = "HOST:GUEST[:ro|rw|cow]", Description = "Share a directory or file of the host: read-only (default), writable on the host, or writable in the guest only. Repeatable", CustomParser = r => ParseEach<GuestMount>(r, PathList.ParseMount) };
    private readonly Option<GuestArtifact[]> _copies = new("--copy") { HelpName = "HOST:GUEST", Description = "Copy a file or directory into the guest before the command. Repeatable", CustomParser = r => ParseEach<GuestArtifact>(r, PathList.ParseCopyIn) };
    private readonly Option<CopyOut[]> _copiesOut = new("--copy-out") { HelpName = "GUEST:HOST", Description = "Copy a file or directory out of the guest after the command, also when it failed. Repeatable", CustomParser = r => ParseEach<CopyOut>(r, PathList.ParseCopyOut) };
    private readonly Option<string[]> _environment = new("--env", "-e") { HelpName = "NAME[=VALUE]", Description = "Set a variable; NAME alone passes the caller's on. Repeatable" };
    private readonly Option<string?> _workingDirectory = new("--workdir", "-w") { HelpName = "DIR", Description = "Working directory in the guest. Default: the current one (host root), else /" };
    private readonly Option<string?> _user = new("--user", "-u") { HelpName = "USER[:GROUP]", Description = "User of the guest to run as, by name or number. Default: root" };
    private readonly Option<TimeSpan?> _timeout = new("--timeout") { HelpName = "TIME", Description = "How long the command may take: 2s, 500ms, 1h30m; a plain number is seconds. Default: no limit", CustomParser = ParseDuration };
    private readonly Option<TimeSpan?> _bootTimeout = new("--boot-timeout") { HelpName = "TIME", Description = "How long the guest may take until it serves commands. Default: 30s", CustomParser = ParseDuration };
    private readonly Option<InitSystem?> _init = new("--init") { HelpName = "systemd|init|PATH", Description = "Boot the root's own system, with this program as PID 1, and wait until it is up (for --boot-timeout, or 2m): systemd, whatever the root has, or a program in it", CustomParser = ParseInit };
    private readonly Option<string[]> _append = new("--append") { HelpName = "ARGUMENTS", Description = "Append arguments to the kernel's command line. Repeatable" };
    private readonly Option<string?> _kernelLog = new("--kernel-log") { HelpName = "FILE", Description = "Write the whole kernel log to a file as it grows; - for standard error" };
    private readonly Option<string?> _json = new("--json") { HelpName = "FILE", Description = "Write what happened as JSON: outcome, exit status, timings, kernel, confinement, reports, paths" };
    private readonly Option<bool> _noStdin = new("--no-stdin", "-n") { Description = "Give the command an empty standard input and leave the tool's own unread, as in a loop that reads it" };
    private readonly Option<bool> _ptrace = new("--ptrace") { Description = "Keep the guest's processes apart by ptrace also where the kernel has the faster seccomp mode" };
    private readonly Option<bool> _virtualTime = new("--virtual-time") { Description = "Every wait in the guest is over at once, with its clock set forward. Needs a kernel with the profile timetravel" };
    private readonly Option<string?> _coverage = new("--coverage") { HelpName = "DIR", Description = "Where a kernel with the profile coverage leaves its counts (.gcda) when the guest ends" };
    private readonly Option<bool> _tty = new("--tty", "-t") { Description = "Run the command on a terminal. Ctrl-] three times within a second ends the guest" };
    private readonly Option<bool> _failOnComplaint = new("--fail-on-complaint") { Description = "Fail when the guest's kernel complained (WARNING, BUG, KASAN, lockdep and the like) or was tainted, whatever the command says" };
    private readonly Option<string[]> _allow = new("--allow") { HelpName = "FILE", Description = "The same, but for complaints that a list allows, each with a reason and an end (docs/kunit.md). Repeatable" };
    private readonly Option<bool> _offline = new("--offline") { Description = "Download nothing: the kernel is in the store, or the run fails" };
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Print the command line of the kernel and run nothing" };
    private readonly Option<bool> _verbose = new("--verbose", "-v") { Description = "Say more on standard error: kernel, confinement, timings, warnings" };

    public GuestOptionSet()
    {
        _kernel.CompletionSources.Add(_ => Kernels());
        _root.CompletionSources.Add("host", "empty");
        _init.CompletionSources.Add("systemd", "init");
        _root.CompletionSources.Add(_ => ImageCommand.Suggestions());
        _kernel.Validators.Add(CheckKernels);
        _environment.Validators.Add(CheckEnvironment);
    }

    /// <summary>Adds the options to a command, in the order its help shows.</summary>
    public void AddTo(Command command, bool shell)
    {
        foreach (Option option in (Option[])[_kernel, _root, _scratch, _init, _memory, _cpus, _mounts, _copies, _copiesOut, _environment, _workingDirectory, _user])
            command.Options.Add(option);
        foreach (Option option in shell ? (Option[])[_bootTimeout, _append, _kernelLog, _json, _virtualTime, _coverage, _ptrace, _offline, _dryRun, _verbose] : [_timeout, _bootTimeout, _append, _kernelLog, _json, _failOnComplaint, _allow, _noStdin, _tty, _virtualTime, _coverage, _ptrace, _offline, _dryRun, _verbose])
            command.Options.Add(option);
    }

    /// <summary>Adds those options that decide how a guest boots and what it runs, not how that is shown.</summary>
    public void AddBootTo(Command command)
    {
        foreach (Option option in (Option[])[_kernel, _root, _scratch, _memory, _cpus, _mounts, _copies, _environment, _workingDirectory, _user, _timeout, _bootTimeout, _append, _ptrace])
            command.Options.Add(option);
    }

    /// <summary>Adds those options that describe a guest that is kept for many commands.</summary>
    public void AddKeptTo(Command command)
    {
        foreach (Option option in (Option[])[_kernel, _root, _scratch, _init, _memory, _cpus, _mounts, _copies, _environment, _workingDirectory, _bootTimeout, _append, _kernelLog, _virtualTime, _coverage, _ptrace, _offline, _verbose])
            command.Options.Add(option);
    }

    /// <summary>Adds those options that describe a testbed, but for its init.</summary>
    public void AddTestbedTo(Command command)
    {
        foreach (Option option in (Option[])[_root, _kernel, _scratch, _memory, _cpus, _mounts, _bootTimeout, _append, _ptrace, _offline])
            command.Options.Add(option);
    }

    /// <summary>What <c>--root</c> says; null if it was not given.</summary>
    public string? Root(ParseResult result) => result.GetValue(_root);

    /// <summary>Whether a size of memory was asked for.</summary>
    public bool HasMemory(ParseResult result) => result.GetValue(_memory) is not null;

    /// <summary>How long the command may take; null for no limit.</summary>
    public TimeSpan? Timeout(ParseResult result) => result.GetValue(_timeout);

    /// <summary>What the options ask for.</summary>
    /// <exception cref="KernelException">UML_KERNEL names no kernel.</exception>
    public RunRequest Read(ParseResult result, IReadOnlyList<string> command, bool shell)
    {
        GuestRoot root = GuestRoot.Parse(result.GetValue(_root) ?? "host", Directory.GetCurrentDirectory());
        bool hostRoot = root == GuestRoot.Host;
        string? user = result.GetValue(_user);
        var options = new GuestOptions { Root = root, Scratch = result.GetValue(_scratch), Ptrace = result.GetValue(_ptrace), VirtualTime = result.GetValue(_virtualTime), CoverageDirectory = result.GetValue(_coverage) };
        if (result.GetValue(_kernel) is { } kernel)
            options = options with { Kernel = kernel };
        if (result.GetValue(_memory) is { } memory)
            options = options with { Memory = memory };
        if (result.GetValue(_cpus) is { } cpus)
            options = options with { Cpus = cpus };
        if (result.GetValue(_init) is { } init)
            options = options with { Init = init };
        if (result.GetValue(_bootTimeout) is { } bootTimeout)
            options = options with { BootTimeout = bootTimeout, SystemTimeout = bootTimeout };
        if (result.GetValue(_workingDirectory) is { } directoryName)
            options = options with { WorkingDirectory = hostRoot ? Path.GetFullPath(directoryName) : directoryName };
        string? kernelLog = result.GetValue(_kernelLog);
        options = options with
        {
            Mounts = [.. result.GetValue(_mounts) ?? []],
            Artifacts = [.. result.GetValue(_copies) ?? []],
            KernelArguments = [.. (result.GetValue(_append) ?? []).SelectMany(a => a.Split(' ', StringSplitOptions.RemoveEmptyEntries))],
            Environment = Variables(result.GetValue(_environment), hostRoot, user is not null),
            KernelLogFile = kernelLog is null or "-" ? null : kernelLog,
        };
        bool tty = shell || result.GetValue(_tty);
        return new RunRequest
        {
            Guest = options,
            LockFile = KernelLock.FindFile(options.Kernel, Directory.GetCurrentDirectory()),
            Command = command.Count > 0 ? [.. command] : shell ? [HostEnvironment.Shell(hostRoot)] : [],
            User = user,
            Timeout = shell ? null : result.GetValue(_timeout),
            CopiesOut = [.. result.GetValue(_copiesOut) ?? []],
            JsonFile = result.GetValue(_json),
            ShowKernelLog = kernelLog == "-",
            Terminal = tty,
            NoInput = !shell && result.GetValue(_noStdin),
            Banner = shell,
            Gate = !shell && (result.GetValue(_failOnComplaint) || result.GetValue(_allow) is { Length: > 0 }) ? ComplaintGate.Open(result.GetValue(_allow) ?? []) : null,
            Offline = result.GetValue(_offline),
            DryRun = result.GetValue(_dryRun),
            Verbose = result.GetValue(_verbose),
        };
    }

    /// <summary>Kernel references worth suggesting: what the store has, and the suites.</summary>
    public static IEnumerable<CompletionItem> Kernels()
    {
        IEnumerable<string> known = ["debian:sid", "debian:trixie", "debian:bookworm"];
        try
        {
            known = known.Concat(new KernelStore().List().SelectMany(k => k.References));
        }
        catch (KernelException)
        {
            // A shell that completes a word has no place for an error.
        }

        return known.Distinct(StringComparer.Ordinal).Select(k => new CompletionItem(k));
    }

    /// <summary>The environment of what runs in a guest.</summary>
    /// <param name="entries">What <c>--env</c> says.</param>
    /// <param name="hostRoot">Whether the guest has the host's own file system.</param>
    /// <param name="otherUser">Whether somebody else than root runs it.</param>
    internal static ImmutableSortedDictionary<string, string> Variables(string[]? entries, bool hostRoot, bool otherUser)
    {
        IDictionary caller = Environment.GetEnvironmentVariables();
        ImmutableSortedDictionary<string, string> variables = hostRoot
            ? HostEnvironment.Select(caller, otherUser)
            : ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);
        foreach (string entry in entries ?? [])
        {
            int equals = entry.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0)
                variables = variables.SetItem(entry[..equals], entry[(equals + 1)..]);
            else if (caller[entry] is string value)
                variables = variables.SetItem(entry, value);
        }

        // Programs on a terminal want to know which.
        if (!variables.ContainsKey("TERM") && caller["TERM"] is string term && term != "dumb")
            variables = variables.SetItem("TERM", term);
        return variables;
    }

    internal static void CheckKernels(OptionResult result)
    {
        foreach (Token token in result.Tokens)
        {
            try
            {
                KernelReference.Parse(token.Value);
            }
            catch (KernelException e)
            {
                result.AddError(e.Message);
            }
        }
    }

    internal static void CheckEnvironment(OptionResult result)
    {
        foreach (string entry in result.Tokens.Select(t => t.Value).Where(v => v.Length == 0 || v[0] == '='))
            result.AddError($"\"{entry}\" is not a variable: write NAME=VALUE, or NAME to pass the caller's on");
    }

    internal static long? ParseMemory(ArgumentResult result)
    {
        try
        {
            return ByteSize.Parse(result.Tokens[0].Value);
        }
        catch (FormatException e)
        {
            result.AddError(e.Message);
            return null;
        }
    }

    internal static int? ParseCpus(ArgumentResult result)
    {
        if (int.TryParse(result.Tokens[0].Value, System.Globalization.NumberStyles.None, null, out int count))
            return count;
        result.AddError($"\"{result.Tokens[0].Value}\" is not a number of CPUs");
        return null;
    }

    private static InitSystem? ParseInit(ArgumentResult result)
    {
        try
        {
            return InitSystem.Parse(result.Tokens[0].Value);
        }
        catch (ArgumentException e)
        {
            result.AddError($"--init: {e.Message}");
            return null;
        }
    }

    internal static TimeSpan? ParseDuration(ArgumentResult result)
    {
        TimeSpan? duration = Duration.Parse(result.Tokens[0].Value, out string problem);
        if (duration is null)
            result.AddError(problem);
        return duration;
    }

    private delegate T? Reader<T>(string text, out string problem);

    private static T[] ParseEach<T>(ArgumentResult result, Reader<T> read)
        where T : class
    {
        var values = new List<T>();
        foreach (Token token in result.Tokens)
        {
            if (read(token.Value, out string problem) is { } value)
                values.Add(value);
            else
                result.AddError(problem);
        }

        return [.. values];
    }
}
