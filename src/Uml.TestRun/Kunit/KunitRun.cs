using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics;

namespace Uml.CI;

/// <summary>
/// Runs a kernel's unit tests (KUnit): boots the kernel, reads their results from its log as they come, and where a test takes the
/// kernel down or hangs, says which, and runs the others in another one.
/// </summary>
public sealed class KunitRun
{
    // A test that hangs may end a moment after its time.
    private const string NoResult = "no result within ";
    private const int MostNames = 10;
    private const int MostFaultLines = 200;
    private const int MostRegisterLines = 12;

    private readonly KunitOptions _options;
    private readonly IKunitObserver? _observer;
    private readonly GuestKernel _kernel;
    private readonly ConcurrentQueue<KunitBoot> _boots = new();
    private readonly Dictionary<KunitTestName, KtapTest> _done = [];
    private readonly Dictionary<string, KtapTest> _suites = new(StringComparer.Ordinal);
    private readonly List<string> _problems = [];
    private readonly Lock _lock = new();
    private bool _givenUp;

    private KunitRun(KunitOptions options, IKunitObserver? observer, GuestKernel kernel)
    {
        _options = options;
        _observer = observer;
        _kernel = kernel;
    }

    /// <summary>Runs the tests.</summary>
    /// <exception cref="KernelException">The kernel could not be had.</exception>
    /// <exception cref="GuestUnavailableException">This host cannot run it.</exception>
    /// <exception cref="ArgumentException">An option makes no sense; the message names it.</exception>
    public static async Task<KunitResult> RunAsync(KunitOptions options, IKunitObserver? observer = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        long begun = Stopwatch.GetTimestamp();
        GuestKernel kernel;
        using (var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, options.Stopping))
            kernel = await ResolveAsync(options, attributes: false, either.Token);
        var run = new KunitRun(options, observer, kernel);
        KtapTest root = await run.RunTestsAsync(cancellationToken);
        return new KunitResult(kernel, root, [.. run._boots], [.. run.FindProblems(root)], Stopwatch.GetElapsedTime(begun));
    }

    /// <summary>Names the tests, in the order in which they would run.</summary>
    /// <exception cref="KernelException">The kernel could not be had.</exception>
    /// <exception cref="GuestException">The kernel did not name them.</exception>
    /// <exception cref="ArgumentException">An option makes no sense; the message names it.</exception>
    public static async Task<ImmutableArray<KunitTestName>> ListAsync(KunitOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        await ResolveAsync(options, attributes: false, cancellationToken);
        return (await ListTestsAsync(options, cancellationToken)).Tests;
    }

    /// <summary>Names the tests with their attributes, as the kernel prints them: <c># SUITE.TEST.speed: slow</c>.</summary>
    /// <inheritdoc cref="ListAsync"/>
    public static async Task<ImmutableArray<string>> ListAttributesAsync(KunitOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        await ResolveAsync(options, attributes: true, cancellationToken);
        return [.. (await AskAsync(options, "list_attr", cancellationToken)).Where(l => l.StartsWith("# ", StringComparison.Ordinal) || l.Length > 0 && !l.Contains(' ', StringComparison.Ordinal))];
    }

    private static async Task<GuestKernel> ResolveAsync(KunitOptions options, bool attributes, CancellationToken cancellationToken)
    {
        GuestKernel kernel = await new KernelStore().ResolveAsync(options.Guest.Kernel, options.Guest.KernelResolution, cancellationToken);
        KunitArguments.Check(options, kernel, attributes);
        return kernel;
    }

    private static async Task<(ImmutableArray<KunitTestName> Tests, ImmutableArray<string> EmptySuites)> ListTestsAsync(KunitOptions options, CancellationToken cancellationToken)
    {
        // Newer kernels name each suite before its tests.
        string[] lines = [.. await AskAsync(options, "list", cancellationToken)];
        string[] last = [.. lines.Where((line, i) => i + 1 == lines.Length || !lines[i + 1].StartsWith(line + ".", StringComparison.Ordinal))];
        return ([.. last.Select(KunitTestName.Parse).OfType<KunitTestName>()], [.. last.Where(l => l.Length > 0 && !l.AsSpan().ContainsAny(" .\t\r"))]);
    }

    // What the kernel prints from the first KTAP line on.
    private static async Task<IEnumerable<string>> AskAsync(KunitOptions options, string action, CancellationToken cancellationToken)
    {
        GuestOptions guest = options.Guest with { KernelArguments = KunitArguments.Create(options, options.FilterGlob, action), KernelLogListener = null, KernelLogFile = null };
        using GuestLease lease = await GuestLimit.Shared.AcquireAsync(guest.Memory, cancellationToken);
        await using KernelRun run = await new GuestBuilder(guest).RunKernelAsync(cancellationToken);
        Task<GuestExit?> exit = run.WaitForExitAsync(cancellationToken);
        if (await Task.WhenAny(exit, Task.Delay(options.TestTimeout, cancellationToken)) != exit)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new GuestTimeoutException($"The kernel did not name its tests within {GuestProcess.Format(options.TestTimeout)}; the end of its log:\n{run.KernelLog.Tail()}") { Summary = $"the kernel did not name its tests within {GuestProcess.Format(options.TestTimeout)}" };
        }

        string[] lines = [.. run.KernelLog.Lines.Select(l => l.Text)];
        int first = Array.FindIndex(lines, l => l.StartsWith("KTAP version", StringComparison.Ordinal) || l.StartsWith("TAP version", StringComparison.Ordinal));
        return await exit is { ExitCode: 0, Signal: null } && first >= 0
            ? lines.Skip(first + 1)
            : throw new GuestException($"The kernel did not name its tests; the end of its log:\n{run.KernelLog.Tail()}") { Summary = "the kernel did not name its tests" };
    }

    private async Task<KtapTest> RunTestsAsync(CancellationToken cancellationToken)
    {
        if (_options.Isolation == KunitIsolation.None)
        {
            KunitBoot only = await BootAsync(_options.FilterGlob, isOnly: true, cancellationToken);
            if (only.End is KunitBootEnd.Halted or KunitBootEnd.TimedOut or KunitBootEnd.Interrupted || only.Results.Root.Subtests.IsEmpty)
            {
                Finish(only);
                return only.Results.Root;
            }

            // From here on names are needed: of the test that did it, and of those that are left.
            ImmutableArray<KunitTestName> tests;
            try
            {
                tests = (await ListAllAsync(cancellationToken)).Tests;
            }
            catch (OperationCanceledException) when (_options.Stopping.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                Finish(only);
                return only.Results.Root;
            }

            await ContinueAsync(new KunitSelection(_options.FilterGlob, tests), only, tests, cancellationToken);
            return Merge(tests);
        }

        (ImmutableArray<KunitTestName> all, ImmutableArray<string> empty) = await ListAllAsync(cancellationToken);
        IEnumerable<KunitSelection> selections = _options.Isolation == KunitIsolation.Suite
            ? all.GroupBy(t => t.Suite, StringComparer.Ordinal).Select(s => new KunitSelection(
                KunitSelection.Escape(s.Key) + (_options.FilterGlob.Split('.', 2) is [_, var pattern] ? "." + pattern : ""), [.. s]))
            : all.Select(t => new KunitSelection($"{KunitSelection.Escape(t.Suite)}.{KunitSelection.Escape(t.Test)}", [t]));
        await RunAllAsync([.. selections, .. empty.Select(s => new KunitSelection(KunitSelection.Escape(s), []))], all, cancellationToken);
        return Merge(all);
    }

    private async Task<(ImmutableArray<KunitTestName> Tests, ImmutableArray<string> EmptySuites)> ListAllAsync(CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _options.Stopping);
        return await ListTestsAsync(_options, either.Token);
    }

    private Task RunAllAsync(ImmutableArray<KunitSelection> selections, ImmutableArray<KunitTestName> all, CancellationToken cancellationToken) =>
        Parallel.ForEachAsync(selections, new ParallelOptions { MaxDegreeOfParallelism = _options.Jobs, CancellationToken = cancellationToken }, async (selection, token) =>
        {
            if (_givenUp || _options.Stopping.IsCancellationRequested)
                return;
            KunitBoot boot = await BootAsync(selection.Glob, isOnly: false, token);
            await ContinueAsync(selection, boot, all, token);
        });

    /// <summary>Takes what a kernel gave, and runs what it did not come to.</summary>
    private async Task ContinueAsync(KunitSelection selection, KunitBoot boot, ImmutableArray<KunitTestName> all, CancellationToken cancellationToken)
    {
        ImmutableArray<KunitTestName> left;
        lock (_lock)
        {
            Take(selection, ref boot);
            left = [.. selection.Tests.Where(t => !_done.ContainsKey(t))];
            Finish(boot);
            if (boot.End == KunitBootEnd.Halted || left.IsEmpty)
                return;
            if (boot.End is KunitBootEnd.TimedOut or KunitBootEnd.Interrupted || left.Length == selection.Tests.Length)
                return;
            if (_boots.Count(b => b.End != KunitBootEnd.Halted) >= _options.MaximumLosses)
            {
                if (!_givenUp)
                    _problems.Add($"{_options.MaximumLosses} kernels were lost to their tests; the tests that were left did not run");
                _givenUp = true;
                return;
            }
        }

        await RunAllAsync(KunitSelection.Pick(left, all, exact: _options.FilterGlob.Length > 0), all, cancellationToken);
    }

    private async Task<KunitBoot> BootAsync(string glob, bool isOnly, CancellationToken cancellationToken)
    {
        using GuestLease lease = await GuestLimit.Shared.AcquireAsync(_options.Guest.Memory, cancellationToken);
        long begun = Stopwatch.GetTimestamp();
        var watch = new KunitWatch(_observer?.Starting(glob, isOnly));
        var parser = new KtapParser(observer: watch);
        GuestOptions guest = _options.Guest with
        {
            KernelArguments = KunitArguments.Create(_options, glob),
            KernelLogListener = line =>
            {
                parser.PushLine(KunitBoot.Text(line));
                _options.LogListener?.Invoke(glob, line);
            },
        };
        await using KernelRun run = await new GuestBuilder(guest).RunKernelAsync(cancellationToken);
        Task<GuestExit?> exit = run.WaitForExitAsync(CancellationToken.None);
        KunitBootEnd? given = await WaitAsync(exit, watch, begun, cancellationToken);
        if (given is not null)
        {
            // KUnit ends no line of a result: the last one is not out yet, and the next test would be taken for it.
            if (await run.LogAsync("uml: this kernel is ended\n"))
                await run.LogBlockedTasksAsync();
            await run.DisposeAsync();
        }

        GuestExit? status = await exit;
        KunitBootEnd end = given ?? status switch
        {
            { ExitCode: 0, Signal: null } => KunitBootEnd.Halted,
            { Signal: 6 } => KunitBootEnd.Panicked,
            _ => KunitBootEnd.Lost,
        };
        string problem = end switch
        {
            KunitBootEnd.Halted => "",
            KunitBootEnd.Panicked => $"the kernel panicked{PanicOf(run.KernelLog)}",
            KunitBootEnd.Interrupted => "interrupted",
            KunitBootEnd.TestTimedOut => NoResult + GuestProcess.Format(_options.TestTimeout),
            KunitBootEnd.TimedOut => $"the kernel was not done within {GuestProcess.Format(_options.Timeout)} (--timeout)",
            _ => $"the kernel ended {(status is { Signal: { } signal } ? $"by signal {signal}" : status is null ? "with its supervisor" : $"with status {status.ExitCode}")}",
        };

        // What went wrong in reading is no less a loss than what went wrong in running.
        if (run.KernelLog.ListenerFailure is { } fault)
            throw new InvalidOperationException($"the kernel's log could not be read as test results: {fault}");
        KtapResults results = parser.Complete(
            given switch { null => KtapOutcome.Crashed, KunitBootEnd.Interrupted => KtapOutcome.NotRun, _ => KtapOutcome.TimedOut }, problem.Length > 0 ? problem : null);
        return new KunitBoot(glob, end, results, [.. run.KernelLog.Lines], Stopwatch.GetElapsedTime(begun)) { Problem = problem };
    }

    /// <summary>Null when the kernel ended by itself.</summary>
    private async Task<KunitBootEnd?> WaitAsync(Task exit, KunitWatch watch, long begun, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _options.Stopping);
        while (true)
        {
            TimeSpan all = _options.Timeout - Stopwatch.GetElapsedTime(begun);
            TimeSpan test = _options.TestTimeout - watch.Idle;
            TimeSpan next = all < test ? all : test;
            if (next <= TimeSpan.Zero)
                return exit.IsCompleted ? null : all <= TimeSpan.Zero ? KunitBootEnd.TimedOut : KunitBootEnd.TestTimedOut;
            if (await Task.WhenAny(exit, Task.Delay(next + TimeSpan.FromMilliseconds(1), either.Token)) == exit)
                return null;
            cancellationToken.ThrowIfCancellationRequested();
            if (_options.Stopping.IsCancellationRequested)
                return KunitBootEnd.Interrupted;
        }
    }

    private static string PanicOf(KernelLog log)
    {
        if (log.Panic is not { } panic)
            return ": it left no report";
        return FaultOf(log) is { Length: > 0 } fault ? $" in {fault}: {panic.Reason}" : $": {panic.Reason}";
    }

    // UML says just before its panic which instruction it was: "RIP: 0033:function+0x14/0x90" (arch/x86/um/sysrq_64.c).
    private static string? FaultOf(KernelLog log)
    {
        string[] last = [.. log.Lines.Select(l => l.Text).TakeLast(MostFaultLines)];
        int panic = Array.FindLastIndex(last, l => l.StartsWith("Kernel panic - not syncing", StringComparison.Ordinal));
        return last.Take(Math.Max(panic, 0)).TakeLast(MostRegisterLines).LastOrDefault(l => l.StartsWith("RIP: ", StringComparison.Ordinal) && l.Contains('+', StringComparison.Ordinal))?.Split(':')[^1];
    }

    private void Finish(KunitBoot boot)
    {
        _boots.Enqueue(boot);
        _observer?.Ended(boot);
    }

    /// <summary>Notes the results of a kernel by their names, and finds out which test ended it.</summary>
    private void Take(KunitSelection selection, ref KunitBoot boot)
    {
        bool interrupted = boot.End != KunitBootEnd.Halted;
        foreach (KtapTest suite in boot.Results.Root.Subtests)
        {
            bool begun = suite.Outcome != KtapOutcome.NotRun;
            if (begun && (!_suites.TryGetValue(suite.Name, out KtapTest? known) || suite.Outcome.IsFailure() && !known.Outcome.IsFailure()))
                _suites[suite.Name] = suite;
            foreach (KtapTest test in suite.Subtests.Where(t => t.Outcome != KtapOutcome.NotRun))
            {
                if (interrupted && boot.Culprit is null && test.Outcome is KtapOutcome.Crashed or KtapOutcome.TimedOut && test.Line == 0)
                {
                    KunitTestName? name = test.Name.Length > 0
                        ? new KunitTestName(suite.Name, test.Name)
                        : selection.Tests.Where(t => t.Suite == suite.Name && !_done.ContainsKey(t)).Select(t => (KunitTestName?)t).FirstOrDefault();
                    if (name is not { } culprit)
                        continue;
                    boot = boot with { Culprit = culprit };
                    _done[culprit] = Named(test, culprit.Test, boot.Problem);
                }
                else if (test.Name.Length > 0)
                {
                    var name = new KunitTestName(suite.Name, test.Name);
                    if (!_done.TryGetValue(name, out KtapTest? other) || !other.Outcome.IsFailure())
                        _done[name] = test;
                }
            }
        }
    }

    private static KtapTest Named(KtapTest test, string name, string reason) => new()
    {
        Name = name,
        Number = test.Number,
        Outcome = test.Outcome,
        Directive = test.Outcome == KtapOutcome.TimedOut ? KtapDirective.Timeout : KtapDirective.Crashed,
        Reason = reason,
        IsSuite = test.IsSuite,
        Plan = test.Plan,
        Subtests = test.Subtests,
        Log = test.Log,
        Attributes = test.Attributes,
        Duration = test.Duration,
    };

    /// <summary>One tree of what several kernels gave, in the kernel's order.</summary>
    private KtapTest Merge(ImmutableArray<KunitTestName> all)
    {
        var suites = new List<KtapTest>();
        KunitTestName[] unlisted = [.. _done.Keys.Except(all)];
        foreach (IGrouping<string, KunitTestName> group in all.Concat(unlisted).GroupBy(t => t.Suite, StringComparer.Ordinal))
        {
            ImmutableArray<KtapTest> tests = [.. group.Distinct().Select((name, index) => _done.GetValueOrDefault(name) ?? new KtapTest
            {
                Name = name.Test,
                Number = index + 1,
                Outcome = KtapOutcome.NotRun,
                Directive = KtapDirective.NotRun,
                Reason = _options.Stopping.IsCancellationRequested ? "the run was interrupted" : "no kernel lived to run it",
            })];
            KtapTest? printed = _suites.GetValueOrDefault(group.Key);

            // The kernel lists the tests of a suite that it then skips as a whole.
            if (printed is { Outcome: KtapOutcome.Skipped, Subtests.IsEmpty: true } && !group.Any(_done.ContainsKey))
            {
                suites.Add(printed);
                continue;
            }

            // A suite can fail although its tests did not, such as in its exit function.
            bool failed = printed is { IsOk: false, Line: > 0 } && !printed.Subtests.Any(t => t.Outcome.IsFailure());
            bool crashed = printed is { Outcome: KtapOutcome.Crashed or KtapOutcome.TimedOut, Line: 0 } && !tests.Any(t => t.Outcome.IsFailure());
            KtapOutcome outcome = crashed ? printed!.Outcome : OutcomeOf(tests, failed);
            suites.Add(new KtapTest
            {
                Name = group.Key,
                Number = suites.Count + 1,
                Outcome = outcome,
                IsOk = !outcome.IsFailure(),
                Directive = outcome == KtapOutcome.Skipped ? KtapDirective.Skip : KtapDirective.None,
                Reason = crashed ? printed!.Reason : "",
                IsSuite = true,
                Plan = tests.Length,
                Subtests = tests,
                Log = printed?.Log ?? [],
                Attributes = printed?.Attributes ?? KtapTest.EmptyAttributes,
                Line = printed?.Line ?? 0,
            });
        }

        // Suites without tests, which no list names.
        suites.AddRange(_suites.Where(s => s.Value.Subtests.IsEmpty && suites.All(k => k.Name != s.Key)).Select(s => s.Value));
        KtapOutcome whole = suites.Count == 0 ? KtapOutcome.NoTests : OutcomeOf([.. suites], failed: false);
        return new KtapTest
        {
            IsRoot = true,
            IsSuite = true,
            Outcome = whole,
            IsOk = !whole.IsFailure(),
            Plan = suites.Count,
            Subtests = [.. suites],
        };
    }

    private static KtapOutcome OutcomeOf(ImmutableArray<KtapTest> tests, bool failed) =>
        tests.Any(t => t.Outcome == KtapOutcome.Crashed) ? KtapOutcome.Crashed
        : failed || tests.Any(t => t.Outcome.IsFailure()) ? KtapOutcome.Failed
        : tests.All(t => t.Outcome == KtapOutcome.Skipped) ? KtapOutcome.Skipped
        : KtapOutcome.Passed;

    private IEnumerable<string> FindProblems(KtapTest root)
    {
        KtapCounts counts = root.Counts;
        bool nothing = counts.Total - counts.Empty == 0;
        if (nothing && _boots.All(b => b.End == KunitBootEnd.Halted))
            yield return _options.FilterGlob.Length + _options.Filter.Length > 0 ? "no test ran: none is picked by the filter" : "no test ran: the kernel has none, or was told to run none";
        else if (!nothing && counts.Skipped == counts.Total)
            yield return $"no test ran: all {counts.Total} were skipped";
        foreach (string problem in _problems)
            yield return problem;
        KunitTestName[] lost = _options.Stopping.IsCancellationRequested ? [] : [.. root.Subtests.SelectMany(s => s.Subtests.Where(t => t.Outcome == KtapOutcome.NotRun && t.Name.Length > 0).Select(t => new KunitTestName(s.Name, t.Name)))];
        if (lost.Length > 0)
            yield return $"{lost.Length} {(lost.Length == 1 ? "test" : "tests")} did not run: {string.Join(", ", lost.Take(MostNames))}{(lost.Length > MostNames ? " ..." : "")}";
        if (_options.Stopping.IsCancellationRequested && (_boots.Any(b => b.End == KunitBootEnd.Interrupted) || counts.NotRun > 0))
            yield return "the run was interrupted: the tests that were left did not run";
        foreach (KunitBoot boot in _boots.Where(b => b.End != KunitBootEnd.Interrupted))
        {
            string where = boot.Glob.Length > 0 ? $" (tests {boot.Glob})" : "";
            if (boot.Problem.Length > 0)
                yield return boot.Culprit is { } culprit ? $"{culprit}: {boot.Problem}{where}" : boot.Problem + where;
            else
            {
                foreach (KtapComplaint complaint in boot.Results.Complaints.Where(c => c.IsError && !IsFailureOfATest(c.Kind)))
                    yield return $"{(complaint.Line > 0 ? $"line {complaint.Line} of the kernel's log: " : "")}{complaint.Message}{where}";
            }
        }
    }

    // Their tests are failures already.
    private static bool IsFailureOfATest(KtapComplaintKind kind) =>
        kind is KtapComplaintKind.MissingTests or KtapComplaintKind.EmptySuite or KtapComplaintKind.NoResults;
}
