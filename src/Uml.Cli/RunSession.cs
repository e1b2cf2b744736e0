using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;

namespace Uml.CI.Cli;

/// <summary>Boots a guest, runs one command on this process's standard descriptors, brings files back and says what happened.</summary>
internal sealed class RunSession : IDisposable
{
    // How long the test platform may take over its last words.
    private static readonly TimeSpan PlatformPatience = TimeSpan.FromSeconds(1);
    private const int MostReports = 5;

    private RunRequest _request;
    private readonly ForwardedSignals _signals = new();
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly DateTime _started = DateTime.UtcNow;
    private readonly List<(CopyOut Copy, string? Error)> _copies = [];
    private TestPlatformLink? _testPlatform;
    private GuestLease? _lease;
    private Guest? _guest;
    private TimeSpan _command;
    private TimeSpan _shutdown;
    private ImmutableArray<KernelComplaint> _complaints = [];
    private ulong? _taintBefore;
    private ComplaintVerdict? _verdict;

    private RunSession(RunRequest request) => _request = request;

    /// <summary>Does it all and returns the exit status.</summary>
    public static async Task<int> RunAsync(RunRequest request)
    {
        if (request.DryRun)
            return await DryRun.PrintAsync(request);
        using RunReport? report = request.JsonFile is { } json ? RunReport.Open(json) : null;
        if (request.Guest.KernelLogFile is { } log)
            await OutputFile.Create(log, "--kernel-log").DisposeAsync();
        using var session = new RunSession(request);
        using ParentWatch? parent = request.EndsWithParent ? new ParentWatch(session._signals.Stop) : null;
        return await session.RunAsync(report);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _lease?.Dispose();
        _signals.Dispose();
    }

    private async Task<int> RunAsync(RunReport? report)
    {
        Outcome outcome;
        try
        {
            outcome = await RunGuestAsync();
        }
        catch (Exception e) when (Outcome.Of(e, _signals.Last) is { } failure)
        {
            outcome = failure;
        }

        if (_guest is not null)
            outcome = await FinishAsync(_guest, outcome);
        if (outcome.ExitStatus == 0 && _copies.Any(c => c.Error is not null))
            outcome = outcome with { Name = "copy-out-failed", ExitStatus = ExitStatus.NotProvided };
        int status = outcome.ExitStatus;
        Explain(outcome);
        try
        {
            report?.Write(new RunReport.Facts(_request, outcome, _guest, _command, _shutdown, _clock.Elapsed) { Reports = _complaints, Copies = _copies, Verdict = _verdict });
        }
        catch (IOException e)
        {
            Message.Error($"the file \"{_request.JsonFile}\" of --json cannot be written: {e.Message}");
            return status == 0 ? ExitStatus.NotProvided : status;
        }

        return status;
    }

    private async Task<Outcome> RunGuestAsync()
    {
        using (var progress = new ProgressLine(TimeSpan.FromSeconds(1)))
        {
            GuestOptions options = _request.Guest;
            options = options with
            {
                KernelResolution = new KernelResolveOptions { Progress = progress, LockFile = _request.LockFile, SettingsDirectory = _request.SettingsDirectory, Offline = _request.Offline },
                KernelLogListener = _request.ShowKernelLog ? ShowLogLine : null,
            };
            if (_request.WaitsForRoom)
                _lease = await GuestLimit.Shared.AcquireAsync(options.Memory, _signals.Stopped);
            _guest = await new GuestBuilder(options).StartAsync(_signals.Stopped);
        }

        foreach (FailedUnit unit in _guest.SystemState?.FailedUnits ?? [])
            Message.Warning(unit.ToString());

        if (_request.Gate is not null)
            _taintBefore = await ComplaintGate.ReadTaintAsync(_guest, _signals.Stopped);
        if (_request.Verbose)
            Introduce(_guest);
        if (_request.Banner)
            Message.Note($"Linux {_guest.Release} ({_guest.Kernel.Reference}), root {_request.Guest.Root}; what you change is gone at the end; Ctrl-] three times ends the guest");
        return await RunCommandAsync(_guest);
    }

    private async Task<Outcome> RunCommandAsync(Guest guest)
    {
        if (_request.Command.IsEmpty)
            _request = _request with { Command = [.. guest.Image?.Record.Command ?? []] };
        if (_request.Command.IsEmpty)
            throw new ArgumentException($"no command was given, and the root {_request.Guest.Root} names none: uml run [options] [--] COMMAND...");
        bool input = !_request.NoInput && Descriptor.Input.HasContent;
        var options = new ExecOptions(_request.Command)
        {
            User = _request.User,
            RedirectStandardInput = input,
            Terminal = _request.Terminal ? RawTerminal.Size : null,
            Timeout = _request.Timeout,
        };
        _testPlatform = _request.TestPlatformSocket is { } socket ? await TestPlatformLink.OpenAsync(guest, socket, _signals.Stopped) : null;
        _ = _testPlatform?.Lost.ContinueWith(_ => _signals.Stop(), TaskScheduler.Default);
        long start = Stopwatch.GetTimestamp();
        GuestProcess process = await guest.StartProcessAsync(options, _signals.Stopped);
        (GuestExit exit, CommandStreams streams) = await CommandStreams.FollowAsync(new OwnCommandProcess(process), _signals, input, _request.Terminal, WaitAsync);
        if (_testPlatform is not null)
            await Task.WhenAny(_testPlatform.FinishAsync(_signals.Stopped), Task.Delay(PlatformPatience));
        return streams.Judge(exit);

        async Task<GuestExit> WaitAsync()
        {
            try
            {
                return await process.WaitAsync(_signals.Stopped);
            }
            finally
            {
                _command = Stopwatch.GetElapsedTime(start);
            }
        }
    }

    private async Task<Outcome> FinishAsync(Guest guest, Outcome outcome)
    {
        foreach (CopyOut copy in _request.CopiesOut)
            _copies.Add((copy, await CopyOutAsync(guest, copy, outcome)));
        if (_testPlatform is not null)
        {
            if (outcome.GuestAnswers && !_signals.Stopped.IsCancellationRequested)
            {
                foreach (string problem in await _testPlatform.BringAttachmentsAsync(guest, _signals.Stopped))
                    Message.Warning(problem);
            }

            await _testPlatform.DisposeAsync();
        }

        ulong? taintAfter = _request.Gate is not null && outcome.GuestAnswers && !_signals.Stopped.IsCancellationRequested ? await ComplaintGate.ReadTaintAsync(guest, _signals.Stopped) : null;
        long start = Stopwatch.GetTimestamp();
        // Nobody waits for a guest whose run was broken off, least of all when the process that wanted it is gone.
        await (_request.EndsWithParent && _signals.Stopped.IsCancellationRequested ? guest.DisposeAtOnceAsync() : guest.DisposeAsync());
        _shutdown = Stopwatch.GetElapsedTime(start);
        _complaints = guest.KernelLog.Complaints;

        // The kernel may have panicked behind the command's back, or on its way out: that is no success.
        const int Abort = 6;
        if (outcome.ExitStatus == 0 && await guest.WaitForExitAsync() is { Signal: Abort })
        {
            KernelPanic? panic = guest.KernelLog.Panic;
            return new Outcome("panic", ExitStatus.Lost)
            {
                Error = $"the guest's kernel panicked after the command had ended: {panic?.Reason ?? "no report"}",
                Detail = panic is null ? guest.KernelLog.Tail() : string.Join('\n', panic.Lines),
                GuestAnswers = false,
            };
        }

        if (_request.Gate is { } gate && outcome.GuestAnswers && !_signals.Stopped.IsCancellationRequested)
        {
            _verdict = await gate.JudgeAsync(guest.KernelLog.Lines.Select(KunitBoot.Text), guest.Kernel, _taintBefore, taintAfter, _signals.Stopped);
            if (outcome.ExitStatus == 0 && !_verdict.IsClean)
                outcome = new Outcome("complained", ExitStatus.Complained);
        }

        // The kernel writes them with its last breath, and nobody's empty report may pass for a full one.
        if (_request.Guest.CoverageDirectory is { } counts && !HasCounts(counts))
        {
            string missing = $"the guest left no counts in {counts}: it was killed before it had written them, or the directory cannot be written";
            if (outcome.ExitStatus == 0)
                return new Outcome("coverage-failed", ExitStatus.NotProvided) { Error = missing };
            Message.Warning(missing);
        }

        return outcome.ExitStatus == 0 && guest.KernelLog.CopyFailure is { } failure
            ? new Outcome("kernel-log-failed", ExitStatus.NotProvided) { Error = $"the kernel log cannot be written to \"{_request.Guest.KernelLogFile}\": {failure}" }
            : outcome;
    }

    private bool HasCounts(string directory)
    {
        try
        {
            return Directory.EnumerateFiles(directory, "*.gcda", SearchOption.AllDirectories).Any(f => File.GetLastWriteTimeUtc(f) >= _started);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private async Task<string?> CopyOutAsync(Guest guest, CopyOut copy, Outcome outcome)
    {
        if (!outcome.GuestAnswers || _signals.Stopped.IsCancellationRequested)
            return $"cannot copy {copy.GuestPath} of the guest to {copy.HostPath}: the guest is gone";
        try
        {
            await guest.CopyOutAsync(copy.GuestPath, copy.HostPath, _signals.Stopped);
            return null;
        }
        catch (OperationCanceledException)
        {
            return $"cannot copy {copy.GuestPath} of the guest to {copy.HostPath}: interrupted";
        }
        catch (Exception e) when (e is GuestException or IOException or UnauthorizedAccessException)
        {
            return e is GuestException { Summary.Length: 0 } or not GuestException ? e.Message : $"cannot copy {copy.GuestPath} of the guest to {copy.HostPath}: {((GuestException)e).Summary}";
        }
    }

    private void Explain(Outcome outcome)
    {
        outcome.Print();

        foreach (string problem in _verdict?.Problems ?? [])
            Message.Error(TestStyle.Safe(problem));
        foreach (string note in _verdict?.Notes ?? [])
            Message.Note(TestStyle.Safe(note));

        // What a test did to its kernel matters also when the test is content.
        KernelComplaint[] complaints = _verdict is not null ? [] : [.. _complaints.Where(c => c.Kind != KernelComplaintKind.Panic)];
        foreach (KernelComplaint complaint in complaints.Take(MostReports))
            Message.Warning($"the guest's kernel reported: {TestStyle.Safe(complaint.Title)}");
        if (complaints.Length > MostReports)
            Message.Warning($"the guest's kernel reported {complaints.Length - MostReports} more; --kernel-log shows them");
        foreach ((_, string? failure) in _copies)
        {
            if (failure is not null)
                Message.Error(failure);
        }

        if (_request.Verbose && _guest is not null)
            Message.Note($"{outcome.Name}, status {outcome.ExitStatus}; command {Duration.Format(_command)}, shutdown {Duration.Format(_shutdown)}, all {Duration.Format(_clock.Elapsed)}");
    }

    /// <summary>Says what runs, and where the time went until it did.</summary>
    public static void Introduce(Guest guest)
    {
        BootTimings times = guest.Timings;
        Message.Note($"Linux {guest.Release} ({guest.Kernel.Reference}), {guest.Kernel.ExecutablePath}");
        Message.Note($"confinement: {(guest.Confinement.Length > 0 ? guest.Confinement : "none")}");
        Message.Note($"ready after {Duration.Format(times.Total)}: plan {Duration.Format(times.Plan)}, spawn {Duration.Format(times.Spawn)}, kernel {Duration.Format(times.Kernel)}, set-up {Duration.Format(times.Setup)}{(times.Init > TimeSpan.Zero ? $", {guest.Options.Init} {Duration.Format(times.Init)} ({guest.SystemState?.State})" : "")}");
        foreach (string warning in guest.Warnings)
            Message.Warning(warning);
    }

    private static void ShowLogLine(KernelLogLine line)
    {
        string time = line.KernelTime is { } stamp ? $"[{stamp.TotalSeconds.ToString("F6", CultureInfo.InvariantCulture),12}] " : "";
        Descriptor.Error.Write($"{time}{line.Text}{(RawTerminal.IsActive ? "\r\n" : "\n")}");
    }
}
