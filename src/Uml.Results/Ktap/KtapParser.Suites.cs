using System.Collections.Immutable;
using System.Globalization;

namespace Uml.CI;

// What becomes of tests and suites once their end is known.
public sealed partial class KtapParser
{
    private void Add(ref KtapLine line, KtapSuite suite, KtapSuite? ended, int indent)
    {
        int number = line.Number;
        List<KtapComplaint> complaints = [.. _pendingComplaints];
        _pendingComplaints.Clear();
        if (number < 0)
        {
            number = suite.Next;
            Complain(KtapComplaintKind.MissingNumber, _line, $"the result of {Named(line.Name)} has no number; it is taken for {number}", isError: false, complaints);
        }

        SettleStray(suite, number, line.IsOk || line.Directive is KtapDirective.Skip or KtapDirective.Todo or KtapDirective.XFail);

        // Tests that were indented without a header are those of this one.
        int adopted = ended is null && number == 1 && suite.Next > 1 && suite.IsSequence && suite.LeastIndent > indent ? suite.Tests.Count : 0;
        if (adopted > 0)
        {
            ended = new KtapSuite(suite, suite.Marks, indent + 1, _line) { StartStamp = suite.LastStamp };
            Work += adopted;
            ended.Tests.AddRange(suite.Tests);
            suite.Tests.Clear();
            suite.LeastIndent = int.MaxValue;
            suite.Next = number;
            Complain(KtapComplaintKind.MissingHeader, _line, $"the tests within {Named(line.Name)} have no version line before them", isError: false, complaints);
        }

        if (ended is null && line.Name.IsEmpty && number < suite.Next && suite.Stray is null && line.Directive is KtapDirective.None)
        {
            // A number that was used before and no name: most likely a child process printed it. What follows decides.
            suite.Stray = Build(ref line, number, suite, null, complaints);
            suite.StrayIndent = indent;
            return;
        }

        if (number != suite.Next)
        {
            Complain(
                KtapComplaintKind.WrongNumber, _line, $"{Named(line.Name)} has number {number}, where {suite.Next} comes next", isError: true, complaints);
            for (int gap = suite.Next; gap < number && suite.Gaps.Count < MaxGaps; gap++)
                suite.Gaps.Add(gap);
        }

        suite.Next = Math.Max(suite.Next, Math.Min(number, int.MaxValue - 1) + 1);
        KtapTest test = Build(ref line, number, suite, ended, complaints);
        if (suite.Plan is { } plan && suite.Tests.Count == plan)
            Complain(KtapComplaintKind.MoreTestsThanPlanned, _line, $"{Describe(suite)} planned {plan} tests and has more", isError: true, suite.Complaints);
        _top = suite;
        Store(suite, test, indent);
        if (line.Stamp >= 0)
            suite.LastStamp = line.Stamp;
    }

    private void Store(KtapSuite suite, KtapTest test, int indent)
    {
        suite.Tests.Add(test);
        suite.IsSequence &= test.Number == suite.Tests.Count;
        suite.LeastIndent = Math.Min(suite.LeastIndent, indent);
        suite.LastIndent = indent;
        _observer?.Finished(suite.PathWithin(), test);
    }

    // A stray result was one if the numbers go on as if it had not been there, and if no failure gets lost with it.
    private void SettleStray(KtapSuite suite, int? next, bool nextIsGood)
    {
        if (suite.Stray is not { } stray)
            return;
        suite.Stray = null;
        if (next == suite.Next && (stray.IsOk || !nextIsGood))
        {
            Complain(KtapComplaintKind.StrayResult, stray.Line, $"a result with number {stray.Number}, which was used before, and without a name is not counted: what follows goes on with {next}", isError: false);
            AddLog(_pending, new KtapLogLine(IsDiagnostic: true, (stray.IsOk ? "stray result: ok " : "stray result: not ok ") + (stray.Reason.Length > 0 ? stray.Reason : stray.Number.ToString(CultureInfo.InvariantCulture))));
            _pending.AddRange(stray.Log);
            return;
        }

        Complain(KtapComplaintKind.WrongNumber, stray.Line, $"{Named(stray.Name)} has number {stray.Number}, where {suite.Next} comes next", isError: true);
        Store(suite, stray, suite.StrayIndent);
    }

    private KtapTest Build(ref KtapLine line, int number, KtapSuite suite, KtapSuite? ended, List<KtapComplaint> complaints)
    {
        string name = Unescape(line.Name);
        string reason = line.Reason.ToString();
        TimeSpan? printed = null;
        KtapTotals? totals = TakeMetadata(name, ref printed);
        KtapOutcome own = Own(ref line, name, complaints);
        if (ended is not null)
        {
            if (ended.Name.Length == 0)
                ended.Name = name;
            else if (!ended.Name.Equals(name, StringComparison.Ordinal))
                Complain(KtapComplaintKind.NameMismatch, _line, $"suite \"{ended.Name}\" ends as {Named(name)}", isError: false, complaints);
            EndSuite(ended, KtapOutcome.Crashed, "its result is missing", line.IsOk, own);
            complaints.AddRange(ended.Complaints);
        }

        List<KtapLogLine> log = ended?.Log ?? [];
        TakePending(log);
        SortedDictionary<string, string> attributes = ended?.Attributes ?? [];
        foreach ((string key, string value) in _attributes)
            attributes[key] = value;
        _attributes.Clear();
        long started = ended?.StartStamp ?? suite.LastStamp;
        KtapOutcome outcome = ended is null ? own : Combine(ended, own, name, complaints);
        if (ended is not null && totals is not null)
            outcome = CheckTotals(totals, ended.Tests, outcome, $"suite \"{name}\"", complaints);
        bool skipped = ended is { IsSkipped: true } && outcome == KtapOutcome.Skipped && line.Directive == KtapDirective.None;
        return new KtapTest
        {
            Name = name,
            Number = number,
            Outcome = outcome,
            IsOk = line.IsOk,
            Directive = skipped ? KtapDirective.Skip : line.Directive,
            Reason = skipped ? ended!.SkipReason : reason,
            Log = [.. log],
            Attributes = attributes.Count == 0 ? KtapTest.EmptyAttributes : attributes.ToImmutableSortedDictionary(StringComparer.Ordinal),
            IsSuite = ended is not null,
            Plan = ended?.Plan,
            Subtests = ended is null ? [] : [.. ended.Tests],
            Duration = printed ?? (started >= 0 && line.Stamp >= started ? TimeSpan.FromMicroseconds(line.Stamp - started) : null),
            Line = _line,
            Complaints = [.. complaints],
        };
    }

    private KtapOutcome Own(ref KtapLine line, string name, List<KtapComplaint> complaints)
    {
        if (line.IsOk && line.Directive is KtapDirective.Timeout or KtapDirective.Error or KtapDirective.Crashed or KtapDirective.NotRun)
            Complain(KtapComplaintKind.ContradictoryDirective, _line, $"{Named(name)} is \"ok\" and {line.Directive.ToString().ToUpperInvariant()}; the directive counts", isError: true, complaints);
        if (!line.IsOk && line.Directive == KtapDirective.XPass)
            Complain(KtapComplaintKind.ContradictoryDirective, _line, $"{Named(name)} is \"not ok\" and XPASS; \"not ok\" counts", isError: true, complaints);
        return line.Directive switch
        {
            KtapDirective.Skip => KtapOutcome.Skipped,
            KtapDirective.Todo => line.IsOk ? KtapOutcome.UnexpectedPass : KtapOutcome.ExpectedFailure,
            KtapDirective.XFail => KtapOutcome.ExpectedFailure,
            KtapDirective.XPass when line.IsOk => KtapOutcome.UnexpectedPass,
            KtapDirective.Timeout => KtapOutcome.TimedOut,
            KtapDirective.Error => KtapOutcome.Error,
            KtapDirective.Crashed => KtapOutcome.Crashed,
            KtapDirective.NotRun => KtapOutcome.NotRun,
            _ => line.IsOk ? KtapOutcome.Passed : KtapOutcome.Failed,
        };
    }

    private KtapOutcome Combine(KtapSuite ended, KtapOutcome own, string name, List<KtapComplaint> complaints)
    {
        if (own is KtapOutcome.TimedOut or KtapOutcome.Error or KtapOutcome.Crashed or KtapOutcome.NotRun or KtapOutcome.ExpectedFailure)
            return own;
        if (ended.Tests.Count == 0 && !ended.HidesFailure)
        {
            if (own != KtapOutcome.Passed)
                return own;
            if (ended.IsSkipped)
                return KtapOutcome.Skipped;
            Complain(KtapComplaintKind.EmptySuite, _line, $"suite \"{name}\" is \"ok\" and has no tests", isError: true, complaints);
            return KtapOutcome.NoTests;
        }

        bool failed = ended.HidesFailure;
        bool crashed = false;
        foreach (KtapTest test in ended.Tests)
        {
            crashed |= test.Outcome == KtapOutcome.Crashed;
            failed |= test.Outcome.IsFailure();
        }

        if ((failed || crashed) && !own.IsFailure())
            Complain(KtapComplaintKind.PassedDespiteFailures, _line, $"suite \"{name}\" is \"ok\" although a test within it failed", isError: true, complaints);
        return crashed ? KtapOutcome.Crashed : failed ? KtapOutcome.Failed : own;
    }

    // Only failures the results do not show change anything.
    private KtapOutcome CheckTotals(KtapTotals printed, List<KtapTest> tests, KtapOutcome outcome, string where, List<KtapComplaint> complaints)
    {
        Work += tests.Count;
        var counted = KtapTotals.Of(tests);
        if (printed.Agrees(counted))
            return outcome;
        Complain(KtapComplaintKind.TotalsMismatch, printed.Line, $"{where} says {printed}, its results say {(printed.IsKselftest ? counted : counted with { IsKselftest = false })}", isError: true, complaints);
        return printed.Fail + printed.Error > counted.Fail + counted.Error && !outcome.IsFailure() ? KtapOutcome.Failed : outcome;
    }

    // What a suite is left without when its end is known.
    private void EndSuite(KtapSuite suite, KtapOutcome unfinished, string reason, bool isOk, KtapOutcome own)
    {
        SettleStray(suite, null, nextIsGood: true);
        AddMissing(suite, unfinished, reason, isOk, own);
        if (suite.Totals is { } totals && CheckTotals(totals, suite.Tests, KtapOutcome.Passed, Describe(suite), suite.Complaints).IsFailure())
            suite.HidesFailure = true;
    }

    private void AddMissing(KtapSuite suite, KtapOutcome unfinished, string reason, bool isOk, KtapOutcome own)
    {
        int missing = (suite.Plan ?? 0) - suite.Tests.Count;
        if (missing <= 0 || (own == KtapOutcome.Skipped && suite.Tests.Count == 0))
            return;

        // A program that kselftest ran says by its status whether it got to its end; many print sloppy plans.
        bool vouched = own == KtapOutcome.Skipped || (isOk && suite.Parent is { } parent && suite.Marks > parent.Marks);
        Complain(
            KtapComplaintKind.MissingTests, _line, $"{Describe(suite)} planned {suite.Plan} tests; the results of {missing} are missing", isError: true, suite.Complaints);
        if (vouched)
            return;
        int synthesized = Math.Min(missing, _missingBudget);
        _missingBudget -= synthesized;

        // Nothing ran any more when the last test did not end either.
        bool running = suite.BailedOut is null && suite.Tests is not [.., { Line: 0 }];
        int gaps = Math.Min(suite.Gaps.Count, synthesized);
        int number = suite.Next;
        for (int at = 0; at < synthesized; at++)
        {
            bool isGap = at >= synthesized - gaps;
            bool first = running && at == 0 && !isGap;
            KtapOutcome outcome = first ? own == KtapOutcome.TimedOut ? KtapOutcome.TimedOut : unfinished : KtapOutcome.NotRun;
            List<KtapLogLine> log = [];
            string name = "";
            if (first)
            {
                name = RunningTest(suite);
                if (_pending.Count > 0)
                    TakePending(log);
            }

            Store(suite, Missing(
                name,
                isGap ? suite.Gaps[at - (synthesized - gaps)] : number++,
                outcome,
                first ? reason : isGap ? "its result is missing" : suite.BailedOut is { } bail ? Joined("bailed out", bail) : "an earlier test did not end",
                log), suite.Indent);
        }
    }

    private static string Joined(string what, string why) => why.Length > 0 ? what + ": " + why : what;

    private static KtapTest Missing(string name, int number, KtapOutcome outcome, string reason, List<KtapLogLine> log) => new()
    {
        Name = name,
        Number = number,
        Outcome = outcome,
        Directive = outcome switch
        {
            KtapOutcome.TimedOut => KtapDirective.Timeout,
            KtapOutcome.NotRun => KtapDirective.NotRun,
            KtapOutcome.Error => KtapDirective.Error,
            KtapOutcome.Failed => KtapDirective.None,
            _ => KtapDirective.Crashed,
        },
        Reason = reason.Trim(),
        Log = [.. log],
    };

    // KUnit and the kselftest harness say whose the diagnostics are: "# name: text", "#  RUN           name ...".
    private string RunningTest(KtapSuite suite)
    {
        for (int at = _pending.Count - 1; at >= 0 && at >= _pending.Count - 1_000; at--)
        {
            Work++;
            if (!_pending[at].IsDiagnostic)
                continue;
            ReadOnlySpan<char> text = _pending[at].Text;
            if (text.StartsWith(" RUN ", StringComparison.Ordinal) && text.EndsWith(" ...", StringComparison.Ordinal))
                return text[5..^4].Trim().ToString();
            int colon = text.IndexOf(": ", StringComparison.Ordinal);
            if (colon <= 0 || colon > 256)
                continue;
            ReadOnlySpan<char> name = text[..colon];
            if (!name.ContainsAnyExcept(Identifier) && !name.SequenceEqual(suite.Name) && !char.IsAsciiDigit(name[0]))
                return name.ToString();
        }

        return "";
    }

    // Ends a suite whose result line never came.
    private void CloseLost(KtapSuite suite, KtapOutcome unfinished, string reason)
    {
        KtapSuite parent = suite.Parent!;
        bool incomplete = suite.Plan is { } plan ? suite.Tests.Count < plan : unfinished != KtapOutcome.Error;
        EndSuite(suite, unfinished == KtapOutcome.Error ? KtapOutcome.Crashed : unfinished, reason, isOk: false, KtapOutcome.Failed);
        Complain(KtapComplaintKind.MissingResult, _line, $"{Describe(suite)} has no result line", isError: true, suite.Complaints);
        TakePending(suite.Log);
        KtapOutcome outcome = unfinished;
        if (unfinished == KtapOutcome.Error && incomplete)
            outcome = KtapOutcome.Crashed;
        int number = parent.Next;
        parent.Next++;
        var missing = Missing(suite.Name, number, outcome, reason, suite.Log);
        KtapTest test = new()
        {
            Name = missing.Name,
            Number = number,
            Outcome = missing.Outcome,
            Directive = missing.Directive,
            Reason = missing.Reason,
            Log = missing.Log,
            Attributes = suite.Attributes.ToImmutableSortedDictionary(StringComparer.Ordinal),
            IsSuite = true,
            Plan = suite.Plan,
            Subtests = [.. suite.Tests],
            Complaints = [.. suite.Complaints],
        };
        _top = parent;
        Store(parent, test, suite.Indent);
    }

    private void CloseDocument(KtapOutcome unfinished, string reason)
    {
        if (_top is null)
            return;
        while (_top.Parent is not null)
        {
            Work++;
            bool bailed = _top.BailedOut is not null;
            CloseLost(_top, bailed ? KtapOutcome.Failed : unfinished, bailed ? Joined("bailed out", _top.BailedOut!) : reason);
        }

        KtapSuite root = _top;
        if (root.Plan is null && root.Tests.Count > 0)
            Complain(KtapComplaintKind.MissingPlan, root.Line, "the log has no plan: nobody can tell whether tests are missing", isError: false);
        EndSuite(root, unfinished, reason, isOk: false, KtapOutcome.Failed);

        // Without a plan, what was running shows by what it printed.
        if (root.Plan is null && root.BailedOut is null && _pending.Count > 0 && (_panic is not null || unfinished != KtapOutcome.Crashed) && RunningTest(root) is { Length: > 0 } running)
        {
            List<KtapLogLine> log = [];
            TakePending(log);
            Store(root, Missing(running, root.Next, unfinished, reason, log), root.Indent);
        }

        if (root.Tests.Count == 0 && !root.IsSkipped)
        {
            Complain(KtapComplaintKind.EmptySuite, root.Line, "the log has no tests", isError: true);
            _failed |= _tests.Count > 0;
        }

        _failed |= root.HidesFailure || root.BailedOut is not null;
        if (root.IsSkipped && root.Tests.Count == 0)
        {
            _allSkipped = true;
            _skipReason = root.SkipReason;
        }

        _planKnown &= root.Plan is not null;
        _plan += Math.Min(root.Plan ?? 0, int.MaxValue - _plan);
        _tests.AddRange(root.Tests);
        foreach (KtapLogLine line in root.Log)
            AddLog(_log, line);
        TakePending(_log);
        _loose.AddRange(root.Complaints);
        _top = null;
        _learnedPrefix = "";
    }
}
