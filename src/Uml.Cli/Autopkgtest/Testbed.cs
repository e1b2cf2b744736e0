using System.Diagnostics;
using System.Globalization;

namespace Uml.CI.Cli;

/// <summary>The guest that autopkgtest tests in: a new one for every <c>open</c> and <c>revert</c>, the same files after <c>reboot</c>.</summary>
internal sealed class Testbed : IAsyncDisposable
{
    // What the guest writes is on the host's disk, so that a test can reboot; the file is sparse.
    private const long DefaultScratch = 16L * 1024 * 1024 * 1024;
    private const string Archive = "/var/cache/uml-autopkgtest-scratch.tar";
    private const string RebootMark = "/run/autopkgtest-reboot-prepare-mark";
    private const int Executable = 10;
    private const UnixFileMode Execute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    private static readonly TimeSpan PowerOffPatience = TimeSpan.FromMinutes(2);

    private readonly TestbedRequest _request;
    private readonly CommandRelay _relay = new();
    private readonly Action<string> _debug;
    private GuestOptions? _options;
    private ScratchFile? _disk;
    private Guest? _guest;

    public Testbed(TestbedRequest request, Action<string> debug)
    {
        _request = request;
        _debug = debug;
        // The same after every revert: build trees have absolute paths in them.
        Scratch = $"/tmp/autopkgtest.{Guid.NewGuid().ToString("N")[..8]}";
        HasDisk = request.Run.Guest.Root.Reference is not null && (request.Run.Guest.Scratch is not null || HostPrograms.Find(HostTools.Default, "mkfs.ext4") is not null);
    }

    /// <summary>The directory in the guest that is autopkgtest's own.</summary>
    public string Scratch { get; }

    /// <summary>Whether what the guest writes outlives a reboot.</summary>
    public bool HasDisk { get; }

    /// <summary>Whether there is a guest.</summary>
    public bool IsOpen => _guest is not null;

    /// <summary>Program and arguments that run a command in the guest, whatever guest it is then.</summary>
    public string[] Command => [AgentBinary.Find(), "exec", _relay.Name];

    /// <summary>Boots a guest.</summary>
    public async Task OpenAsync(CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        _options ??= await PrepareAsync(cancellationToken);
        if (HasDisk)
            _disk = await ScratchFile.CreateAsync(Path.Combine(new KernelStore().Root, "scratch"), _options.Scratch ?? DefaultScratch, cancellationToken);
        await StartAsync(cancellationToken);
        await RunAsync(["mkdir", "-p", "-m", "1777", Scratch], cancellationToken);
        _debug($"{_options.Root} is open after {Duration.Format(Stopwatch.GetElapsedTime(start))}");
    }

    /// <summary>Ends the guest, with all that was written in it. What it would still have written is of no use.</summary>
    public async Task CloseAsync()
    {
        _relay.ServeFrom(null);
        Guest? guest = _guest;
        _guest = null;
        if (guest is not null)
            await guest.DisposeAtOnceAsync();
        _disk?.Dispose();
        _disk = null;
    }

    /// <summary>Boots anew, with the same files.</summary>
    /// <param name="wait">Whether the test itself has the system reboot.</param>
    /// <param name="cancellationToken">Stops waiting; the testbed must be closed then.</param>
    public async Task RebootAsync(bool wait, CancellationToken cancellationToken)
    {
        Guest guest = _guest!;
        // /tmp is emptied by a boot, or in memory.
        await RunAsync(["sh", "-ec", """tar --warning=none -c --absolute-names -f "$1" "$2"; rm -f "$3"; sync""", "sh", Archive, Scratch, RebootMark], cancellationToken);
        if (!wait && _options!.Init is null)
        {
            _debug("ending the guest");
        }
        else
        {
            // A guest's kernel ends where another machine starts again, and where another is switched off.
            if (!wait)
                await RunAsync(["sh", "-ec", "if [ -d /run/systemd/system ]; then exec systemctl --no-block reboot; fi; (sleep 1; exec reboot) >/dev/null 2>&1 &"], cancellationToken);
            _debug("waiting until the guest's system has shut down");
            try
            {
                await guest.WaitForExitAsync(cancellationToken).WaitAsync(PowerOffPatience, cancellationToken);
            }
            catch (TimeoutException)
            {
                throw new VirtualServerException(string.Create(CultureInfo.InvariantCulture, $"the testbed did not reboot within {PowerOffPatience.TotalSeconds} s"));
            }
        }

        _relay.ServeFrom(null);
        _guest = null;
        await guest.DisposeAsync();
        await StartAsync(cancellationToken);
        await RunAsync(["sh", "-ec", """tar --warning=none -x --absolute-names -p -f "$1"; rm -f "$1" """, "sh", Archive], cancellationToken);
    }

    /// <summary>Copies a file, or a directory into a directory, into the guest.</summary>
    /// <exception cref="GuestException">It does not work.</exception>
    public async Task CopyDownAsync(string hostPath, string guestPath, CancellationToken cancellationToken)
    {
        if (hostPath.EndsWith('/'))
        {
            await _guest!.CopyInAsync(FollowLink(hostPath), guestPath.TrimEnd('/'), cancellationToken);
            return;
        }

        await using FileStream file = File.OpenRead(hostPath);
        bool executable = (File.GetUnixFileMode(file.SafeFileHandle) & Execute) != UnixFileMode.None;
        string script = executable ? """cat >"$1"; chmod +x -- "$1" """ : """cat >"$1" """;
        GuestProcess process = await _guest!.StartProcessAsync(new ExecOptions("sh", "-ec", script, "sh", guestPath) { RedirectStandardInput = true }, cancellationToken);
        Task<string> said = ReadAsync(process.StandardError);
        try
        {
            await file.CopyToAsync(process.StandardInput, cancellationToken);
            await process.StandardInput.DisposeAsync();
        }
        catch (IOException)
        {
            // It reads no more, and says why.
        }

        GuestExit exit = await process.WaitAsync(cancellationToken);
        if (!exit.Success)
            throw new GuestException($"cannot copy {hostPath} to {guestPath} of the testbed: {await said}");
    }

    /// <summary>Copies a file, or a directory into a directory, out of the guest.</summary>
    /// <exception cref="GuestException">It does not work.</exception>
    public async Task CopyUpAsync(string guestPath, string hostPath, CancellationToken cancellationToken)
    {
        if (hostPath.EndsWith('/'))
        {
            // A copy of a link would be a link.
            ExecResult real = await _guest!.ExecAsync(["readlink", "-e", "--", guestPath], cancellationToken);
            if (!real.Success)
                throw new GuestException($"cannot copy {guestPath} of the testbed to {hostPath}: there is no such directory");
            await _guest!.CopyOutAsync(real.StandardOutput[..^1], FollowLink(hostPath), cancellationToken);
            return;
        }

        await using FileStream file = File.Create(hostPath);
        GuestProcess process = await _guest!.StartProcessAsync(
            new ExecOptions("sh", "-ec", $"""cat <"$1"; if [ -x "$1" ]; then exit {Executable}; fi""", "sh", guestPath), cancellationToken);
        Task<string> said = ReadAsync(process.StandardError);
        await process.StandardOutput.CopyToAsync(file, cancellationToken);
        GuestExit exit = await process.WaitAsync(cancellationToken);
        if (exit.ExitCode == Executable)
            File.SetUnixFileMode(file.SafeFileHandle, File.GetUnixFileMode(file.SafeFileHandle) | Execute);
        else if (!exit.Success)
            throw new GuestException($"cannot copy {guestPath} of the testbed to {hostPath}: {await said}");
    }

    /// <summary>A shell in the guest, on the terminal of this process.</summary>
    public Task ShellAsync(string directory, IEnumerable<string> environment, CancellationToken cancellationToken) =>
        TestbedShell.RunAsync(_guest!, directory, environment, cancellationToken);

    /// <summary>What the guest said last: its kernel, and its system.</summary>
    public async Task<string> DescribeAsync(CancellationToken cancellationToken)
    {
        if (_guest is not { } guest)
            return "there is no testbed";
        string journal = "";
        try
        {
            ExecResult result = await guest.ExecAsync(new ExecOptions("sh", "-c", "command -v journalctl >/dev/null && exec journalctl --boot --no-pager --quiet --lines=50") { Timeout = TimeSpan.FromSeconds(10) }, cancellationToken);
            journal = result.StandardOutput.Length > 0 ? $"end of the testbed's journal:\n{result.StandardOutput}" : "";
        }
        catch (GuestException e)
        {
            journal = e.Summary.Length > 0 ? e.Summary : e.Message;
        }

        return $"end of the testbed's kernel log:\n{guest.KernelLog.Tail()}\n{journal}".TrimEnd();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await CloseAsync();
        _relay.Dispose();
    }

    private async Task<GuestOptions> PrepareAsync(CancellationToken cancellationToken)
    {
        GuestOptions options = _request.Run.Guest with { Hostname = "autopkgtest" };
        if (!_request.FindInit)
            return options with { Init = _request.Init };
        if (options.Root.Reference is { Recipe: "systemd" })
            return options with { Init = InitSystem.Systemd };
        if (options.Root == GuestRoot.Host || options.Root == GuestRoot.Empty || options.Root.Reference is { Recipe: ImageReference.DefaultRecipe, Packages: [] })
            return options;
        // Any other root has to be looked into.
        await using Guest guest = await BootAsync(options with { Scratch = null }, cancellationToken);
        foreach (string candidate in InitSystem.Systemd.Candidates)
        {
            try
            {
                if ((await guest.ExecAsync(["test", "-x", candidate], cancellationToken)).Success)
                    return options with { Init = InitSystem.Systemd };
            }
            catch (ExecException)
            {
                // A root without test(1) has no systemd either.
            }
        }

        return options;
    }

    private async Task StartAsync(CancellationToken cancellationToken)
    {
        _guest = await BootAsync(_options! with { KeptScratch = _disk }, cancellationToken);
        _debug($"Linux {_guest.Release} ({_guest.Kernel.Reference}), root {_options!.Root}, init {_options.Init?.Name ?? "none"}{(_guest.SystemState is { } state ? $" ({state.State})" : "")}, ready after {Duration.Format(_guest.Timings.Total)}");
        foreach (FailedUnit unit in _guest.SystemState?.FailedUnits ?? [])
            Message.Warning(unit.ToString());
        _relay.ServeFrom(_guest);
    }

    private async Task<Guest> BootAsync(GuestOptions options, CancellationToken cancellationToken)
    {
        using var progress = new ProgressLine(TimeSpan.FromSeconds(1));
        return await new GuestBuilder(options with { KernelResolution = new KernelResolveOptions { Progress = progress, LockFile = _request.Run.LockFile, Offline = _request.Run.Offline } }).StartAsync(cancellationToken);
    }

    private async Task RunAsync(string[] command, CancellationToken cancellationToken)
    {
        ExecResult result = await _guest!.ExecAsync(command, cancellationToken);
        if (!result.Success)
            throw new VirtualServerException($"{ShellText.Join(command)} failed in the testbed ({result.Exit}): {result.StandardError.Trim()}");
    }

    private static async Task<string> ReadAsync(Stream stream)
    {
        using var reader = new StreamReader(stream);
        return (await reader.ReadToEndAsync()).Trim();
    }

    // With a slash at its end a link to a directory is that directory.
    private static string FollowLink(string path)
    {
        string directory = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        return Directory.Exists(directory) ? new DirectoryInfo(directory).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? directory : directory;
    }
}
