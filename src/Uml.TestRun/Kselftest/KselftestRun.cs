using System.Collections.Immutable;
using System.Diagnostics;
using System.Text;

namespace Uml.CI;

/// <summary>
/// Runs the kernel's selftests in a guest, one after the other, as its run_kselftest.sh does; a test that takes the guest down is
/// named, and the others get another guest.
/// </summary>
public sealed class KselftestRun
{
    // Where the tests are in the guest: no path of the host's that a test could depend on.
    private const string Place = "/kselftest";
    private const int Pass = 0, Fail = 1, XFail = 2, XPass = 3, Skip = 4, TimeoutStatus = 124;

    private const int MostOptions = 8;

    // Says in the kernel's log whose it is, as the kernel's runner does; standard error goes with standard output.
    private const string Script = """
        exec 2>&1
        echo "kselftest: $1" > /dev/kmsg
        args=$(printf %s "KSELFTEST_$(basename "$2")_ARGS" | tr -c '[:alnum:]_' _ | tr '[:lower:]' '[:upper:]')
        eval "args=\${$args:-}"
        set -- "$2"
        lines=
        command -v stdbuf > /dev/null && lines='stdbuf --output=L'
        if [ -x "$1" ]; then set -- "./$1"
        elif [ -x ./ksft_runner.sh ]; then set -- ./ksft_runner.sh "./$1"
        elif [ "$(head -c 2 "$1")" = '#!' ]; then set -- $(head -n 1 "$1" | cut -c 3-) "./$1"
        else echo "# $1 is not executable"; exit 1
        fi
        exec $lines "$@" $args
        """;

    private const string InNetwork = """
        command -v unshare > /dev/null || { echo "unshare is missing: install util-linux"; exit 1; }
        exec unshare --net sh -c '{ ip link set lo up || ifconfig lo up; } > /dev/null 2>&1; exec "$@"' sh "$@"
        """;

    private readonly KselftestOptions _options;
    private readonly IKtapObserver? _observer;
    private readonly List<string> _problems = [];
    private readonly List<string> _notes = [];
    private readonly List<ReportComplaint> _complaints = [];
    private readonly List<string> _log = [];
    private GuestKernel? _kernel;
    private int _losses;

    private KselftestRun(KselftestOptions options, IKtapObserver? observer)
    {
        _options = options;
        _observer = observer;
    }

    /// <summary>Runs the tests.</summary>
    /// <exception cref="KernelException">The kernel could not be had.</exception>
    /// <exception cref="GuestException">No guest came up.</exception>
    /// <exception cref="ArgumentException">An option makes no sense; the message names it.</exception>
    public static async Task<KselftestResult> RunAsync(KselftestOptions options, IKtapObserver? observer = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        long begun = Stopwatch.GetTimestamp();
        var run = new KselftestRun(options, observer);
        var done = new List<(KselftestEntry Entry, KtapTest Test)>();
        while (done.Count < options.Tests.Length)
        {
            if (run._losses >= options.MaximumLosses)
            {
                run._problems.Add($"{run._losses} guests were lost to their tests; the {options.Tests.Length - done.Count} tests that were left did not run");
                break;
            }

            await run.RunGuestAsync(done, cancellationToken);
        }

        foreach (KselftestEntry entry in options.Tests.Skip(done.Count))
            done.Add((entry, new KtapTest { Name = entry.Program, Outcome = KtapOutcome.NotRun, Directive = KtapDirective.NotRun, Reason = "no guest lived to run it" }));
        KtapTest root = Tree(done);
        var totals = new KselftestTotals(
            done.Count(d => d.Test.Outcome == KtapOutcome.Passed),
            done.Count(d => d.Test.Outcome is not (KtapOutcome.Passed or KtapOutcome.ExpectedFailure or KtapOutcome.Skipped)),
            done.Count(d => d.Test.Outcome == KtapOutcome.ExpectedFailure),
            done.Count(d => d.Test.Outcome == KtapOutcome.Skipped));
        if (done.Count == 0)
            run._problems.Add("no test ran: there are none");
        else if (totals.Pass + totals.Fail + totals.XFail == 0)
            run._problems.Add($"no test ran: all {totals.Skip} were skipped");
        return new KselftestResult(run._kernel!, root, totals, [.. run._problems], [.. run._notes.Distinct()], [.. run._complaints], [.. run._log], Stopwatch.GetElapsedTime(begun));
    }

    private async Task RunGuestAsync(List<(KselftestEntry Entry, KtapTest Test)> done, CancellationToken cancellationToken)
    {
        GuestOptions options = _options.Guest with { Mounts = _options.Guest.Mounts.Add(new GuestMount(_options.Directory, Place, MountMode.CopyOnWrite)) };
        using GuestLease lease = await GuestLimit.Shared.AcquireAsync(options.Memory, cancellationToken);
        Guest guest = await new GuestBuilder(options).StartAsync(cancellationToken);
        if (_kernel is null)
            NoteMissingOptions(guest.Kernel);
        _kernel = guest.Kernel;
        bool alive = true;
        ulong? before, after = null;
        try
        {
            before = await ComplaintGate.ReadTaintAsync(guest, cancellationToken);
            while (alive && done.Count < _options.Tests.Length)
            {
                KselftestEntry entry = _options.Tests[done.Count];
                if (done.Count == 0 || done[^1].Entry.Collection != entry.Collection)
                    _observer?.Started([], entry.Collection, _options.Tests.Count(t => t.Collection == entry.Collection));
                (KtapTest test, alive) = await RunTestAsync(guest, entry, done.Count(d => d.Entry.Collection == entry.Collection) + 1, cancellationToken);
                done.Add((entry, test));
                _observer?.Finished([entry.Collection], test);
            }

            if (alive)
                after = await ComplaintGate.ReadTaintAsync(guest, cancellationToken);
            else
                _losses++;
        }
        finally
        {
            await guest.DisposeAsync();
        }

        string[] log = [.. guest.KernelLog.Lines.Select(KunitBoot.Text)];
        _log.AddRange(log);
        if (_options.Gate is not { } gate)
            return;

        // The taint of a guest that is gone cannot be asked for, and its end is a failure already.
        ComplaintVerdict verdict = alive ? await gate.JudgeAsync(log, guest.Kernel, before, after, cancellationToken) : await gate.JudgeAsync(log, guest.Kernel, cancellationToken);
        _problems.AddRange(verdict.Problems);
        _notes.AddRange(verdict.Notes);
        _complaints.AddRange(verdict.ForReport());
    }

    // A target's own "config" says what it needs of a kernel. Without it tests fail or are skipped, and their output rarely says why.
    private void NoteMissingOptions(GuestKernel kernel)
    {
        string known = Path.Combine(Path.GetDirectoryName(kernel.ExecutablePath) ?? "/", "config");
        if (!File.Exists(known))
            return;
        HashSet<string> set = [.. KselftestEntry.OptionsSet(File.ReadLines(known))];
        foreach (string collection in _options.Tests.Select(t => t.Collection).Distinct(StringComparer.Ordinal))
        {
            string wanted = Path.Combine(_options.Directory, collection, "config");
            string[] missing = File.Exists(wanted) ? [.. KselftestEntry.OptionsSet(File.ReadLines(wanted)).Where(o => !set.Contains(o))] : [];
            if (missing.Length > 0)
                _notes.Add($"{collection} wants {string.Join(", ", missing.Take(MostOptions))}{(missing.Length > MostOptions ? $" and {missing.Length - MostOptions} more" : "")}, which this kernel has not");
        }
    }

    private async Task<(KtapTest Test, bool Alive)> RunTestAsync(Guest guest, KselftestEntry entry, int number, CancellationToken cancellationToken)
    {
        TimeSpan? limit = _options.Timeout ?? entry.Timeout;
        string[] command = ["sh", "-c", Script, "sh", entry.ToString(), entry.Program];
        var options = new ExecOptions(_options.NetworkNamespaces ? ["sh", "-c", InNetwork, "sh", .. command] : command)
        {
            WorkingDirectory = $"{Place}/{entry.Collection}",
            Timeout = limit,
        };
        long begun = Stopwatch.GetTimestamp();
        using var output = new MemoryStream();
        try
        {
            GuestProcess process = await guest.StartProcessAsync(options, cancellationToken);
            Task reading = process.StandardOutput.CopyToAsync(output, CancellationToken.None);
            _ = reading.ContinueWith(t => t.Exception, TaskScheduler.Default);
            try
            {
                GuestExit exit = await process.WaitAsync(cancellationToken);
                await reading.WaitAsync(cancellationToken);
                return (Judge(entry, number, exit, Text(output), Stopwatch.GetElapsedTime(begun)), true);
            }
            catch
            {
                // What it wrote before the end may say why.
                await Task.WhenAny(reading, Task.Delay(TimeSpan.FromSeconds(1), CancellationToken.None));
                throw;
            }
        }
        catch (GuestTimeoutException)
        {
            return (Test(entry, number, KtapOutcome.TimedOut, KtapDirective.Timeout, $"no end within {GuestProcess.Format(limit!.Value)}", Text(output), Stopwatch.GetElapsedTime(begun)), true);
        }
        catch (ExecException e)
        {
            return (Test(entry, number, KtapOutcome.Error, KtapDirective.Error, e.Summary, "", Stopwatch.GetElapsedTime(begun)), true);
        }
        catch (Exception e) when (e is KernelPanicException or GuestConnectionException)
        {
            return (Test(entry, number, KtapOutcome.Crashed, KtapDirective.Crashed, ((GuestException)e).Summary, Text(output), Stopwatch.GetElapsedTime(begun)), false);
        }
    }

    /// <summary>What an exit status means (tools/testing/selftests/kselftest.h, and timeout(1)).</summary>
    internal static (KtapOutcome Outcome, KtapDirective Directive, string Reason) Meaning(GuestExit exit) => exit switch
    {
        { Signal: { } signal } => (KtapOutcome.Failed, KtapDirective.None, $"killed by signal {signal}"),
        { ExitCode: Pass } => (KtapOutcome.Passed, KtapDirective.None, ""),
        { ExitCode: Fail } => (KtapOutcome.Failed, KtapDirective.None, "exit status 1"),
        { ExitCode: XFail } => (KtapOutcome.ExpectedFailure, KtapDirective.XFail, ""),
        { ExitCode: XPass } => (KtapOutcome.Failed, KtapDirective.None, "exit status 3, which stands for a pass that was not expected"),
        { ExitCode: Skip } => (KtapOutcome.Skipped, KtapDirective.Skip, ""),
        { ExitCode: TimeoutStatus } => (KtapOutcome.TimedOut, KtapDirective.Timeout, "it says that it took too long (exit status 124)"),
        _ => (KtapOutcome.Failed, KtapDirective.None, $"exit status {exit.ExitCode}"),
    };

    private KtapTest Judge(KselftestEntry entry, int number, GuestExit exit, string output, TimeSpan duration)
    {
        (KtapOutcome outcome, KtapDirective directive, string reason) = Meaning(exit);
        KtapTest test = Test(entry, number, outcome, directive, reason, output, duration);
        int bad = test.Subtests.Sum(t => t.Counts.Bad);
        if (bad > 0 && !outcome.IsFailure())
            _problems.Add($"{entry} says that it is well, and {bad} of its tests failed or gave no result");
        return test;
    }

    private static KtapTest Test(KselftestEntry entry, int number, KtapOutcome outcome, KtapDirective directive, string reason, string output, TimeSpan duration)
    {
        KtapResults? inner = output.Contains("TAP version", StringComparison.Ordinal) ? KtapParser.Parse(output) : null;
        if (outcome == KtapOutcome.Skipped && reason.Length == 0)
            reason = output.Split('\n').Select(l => l.Trim()).LastOrDefault(l => l.Contains("SKIP", StringComparison.Ordinal))?.TrimStart('#', ' ') ?? "";
        // Some programs announce tests and print only their totals (kcmp_test). Where those are good, results that never came are none lost.
        ImmutableArray<KtapTest> subtests = inner?.Root.Subtests ?? [];
        if (!outcome.IsFailure() && output.Split('\n').Any(l => l.Contains("# Totals: pass:", StringComparison.Ordinal) && l.Contains(" fail:0 ", StringComparison.Ordinal) && l.Contains(" error:0", StringComparison.Ordinal)))
            subtests = [.. subtests.Where(t => t.Line > 0)];
        return new KtapTest
        {
            Name = entry.Program,
            Number = number,
            Outcome = outcome,
            IsOk = !outcome.IsFailure(),
            Directive = directive,
            Reason = reason,
            IsSuite = !subtests.IsEmpty,
            Plan = subtests.IsEmpty ? null : inner!.Root.Plan,
            Subtests = subtests,
            Log = [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => new KtapLogLine(false, l.TrimEnd('\r')))],
            Duration = duration,
        };
    }

    private static KtapTest Tree(List<(KselftestEntry Entry, KtapTest Test)> done)
    {
        var suites = new List<KtapTest>();
        foreach (IGrouping<string, (KselftestEntry Entry, KtapTest Test)> group in done.GroupBy(d => d.Entry.Collection, StringComparer.Ordinal))
        {
            ImmutableArray<KtapTest> tests = [.. group.Select(d => d.Test)];
            KtapOutcome outcome = OutcomeOf(tests);
            suites.Add(new KtapTest { Name = group.Key, Number = suites.Count + 1, Outcome = outcome, IsOk = !outcome.IsFailure(), IsSuite = true, Plan = tests.Length, Subtests = tests });
        }

        KtapOutcome whole = suites.Count == 0 ? KtapOutcome.NoTests : OutcomeOf([.. suites]);
        return new KtapTest { IsRoot = true, IsSuite = true, Outcome = whole, IsOk = !whole.IsFailure(), Plan = suites.Count, Subtests = [.. suites] };
    }

    private static KtapOutcome OutcomeOf(ImmutableArray<KtapTest> tests) =>
        tests.Any(t => t.Outcome == KtapOutcome.Crashed) ? KtapOutcome.Crashed
        : tests.Any(t => t.Outcome.IsFailure()) ? KtapOutcome.Failed
        : tests.All(t => t.Outcome == KtapOutcome.Skipped) ? KtapOutcome.Skipped
        : KtapOutcome.Passed;

    private static string Text(MemoryStream output) => Encoding.UTF8.GetString(output.GetBuffer(), 0, (int)output.Length);
}
