using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;

namespace Uml.CI;

/// <summary>
/// Reads test results in KTAP (Documentation/dev-tools/ktap.rst) as kernels really print them: among other output, behind time
/// stamps, cut short by a panic. Feed it text or lines as they come, then call <see cref="Complete"/>. Any input gives a tree
/// and a list of complaints; none throws. Time is linear in the input; memory is that of the tree plus one line.
/// </summary>
/// <remarks>
/// Agrees with the kernel's own kunit.py where that is right; README.md beside this file lists where it is not. Not safe for
/// use from several threads at once.
/// </remarks>
public sealed partial class KtapParser
{
    private const int MaxCandidates = 8;
    private const int MaxGaps = 1_000;
    private static readonly SearchValues<string> DisturbingMessages =
        SearchValues.Create(["Kernel panic - not syncing", "Linux version ", "kunit executor: "], StringComparison.Ordinal);

    private readonly KtapParserOptions _options;
    private readonly IKtapObserver? _observer;
    private readonly List<KtapComplaint> _complaints = [];
    private readonly List<KtapTest> _tests = [];
    private readonly List<KtapLogLine> _log = [];
    private readonly List<KtapComplaint> _loose = [];
    private readonly List<KtapLogLine> _pending = [];
    private readonly List<KtapComplaint> _pendingComplaints = [];
    private readonly SortedDictionary<string, string> _attributes = new(StringComparer.Ordinal);
    private readonly LineSplitter _lines;
    private KtapSuite? _top;
    private string _learnedPrefix = "";
    private string? _panic;
    private long _line;
    private bool _lostComplaints;
    private bool _lostLog;
    private bool _failed;
    private bool _anyDocument;
    private bool _planKnown = true;
    private int _plan;
    private bool _allSkipped;
    private string _skipReason = "";
    private int _missingBudget;
    private bool _selftestHeader;
    private KtapResults? _results;

    /// <summary>A parser.</summary>
    /// <param name="options">Bounds; the defaults suit.</param>
    /// <param name="observer">Told of tests as they come.</param>
    /// <exception cref="ArgumentOutOfRangeException">A bound is out of its range.</exception>
    public KtapParser(KtapParserOptions? options = null, IKtapObserver? observer = null)
    {
        _options = options ?? new KtapParserOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.MaxLineLength, 256, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.MaxDepth, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(_options.MaxDepth, 1000, nameof(options));
        _observer = observer;
        _lines = new LineSplitter(_options.MaxLineLength, TakeLine);
        _missingBudget = _options.MaxMissingTests;
    }

    /// <summary>
    /// The work done so far, in characters looked at and suites visited: what the tests hold against the input's length.
    /// </summary>
    internal long Work { get => field + _lines.Work; private set => field = value - _lines.Work; }

    /// <summary>Reads a whole text.</summary>
    /// <param name="text">The log.</param>
    /// <param name="options">Bounds; the defaults suit.</param>
    public static KtapResults Parse(string text, KtapParserOptions? options = null)
    {
        KtapParser parser = new(options);
        parser.Push(text);
        return parser.Complete();
    }

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">The log.</param>
    /// <param name="options">Bounds; the defaults suit.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static KtapResults ParseFile(string path, KtapParserOptions? options = null)
    {
        KtapParser parser = new(options);
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        byte[] buffer = new byte[65_536];
        while (file.Read(buffer) is int read and > 0)
            parser.Push(buffer.AsSpan(0, read));
        return parser.Complete();
    }

    /// <summary>Takes the next piece of a log, of any length, cut anywhere.</summary>
    /// <param name="utf8">UTF-8; what is not valid is replaced.</param>
    /// <exception cref="InvalidOperationException">The log was said to be complete.</exception>
    public void Push(ReadOnlySpan<byte> utf8)
    {
        ThrowIfComplete();
        _lines.Push(utf8);
    }

    /// <summary>Takes the next piece of a log, of any length, cut anywhere.</summary>
    /// <param name="text">The text.</param>
    /// <exception cref="InvalidOperationException">The log was said to be complete.</exception>
    public void Push(ReadOnlySpan<char> text)
    {
        ThrowIfComplete();
        _lines.Push(text);
    }

    /// <summary>Takes the next line, without its end.</summary>
    /// <param name="line">The line.</param>
    /// <exception cref="InvalidOperationException">The log was said to be complete.</exception>
    public void PushLine(ReadOnlySpan<char> line)
    {
        ThrowIfComplete();
        Push(line);
        Push("\n");
    }

    /// <summary>Ends the log and gives the tree. Called again, gives the same.</summary>
    /// <param name="unfinished">What became of a test that was still running: <see cref="KtapOutcome.Crashed"/>, or <see cref="KtapOutcome.TimedOut"/> where the caller ended the run.</param>
    /// <param name="reason">Why, in the words of the caller; by default the kernel's panic, or that the log ends there.</param>
    public KtapResults Complete(KtapOutcome unfinished = KtapOutcome.Crashed, string? reason = null)
    {
        if (_results is not null)
            return _results;
        _lines.Complete();
        CloseDocument(unfinished, reason ?? _panic ?? "the log ends before its result");
        TakePending(_log);
        if (!_anyDocument)
            Complain(KtapComplaintKind.NoResults, 0, "the log has no test results in KTAP: no line such as \"KTAP version 1\" or \"ok 1 name\" was found", isError: true);

        var tests = _tests.ToImmutableArray();
        KtapOutcome outcome = tests.IsEmpty
            ? _failed ? KtapOutcome.Failed : _allSkipped ? KtapOutcome.Skipped : KtapOutcome.NoTests
            : OutcomeOf(tests, _failed);
        KtapTest root = new()
        {
            IsRoot = true,
            Outcome = outcome,
            IsOk = !outcome.IsFailure(),
            Directive = outcome == KtapOutcome.Skipped && tests.IsEmpty ? KtapDirective.Skip : KtapDirective.None,
            Reason = tests.IsEmpty ? _skipReason : "",
            IsSuite = true,
            Plan = _anyDocument && _planKnown ? _plan : null,
            Subtests = tests,
            Log = [.. _log],
            Complaints = [.. _loose],
        };
        return _results = new KtapResults(root, [.. _complaints], _line);
    }

    private static KtapOutcome OutcomeOf(ImmutableArray<KtapTest> tests, bool failed)
    {
        bool anySkipped = true;
        bool crashed = false;
        foreach (KtapTest test in tests)
        {
            crashed |= test.Outcome == KtapOutcome.Crashed;
            failed |= test.Outcome.IsFailure();
            anySkipped &= test.Outcome == KtapOutcome.Skipped;
        }

        return crashed ? KtapOutcome.Crashed : failed ? KtapOutcome.Failed : anySkipped ? KtapOutcome.Skipped : KtapOutcome.Passed;
    }

    private void ThrowIfComplete()
    {
        if (_results is not null)
            throw new InvalidOperationException("the log was said to be complete; read another one with a parser of its own");
    }

    private void TakeLine(ReadOnlySpan<char> line, int dropped)
    {
        if (dropped > 0)
            Complain(KtapComplaintKind.LineTooLong, _line + 1, $"the line is longer than {_options.MaxLineLength} characters; {dropped} were dropped", isError: false);
        ReadLine(line);
    }

    private void ReadLine(ReadOnlySpan<char> line)
    {
        _line++;
        Work += line.Length + 1;

        // Serial lines end in one CR or several; programs that draw a progress bar put them in between.
        line = line.TrimEnd('\r');
        while (line.IndexOf('\r') is int end and >= 0)
        {
            if (end > 0)
                ReadText(line[..end]);
            line = line[(end + 1)..];
        }

        ReadText(line);
    }

    private void ReadText(ReadOnlySpan<char> text)
    {
        var line = KtapLine.Read(text, _learnedPrefix);
        Work += text.Length + 1;
        switch (line.Kind)
        {
            case KtapLineKind.Version:
                ReadVersion(ref line);
                return;
            case KtapLineKind.Subtest when _top is not null:
                ReadSubtest(ref line);
                return;
            case KtapLineKind.Plan:
                if (ReadPlan(ref line))
                    return;
                break;
            case KtapLineKind.Result:
                if (ReadResult(ref line))
                    return;
                break;
            case KtapLineKind.BailOut when _top is not null && line.Marks <= _top.Marks:
                BailOut(ref line);
                return;
            case KtapLineKind.Other:
                if (TryVersionInMiddle(text) || TryResultInMiddle(ref line))
                    return;
                if (line.Content.IndexOfAny(DisturbingMessages) == 0)
                    ReadDisturbance(ref line);
                break;
            default:
                break;
        }

        KeepLine(ref line);
    }

    // The panic itself stays among the lines of the test that ran.
    private void ReadDisturbance(ref KtapLine line)
    {
        if (line.Content[0] == 'K')
        {
            if (_panic is null)
            {
                _panic = line.Content.ToString();
                if (_top is not null && !AllDone())
                    Complain(KtapComplaintKind.KernelPanic, _line, _panic, isError: true);
            }
        }
        else if (line.Content[0] == 'k')
        {
            _failed = true;
            Complain(KtapComplaintKind.ExecutorError, _line, line.Content.ToString(), isError: true);
        }
        else if (_top is not null)
        {
            if (!AllDone())
                Complain(KtapComplaintKind.KernelRestarted, _line, "the kernel started again before the tests had ended", isError: true);
            CloseDocument(KtapOutcome.Crashed, _panic ?? "the kernel started again before its result");
            _panic = null;
        }
    }

    private bool AllDone() => _top is { Parent: null } root && (root.IsComplete || (root.Plan is null && root.Tests.Count > 0 && RunningTest(root).Length == 0));

    private void KeepLine(ref KtapLine line)
    {
        if (_top is null)
            return;
        if (line.Marks == 0)
        {
            AddLog(_pending, new KtapLogLine(IsDiagnostic: false, line.Text.TrimEnd().ToString()));
            return;
        }

        // A diagnostic of the level whose lines have one mark less.
        int level = Math.Min(line.Marks - 1, _top.Marks);
        ReadOnlySpan<char> text = line.After(level + 1).TrimEnd();
        if (text.StartsWith("selftests: ", StringComparison.Ordinal))
            _selftestHeader = true;
        if (text.IndexOf(": pass:", StringComparison.Ordinal) > 0 && KtapTotals.Parse(text, _line) is { IsKselftest: true, Name: "Totals" } totals)
        {
            KtapSuite suite = SuiteAt(level, line.Indent(level));
            suite.Totals = totals;
            TakePending(suite.Log);
            AddLog(suite.Log, new KtapLogLine(IsDiagnostic: true, text.ToString()));
            return;
        }

        if (level == 0 && TrySkipBefore(text))
            return;
        AddLog(_pending, new KtapLogLine(IsDiagnostic: true, text.ToString()));
    }

    // A parameter's description that ends in a line break (ext4's) parts the directive from its result.
    private bool TrySkipBefore(ReadOnlySpan<char> text)
    {
        const string Skip = "SKIP";
        if (!text.StartsWith(Skip, StringComparison.Ordinal) || (text.Length > Skip.Length && text[Skip.Length] != ' ')
            || _top!.Tests is not [.., { Outcome: KtapOutcome.Passed, Directive: KtapDirective.None, Subtests.IsEmpty: true } before] || before.Line != _line - 1)
            return false;
        _top.Tests[^1] = before.AsSkipped(text[Skip.Length..].Trim().ToString());
        return true;
    }

    // The innermost suite whose lines look like this.
    private KtapSuite SuiteAt(int marks, int indent)
    {
        KtapSuite suite = _top!;
        while (suite.Parent is not null && (suite.Marks > marks || (suite.Marks == marks && suite.Indent > indent)))
        {
            suite = suite.Parent;
            Work++;
        }

        return suite;
    }

    private void AddLog(List<KtapLogLine> log, KtapLogLine line)
    {
        if (log.Count < _options.MaxLogLines)
        {
            log.Add(line);
        }
        else if (!_lostLog)
        {
            _lostLog = true;
            Complain(KtapComplaintKind.LogTooLong, _line, $"more than {_options.MaxLogLines} lines of log came with one test; the rest is not kept with it", isError: false);
        }
    }

    private void TakePending(List<KtapLogLine> log)
    {
        foreach (KtapLogLine line in _pending)
            AddLog(log, line);
        _pending.Clear();
        _selftestHeader = false;
    }

    private void Complain(KtapComplaintKind kind, long line, string message, bool isError, List<KtapComplaint>? about = null)
    {
        if (_complaints.Count >= _options.MaxComplaints)
        {
            if (!_lostComplaints)
            {
                _lostComplaints = true;
                _complaints.Add(new KtapComplaint(KtapComplaintKind.TooManyComplaints, line, $"only the first {_options.MaxComplaints} complaints are kept", IsError: true));
            }

            return;
        }

        KtapComplaint complaint = new(kind, line, message, isError);
        _complaints.Add(complaint);
        (about ?? _loose).Add(complaint);
        _observer?.Complained(complaint);
    }

    private static string Named(ReadOnlySpan<char> name) => name.Length > 0 ? $"\"{name}\"" : "a test without a name";
}
