using System.Collections.Immutable;
using System.Diagnostics;
using System.Text;

namespace Uml.CI;

/// <summary>One package in one guest: the steps, one after another, as far as they make sense.</summary>
internal sealed class SmokeRun
{
    /// <summary>Where the guest sees what the host prepared.</summary>
    public const string Place = "/opt/uml-smoke";

    private const int JournalLines = 20;

    private static readonly ImmutableArray<string> s_takingAway = ["remove", "purge", "leftovers", "reinstall", "upgrade"];

    private readonly SmokeOptions _options;
    private readonly PreparedSuite _suite;
    private readonly SmokeTarget _target;
    private readonly GuestOptions _guestOptions;
    private readonly ISmokeListener _listener;
    private readonly List<SmokeStep> _steps = [];
    private readonly StringBuilder _log = new();
    private readonly List<string> _stepProblems = [];
    private readonly List<string> _stepNotes = [];
    private Guest? _guest;
    private string? _lost;
    private SystemSnapshot? _before;

    private SmokeRun(SmokeOptions options, PreparedSuite suite, SmokeTarget target, GuestOptions guest, ISmokeListener listener)
    {
        _options = options;
        _suite = suite;
        _target = target;
        _listener = listener;
        _guestOptions = guest with
        {
            Root = suite.Root,
            Init = InitSystem.Systemd,
            Mounts = guest.Mounts.Add(new GuestMount(suite.Directory, Place)),
            WorkingDirectory = "/",
        };
    }

    /// <summary>Tests a package. What goes wrong is in the result.</summary>
    /// <exception cref="KernelException">The kernel could not be had.</exception>
    /// <exception cref="GuestUnavailableException">This host cannot run guests.</exception>
    public static async Task<SmokeResult> RunAsync(SmokeOptions options, PreparedSuite suite, SmokeTarget target, GuestOptions guest, ISmokeListener listener, CancellationToken cancellationToken)
    {
        var run = new SmokeRun(options, suite, target, guest, listener);
        DateTimeOffset started = DateTimeOffset.Now;
        long begun = Stopwatch.GetTimestamp();
        SmokeResult result = await run.RunAsync(cancellationToken);
        return result with { Started = started, Duration = Stopwatch.GetElapsedTime(begun) };
    }

    private async Task<SmokeResult> RunAsync(CancellationToken cancellationToken)
    {
        var result = new SmokeResult(_target, _suite.Suite, _guestOptions.Kernel.ToString());
        if (_target.Problem is { } problem)
        {
            foreach (string name in SmokeStep.Names)
                Add(new SmokeStep(name, name == "install" ? ReportOutcome.Failed : ReportOutcome.Skipped, name == "install" ? problem : "the package cannot be installed", [], "", TimeSpan.Zero));
            return result with { Steps = [.. _steps] };
        }

        ulong? before = null, after = null;
        try
        {
            await StepAsync("start", () => StartAsync(cancellationToken), cancellationToken);
            if (_guest is not null && Passed("start"))
                before = await ComplaintGate.ReadTaintAsync(_guest, cancellationToken);
            await StepAsync("install", () => InstallAsync(_target.Version, cancellationToken), cancellationToken, "start");
            await StepAsync("services", () => CheckServicesAsync(cancellationToken), cancellationToken, "install");
            await StepAsync("files", () => DoAsync(cancellationToken, "files", _target.Name), cancellationToken, "install");
            await StepAsync("conffiles", () => DoAsync(cancellationToken, "conffiles", _target.Name), cancellationToken, "install");
            await StepAsync("remove", () => DoAsync(cancellationToken, "remove", _target.Name), cancellationToken, "install");
            await StepAsync("purge", () => DoAsync(cancellationToken, "purge", _target.Name), cancellationToken, "install");
            await StepAsync("leftovers", () => CheckLeftoversAsync(cancellationToken), cancellationToken, "purge");
            await StepAsync("reinstall", () => ReinstallAsync(cancellationToken), cancellationToken, "purge");
            await StepAsync("upgrade", () => UpgradeAsync(cancellationToken), cancellationToken, "purge");
            if (_guest is not null && _lost is null)
                after = await ComplaintGate.ReadTaintAsync(_guest, cancellationToken);
        }
        finally
        {
            if (_guest is not null)
                await _guest.DisposeAsync();
        }

        result = result with { Steps = [.. _steps], Release = _guest?.Release ?? "" };
        if (_guest is null)
            return result;
        string[] log = [.. _guest.KernelLog.Lines.Select(KunitBoot.Text)];
        result = result with { KernelLog = string.Concat(log.Select(l => l + "\n")) };
        if (_options.Gate is not { } gate)
            return result;
        ComplaintVerdict verdict = _lost is null && before is not null
            ? await gate.JudgeAsync(log, _guest.Kernel, before, after, cancellationToken)
            : await gate.JudgeAsync(log, _guest.Kernel, cancellationToken);
        return result with { Problems = verdict.Problems, Complaints = verdict.ForReport() };
    }

    private async Task StartAsync(CancellationToken cancellationToken)
    {
        _guest = await new GuestBuilder(_guestOptions).StartAsync(cancellationToken);
        foreach (FailedUnit unit in _guest.SystemState?.FailedUnits ?? [])
            _stepNotes.Add($"before anything was installed, {unit.Name} had failed ({unit.Result})");
        await DoAsync(cancellationToken, "prepare", _options.Recommends ? "1" : "0");
        if (_stepProblems.Count == 0)
            _before = await SnapshotAsync(cancellationToken);
    }

    private async Task InstallAsync(string version, CancellationToken cancellationToken)
    {
        await DoAsync(cancellationToken, "install", _target.Name, version);
        if (_stepProblems.Count == 0)
            await DoAsync(cancellationToken, "audit");
    }

    private async Task ReinstallAsync(CancellationToken cancellationToken)
    {
        await InstallAsync(_target.Version, cancellationToken);
        if (_stepProblems.Count == 0 && !_options.Skip.Contains("services"))
            await CheckServicesAsync(cancellationToken);
    }

    private async Task UpgradeAsync(CancellationToken cancellationToken)
    {
        if (_target.OlderVersion is not { } older)
            throw new StepSkippedException(_target.NoUpgrade);
        await DoAsync(cancellationToken, "purge", _target.Name);
        if (_stepProblems.Count == 0)
            await InstallAsync(older, cancellationToken);
        if (_stepProblems.Count > 0)
            throw new StepSkippedException($"the suite's version {older} cannot be installed to upgrade from: {_stepProblems[0]}");
        await ReinstallAsync(cancellationToken);
        if (_stepProblems.Count == 0)
            _stepNotes.Add($"from {older}");
    }

    private async Task CheckServicesAsync(CancellationToken cancellationToken)
    {
        string listed = await CaptureAsync(cancellationToken, "units");
        (string Unit, string Package)[] units = [.. listed.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('\t')).Where(l => l.Length == 2 && !l[0].Contains("@.", StringComparison.Ordinal)).Select(l => (l[0], l[1]))];
        var bad = new SortedDictionary<string, string>(StringComparer.Ordinal);
        if (units.Length > 0)
        {
            // One that dies is seen once it had time to; one that is slow has the time of a step.
            await Task.Delay(_options.Settle, cancellationToken);
            long begun = Stopwatch.GetTimestamp();
            ImmutableArray<ServiceState> states;
            while (true)
            {
                ExecResult shown = await _guest!.ExecAsync(new ExecOptions(["systemctl", "show", "--no-pager", "-p", ServiceState.Properties, "--", .. units.Select(u => u.Unit)]) { Timeout = _options.Timeout }, cancellationToken);
                states = ServiceState.Parse(shown.StandardOutput);
                if (!states.Any(s => s.IsPending) || Stopwatch.GetElapsedTime(begun) > TimeSpan.FromSeconds(Math.Min(120, _options.Timeout.TotalSeconds)))
                    break;
                await Task.Delay(TimeSpan.FromMilliseconds(300), cancellationToken);
            }

            foreach (ServiceState state in states)
            {
                _log.Append(state).Append('\n');
                if (state.Problem is { } why)
                    bad[state.Unit] = why;
                else if (state.Note is { } note)
                    _stepNotes.Add(note);
            }
        }

        var now = SystemSnapshot.Parse("", await CaptureAsync(cancellationToken, "state"));
        foreach (string unit in now.NewFacts(_before!, "failed"))
            bad.TryAdd(unit, $"{unit} failed");
        foreach ((string unit, string why) in bad)
        {
            string? package = units.FirstOrDefault(u => u.Unit == unit).Package;
            _stepProblems.Add(package is null || package == _target.Name ? why : $"{why} (of {package})");
            ExecResult journal = await _guest!.ExecAsync(new ExecOptions("journalctl", "-u", unit, "-n", $"{JournalLines}", "--no-pager", "-o", "short-monotonic") { Timeout = _options.Timeout }, cancellationToken);
            _log.Append("The end of the journal of ").Append(unit).Append(":\n").Append(journal.StandardOutput);
        }

        foreach (string listener in now.NewFacts(_before!, "listener"))
        {
            string note = "listens: " + listener;
            if (!_stepNotes.Contains(note))
                _stepNotes.Add(note);
        }
    }

    private async Task CheckLeftoversAsync(CancellationToken cancellationToken)
    {
        SystemSnapshot after = await SnapshotAsync(cancellationToken);
        (ImmutableArray<string> problems, ImmutableArray<string> notes) = _options.Family.Leftovers.Compare(_before!, after);
        _stepProblems.AddRange(problems);
        _stepNotes.AddRange(notes);
        await DoAsync(cancellationToken, "running");
    }

    private async Task<SystemSnapshot> SnapshotAsync(CancellationToken cancellationToken) =>
        SystemSnapshot.Parse(await CaptureAsync(cancellationToken, "snapshot"), await CaptureAsync(cancellationToken, "state"));

    /// <summary>Has the guest do something; problems, notes and log are the step's.</summary>
    private async Task DoAsync(CancellationToken cancellationToken, params string[] words)
    {
        ExecResult result = await ExecAsync(words, cancellationToken);
        var text = new StringBuilder();
        bool said = false;
        foreach (string line in (result.StandardOutput + result.StandardError).Split('\n'))
        {
            if (line.StartsWith("problem\t", StringComparison.Ordinal))
            {
                _stepProblems.Add(line["problem\t".Length..].Trim());
                said = true;
            }
            else if (line.StartsWith("note\t", StringComparison.Ordinal))
            {
                _stepNotes.Add(line["note\t".Length..].Trim());
            }
            else if (line.Length > 0)
            {
                text.Append(line).Append('\n');
            }
        }

        _log.Append(text);
        if (!result.Success && !said)
            _stepProblems.Add(PackageErrors.Why(text.ToString()) ?? $"{words[0]} ended with {result.Exit}");
    }

    private async Task<string> CaptureAsync(CancellationToken cancellationToken, params string[] words)
    {
        ExecResult result = await ExecAsync(words, cancellationToken);
        // Files may go while they are looked for.
        if (!result.Success && words[0] != "snapshot")
            _stepProblems.Add($"{words[0]} ended with {result.Exit}: {result.StandardError.Trim()}");
        return result.StandardOutput;
    }

    private Task<ExecResult> ExecAsync(string[] words, CancellationToken cancellationToken) =>
        _guest!.ExecAsync(new ExecOptions(["sh", $"{Place}/smoke.sh", .. words]) { Timeout = _options.Timeout }, cancellationToken);

    private bool Passed(string step) => _steps.Any(s => s.Name == step && s.Outcome == ReportOutcome.Passed);

    private async Task StepAsync(string name, Func<Task> work, CancellationToken cancellationToken, string? needs = null)
    {
        cancellationToken.ThrowIfCancellationRequested();
        string? skipped = _lost is not null ? $"the guest was lost in the step {_lost}"
            : _options.Skip.Contains(name) ? "asked for"
            : _target.InImage is not null && s_takingAway.Contains(name) ? $"the image itself has {_target.Name} ({_target.InImage}): without it, it would be another system"
            : needs is not null && !Passed(needs) ? $"{needs} {(_steps.Single(s => s.Name == needs).Outcome == ReportOutcome.Skipped ? "was skipped" : "failed")}"
            : null;
        if (skipped is not null)
        {
            Add(new SmokeStep(name, ReportOutcome.Skipped, skipped, [], "", TimeSpan.Zero));
            return;
        }

        _listener.Begins(_target, _suite.Suite, _guestOptions.Kernel.ToString(), name);
        _log.Clear();
        _stepProblems.Clear();
        _stepNotes.Clear();
        long begun = Stopwatch.GetTimestamp();
        ReportOutcome? outcome = null;
        string reason = "";
        try
        {
            await work();
        }
        catch (StepSkippedException e)
        {
            outcome = ReportOutcome.Skipped;
            reason = e.Message;
        }
        catch (GuestTimeoutException)
        {
            outcome = ReportOutcome.TimedOut;
            reason = $"no end within {GuestProcess.Format(_options.Timeout)}";
        }
        catch (Exception e) when (e is KernelPanicException or GuestConnectionException)
        {
            _lost = name;
            outcome = ReportOutcome.Crashed;
            reason = ((GuestException)e).Summary;
            _log.Append(e.Message).Append('\n');
        }
        catch (GuestException e) when (e is not GuestUnavailableException)
        {
            outcome = ReportOutcome.Error;
            reason = e.Summary.Length > 0 ? e.Summary : e.Message.Split('\n')[0];
            _log.Append(e.Message).Append('\n');
        }

        outcome ??= _stepProblems.Count > 0 ? ReportOutcome.Failed : ReportOutcome.Passed;
        if (reason.Length == 0)
            reason = string.Join("; ", _stepProblems.Take(4)) + (_stepProblems.Count > 4 ? $"; and {_stepProblems.Count - 4} more" : "");
        if (_stepProblems.Count > 4)
            _log.Append(string.Concat(_stepProblems.Select(p => $"problem: {p}\n")));
        Add(new SmokeStep(name, outcome.Value, reason, [.. _stepNotes.Distinct()], _log.ToString(), Stopwatch.GetElapsedTime(begun)));
    }

    private void Add(SmokeStep step)
    {
        _steps.Add(step);
        _listener.Ended(_target, _suite.Suite, _guestOptions.Kernel.ToString(), step);
    }

    /// <summary>A step turned out to make no sense.</summary>
    private sealed class StepSkippedException(string reason) : Exception(reason);
}
