using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;

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
public sealed class KtapParser
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
    private readonly StringBuilder _partial = new();
    private readonly Decoder _decoder = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false).GetDecoder();
    private KtapSuite? _top;
    private string _learnedPrefix = "";
    private string? _panic;
    private long _line;
    private int _dropped;
    private bool _partialTooLong;
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
        _missingBudget = _options.MaxMissingTests;
    }

    /// <summary>
    /// The work done so far, in characters looked at and suites visited: what the tests hold against the input's length.
    /// </summary>
    internal long Work { get; private set; }

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
    public void Push(ReadOnlySpan<byte> utf8)
    {
        Span<char> chars = stackalloc char[1024];
        while (utf8.Length > 0)
        {
            _decoder.Convert(utf8, chars, flush: false, out int used, out int written, out _);
            Push(chars[.. written]);
            utf8 = utf8[used ..];
        }
    }

    /// <summary>Takes the next piece of a log, of any length, cut anywhere.</summary>
    /// <param name="text">The text.</param>
    /// <exception cref="InvalidOperationException">The log was said to be complete.</exception>
    public void Push(ReadOnlySpan<char> text)
    {
        ThrowIfComplete();
        while (text.IndexOf('\n') is int end and >= 0)
        {
            if (_partial.Length == 0 && end <= _options.MaxLineLength)
            {
                ReadLine(text[.. end]);
            }
            else
            {
                Append(text[.. end]);
                EndPartial();
            }

            text = text[(end + 1) ..];
        }

        Append(text);
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
        if (_partial.Length > 0 || _partialTooLong)
            EndPartial();
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

    private void Append(ReadOnlySpan<char> text)
    {
        int room = _options.MaxLineLength - _partial.Length;
        if (text.Length > room)
        {
            _dropped += text.Length - room;
            _partialTooLong = true;
            text = text[.. room];
        }

        _partial.Append(text);
        Work += text.Length;
    }

    private void EndPartial()
    {
        string line = _partial.ToString();
        _partial.Clear();
        if (_partialTooLong)
            Complain(KtapComplaintKind.LineTooLong, _line + 1, $"the line is longer than {_options.MaxLineLength} characters; {_dropped} were dropped", isError: false);
        _partialTooLong = false;
        _dropped = 0;
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
                ReadText(line[.. end]);
            line = line[(end + 1) ..];
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
            case KtapLineKind.BailOut when _top is not null:
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

        AddLog(_pending, new KtapLogLine(IsDiagnostic: true, text.ToString()));
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

    private void OpenDocument(int marks, int indent, bool isTap, bool hasVersion)
    {
        // What came after the last document is of no test.
        TakePending(_log);
        _anyDocument = true;
        _panic = null;
        _top = new KtapSuite(null, marks, indent, _line) { IsTap = isTap, HasVersion = hasVersion };
        if (!hasVersion)
            Complain(KtapComplaintKind.MissingVersion, _line, "results without a version line before them", isError: false);
    }

    private KtapSuite? OpenSuite(KtapSuite parent, int marks, int indent, long stamp)
    {
        if (parent.Depth >= _options.MaxDepth)
        {
            if (!parent.IsOverfull)
                Complain(KtapComplaintKind.TooDeep, _line, $"tests are nested deeper than {_options.MaxDepth} levels; what is below is not read", isError: true);
            parent.IsOverfull = true;
            return null;
        }

        if (marks > parent.Marks || indent > parent.Indent)
            parent.HasIndentedSuite = true;
        _top = new KtapSuite(parent, marks, indent, _line) { StartStamp = stamp, LastStamp = stamp };
        TakePending(_top.Log);
        return _top;
    }

    private void Tell(KtapSuite suite) => _observer?.Started(suite.Path(), suite.Name, suite.Plan);

    private void ReadVersion(ref KtapLine line)
    {
        bool known = line.IsKtap ? line.Number is 1 or 2 : line.Number is 13 or 14;
        KtapSuite? suite = BeginSuite(ref line, line.Marks, line.Indent(line.Marks), isVersion: true);
        if (!known)
            Complain(KtapComplaintKind.UnknownVersion, _line, $"\"{line.Content}\" is none of KTAP version 1 and 2, TAP version 13 and 14; it is read as if it were", isError: true);
        if (suite is null)
            return;
        suite.HasVersion = true;
        suite.IsTap = !line.IsKtap;
        if (suite.Parent is not null)
            Tell(suite);
    }

    private void ReadSubtest(ref KtapLine line)
    {
        int marks = line.Marks - 1;
        int indent = line.Indent(marks);
        if (_top is { Parent: not null, IsFresh: true, HasVersion: true, Name: "" } && _top.Marks == marks && _top.Indent == indent)
        {
            // Lines between the two are about the suite.
            TakePending(_top.Log);
            Rename(_top, line.Name.ToString());
            return;
        }

        KtapSuite? suite = BeginSuite(ref line, marks, indent, isVersion: false);
        if (suite is not null)
            Rename(suite, line.Name.ToString());
    }

    private void Rename(KtapSuite suite, string name)
    {
        suite.Name = name;
        Tell(suite);
    }

    // A header: of a suite within, of the next one, or of another document.
    private KtapSuite? BeginSuite(ref KtapLine line, int marks, int indent, bool isVersion)
    {
        if (_top is null)
        {
            OpenDocument(marks, indent, !line.IsKtap, isVersion);
            return _top;
        }

        // A header further out ends what is further in, without results.
        while (_top.Parent is not null && (_top.Marks > marks || (_top.Marks == marks && _top.Indent > indent)))
        {
            Work++;
            CloseLost(_top, KtapOutcome.Error, "its result line is missing");
        }

        while (_top.Marks == marks && _top.Indent == indent)
        {
            KtapSuite top = _top;
            Work++;
            if (top.Parent is null)
            {
                bool another = top.IsComplete || top.HasIndentedSuite || (top.Plan is null && top.Tests.Count > 0);
                if (!another || !isVersion)
                    break;
                CloseDocument(KtapOutcome.Crashed, "another run of tests began before its result");
                OpenDocument(marks, indent, !line.IsKtap, hasVersion: true);
                return _top;
            }

            // Without indentation to tell, a suite that is not complete holds the next one.
            if (top.IsFlat && !top.IsComplete)
                break;
            CloseLost(top, KtapOutcome.Error, "its result line is missing");
        }

        if (_top.Parent is null && _top.Marks > marks)
        {
            // Further out than the document.
            CloseDocument(KtapOutcome.Crashed, "another run of tests began before its result");
            OpenDocument(marks, indent, !line.IsKtap, isVersion);
            return _top;
        }

        if (_top.Parent is null && _top.Marks == marks && _top.Indent > indent)
        {
            if (!_top.IsFresh && isVersion)
            {
                CloseDocument(KtapOutcome.Crashed, "another run of tests began before its result");
                OpenDocument(marks, indent, !line.IsKtap, hasVersion: true);
                return _top;
            }
        }

        return OpenSuite(_top, marks, indent, line.Stamp);
    }

    private bool TryVersionInMiddle(ReadOnlySpan<char> text)
    {
        int at = text.LastIndexOf("TAP version ", StringComparison.Ordinal);
        if (at < 0 || (_top is not null && !AllDone()))
            return false;
        if (at > 0 && text[at - 1] == 'K')
            at--;
        var line = KtapLine.Read(text[at ..], []);
        if (line.Kind != KtapLineKind.Version)
            return false;
        CloseDocument(KtapOutcome.Crashed, "another run of tests began before its result");
        _learnedPrefix = text[.. at].ToString();
        ReadVersion(ref line);
        return true;
    }

    private bool ReadPlan(ref KtapLine line)
    {
        int indent = line.Indent(line.Marks);
        if (_top is null)
        {
            if (line.Marks > 0)
                return false;
            OpenDocument(0, indent, isTap: true, hasVersion: false);
        }
        else if (line.Marks > _top.Marks)
        {
            // A nested kselftest without a version line.
            if (line.Marks != _top.Marks + 1 || !_selftestHeader || OpenSuite(_top, line.Marks, indent, line.Stamp) is null)
                return false;
        }

        KtapSuite suite = SuiteAt(line.Marks, indent);
        if (suite != _top)
        {
            // Only a late plan may come from further out while a suite is open.
            if (suite.Plan is not null || suite.Tests.Count == 0)
                return suite.Plan is not null && NoteDuplicatePlan(suite, ref line);
            while (_top != suite)
                CloseLost(_top!, KtapOutcome.Error, "its result line is missing");
        }
        else if (suite.Marks == line.Marks && indent > suite.Indent && (suite.Plan is not null || suite.Tests.Count > 0))
        {
            KtapSuite? nested = OpenSuite(suite, line.Marks, indent, line.Stamp);
            if (nested is null)
                return false;
            Complain(KtapComplaintKind.MissingHeader, _line, "an indented plan without a version line before it", isError: false, nested.Complaints);
            suite = nested;
        }
        else if (suite.Plan is not null)
        {
            if (suite is not { Parent: null, IsComplete: true })
                return NoteDuplicatePlan(suite, ref line);
            CloseDocument(KtapOutcome.Crashed, "another run of tests began before its result");
            OpenDocument(line.Marks, indent, isTap: true, hasVersion: false);
            suite = _top!;
        }

        if (suite.Tests.Count > 0)
        {
            Complain(KtapComplaintKind.LatePlan, _line, $"the plan of {Describe(suite)} comes after its first result", isError: false, suite.Complaints);
        }
        else
        {
            TakeSuiteAttributes(suite);
            TakePending(suite.Log);
        }

        suite.Plan = line.Number;
        suite.IsSkipped = line.Directive == KtapDirective.Skip;
        suite.SkipReason = line.Reason.ToString();
        if (line.Stamp >= 0 && suite.Tests.Count == 0)
            suite.LastStamp = line.Stamp;
        if (suite.Parent is not null)
            Tell(suite);
        return true;
    }

    private bool NoteDuplicatePlan(KtapSuite suite, ref KtapLine line)
    {
        if (suite.Plan == line.Number)
            return false;
        Complain(KtapComplaintKind.DuplicatePlan, _line, $"{Describe(suite)} has a second plan, {line.Content}; the first, 1..{suite.Plan}, stays", isError: false, suite.Complaints);
        return false;
    }

    private static string Describe(KtapSuite suite) => suite.Parent is null ? "the log" : suite.Name.Length > 0 ? $"suite \"{suite.Name}\"" : "a suite without a name";

    private bool ReadResult(ref KtapLine line)
    {
        int marks = line.Marks;
        int indent = line.Indent(marks);
        if (_top is null)
        {
            // Without a version line, only what can be nothing else.
            if (marks > 0 || line.Number != 1 || line.Name.IsEmpty)
                return false;
            OpenDocument(0, indent, isTap: true, hasVersion: false);
        }

        if (line.Number < 0 && line.IsOk && !Document(_top!).IsTap)
            return false;
        if (marks > _top!.Marks)
        {
            if (marks != _top.Marks + 1 || !_selftestHeader || OpenSuite(_top, marks, indent, line.Stamp) is null)
                return false;
        }

        Place(ref line, marks, indent);
        if (line.Interleaved.Length > 0)
        {
            Complain(KtapComplaintKind.InterleavedLine, _line, "a line of the kernel log is in the middle of a result", isError: false);
            string rest = line.Interleaved.ToString();
            var inner = KtapLine.Read(rest, []);
            KeepLine(ref inner);
        }

        return true;
    }

    private static KtapSuite Document(KtapSuite suite)
    {
        // As deep as the options allow, at most.
        while (suite.Parent is not null)
            suite = suite.Parent;
        return suite;
    }

    // Finds the suite a result belongs to, and the one it is the result of, if any.
    private void Place(ref KtapLine line, int marks, int indent)
    {
        KtapSuite suite = _top!;
        KtapSuite? ended = null;
        while (suite.Parent is not null && suite.Marks > marks)
        {
            if (ended is not null)
                CloseLost(ended, KtapOutcome.Error, "its result line is missing");
            ended = suite;
            suite = suite.Parent;
            Work++;
        }

        while (suite.Parent is { } outer && suite.Marks == marks && indent < suite.Indent)
        {
            Work++;

            // The next of its tests has lost its indentation.
            if (ended is null && suite.Name.Length > 0 && !line.Name.SequenceEqual(suite.Name) && line.Number == suite.Next && !suite.IsComplete && line.Number != outer.Next)
            {
                Complain(KtapComplaintKind.WrongIndentation, _line, $"the result of {Named(line.Name)} is indented less than its suite \"{suite.Name}\"", isError: false, _pendingComplaints);
                break;
            }

            if (ended is not null)
                CloseLost(ended, KtapOutcome.Error, "its result line is missing");
            ended = suite;
            suite = outer;
        }

        if (ended is null && suite.IsOverfull && indent > suite.Indent)
        {
            suite.HidesFailure |= !line.IsOk && line.Directive is not (KtapDirective.Skip or KtapDirective.Todo or KtapDirective.XFail);
            KeepLine(ref line);
            return;
        }

        if (ended is null && suite.Parent is { } parent)
        {
            bool named = suite.Name.Length > 0 && line.Name.SequenceEqual(suite.Name);
            bool complete = suite.IsComplete;
            if ((suite.IsFlat && complete)
                || (named && (line.Number == parent.Next || line.Number < 0) && (line.Number != suite.Next || complete || (suite.IsFlat && suite.Plan is null))))
            {
                if (!suite.IsFlat)
                    Complain(KtapComplaintKind.WrongIndentation, _line, $"the result of suite \"{suite.Name}\" is indented like its tests", isError: false, _pendingComplaints);
                ended = suite;
                suite = parent;
            }
        }

        Add(ref line, suite, ended, indent);
    }

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

        SettleStray(suite, number, line.IsOk);

        // Tests that were indented without a header are those of this one.
        int adopted = ended is null && number != suite.Next ? IndentedTests(suite, indent, number) : 0;
        if (adopted > 0)
        {
            ended = new KtapSuite(suite, suite.Marks, indent + 1, _line) { StartStamp = suite.LastStamp };
            int from = suite.Tests.Count - adopted;
            ended.Tests.AddRange(suite.Tests[from ..]);
            suite.Tests.RemoveRange(from, adopted);
            suite.Indents.RemoveRange(from, adopted);
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
        suite.Indents.Add(indent);
        _observer?.Finished(suite.PathWithin(), test);
    }

    private int IndentedTests(KtapSuite suite, int indent, int number)
    {
        int count = suite.Tests.Count;
        int from = number - 1;
        if (from < 0 || from >= count || suite.Indents[from] <= indent || (from > 0 && suite.Indents[from - 1] > indent))
            return 0;
        for (int at = from; at < count; at++)
        {
            Work++;
            if (suite.Indents[at] <= indent || suite.Tests[at].Number != at + 1)
                return 0;
        }

        // Numbers within start at 1; the first of them followed on the ones before only if there were none.
        return from == 0 ? count - from : 0;
    }

    // A stray result was one if the numbers go on as if it had not been there, and if no failure gets lost with it.
    private void SettleStray(KtapSuite suite, int? next, bool nextIsOk)
    {
        if (suite.Stray is not { } stray)
            return;
        suite.Stray = null;
        if (next == suite.Next && (stray.IsOk || !nextIsOk))
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
        string name = line.Name.Contains("\\#", StringComparison.Ordinal)
            ? line.Name.ToString().Replace("\\#", "#", StringComparison.Ordinal)
            : line.Name.ToString();
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
        SettleStray(suite, null, nextIsOk: true);
        if (suite.Plan is null && suite.Parent is { } && suite.Tests.Count > 0 && suite.HasVersion && suite.Marks == 0)
            Complain(KtapComplaintKind.MissingPlan, suite.Line, $"{Describe(suite)} has no plan", isError: false, suite.Complaints);
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
                return text[5 .. ^4].Trim().ToString();
            int colon = text.IndexOf(": ", StringComparison.Ordinal);
            if (colon <= 0 || colon > 256)
                continue;
            ReadOnlySpan<char> name = text[.. colon];
            if (!name.ContainsAnyExcept(Identifier) && !name.SequenceEqual(suite.Name) && !char.IsAsciiDigit(name[0]))
                return name.ToString();
        }

        return "";
    }

    private static readonly SearchValues<char> Identifier = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

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

    private void BailOut(ref KtapLine line)
    {
        // A nested program gives up for itself only.
        KtapSuite suite = _top!;
        while (suite.Parent is { } parent && (suite.Marks > line.Marks || parent.Marks == suite.Marks))
            suite = parent;
        string reason = line.Reason.ToString();

        // kselftest's message need not end its line before the totals.
        int totals = reason.IndexOf("# Totals: pass:", StringComparison.Ordinal);
        if (totals >= 0)
        {
            suite.Totals = KtapTotals.Parse(reason.AsSpan(totals + 2), _line);
            reason = reason[.. totals].TrimEnd();
        }

        suite.BailedOut ??= reason;
        if (suite.Parent is not null)
            suite.HidesFailure = true;
        Complain(KtapComplaintKind.BailedOut, _line, Joined("the tests gave up", reason), isError: true, suite.Complaints);
        AddLog(_pending, new KtapLogLine(IsDiagnostic: true, line.Content.ToString()));
    }

    private bool TryResultInMiddle(ref KtapLine line)
    {
        if (_top is null)
            return false;
        ReadOnlySpan<char> text = line.Text;
        int from = line.MessageStart + 1;
        for (int candidates = 0; candidates < MaxCandidates && from < text.Length; candidates++)
        {
            int found = text[from ..].IndexOf("ok ", StringComparison.Ordinal);
            if (found < 0)
                return false;
            int at = from + found;
            from = at + 3;
            if (from >= text.Length || !char.IsAsciiDigit(text[from]))
                continue;
            if (at >= 4 && text[(at - 4) .. at] is "not ")
                at -= 4;
            if (at <= line.MessageStart)
                continue;
            Work += text.Length - at;
            if (!KtapLine.TryReadResult(text[at ..], out KtapLine result) || !IsNext(result.Number, result.Name) || !IsPlausible(text[at - 1], ref result))
                continue;
            Complain(KtapComplaintKind.ResultInMiddleOfLine, _line, $"the result of {Named(result.Name)} comes after other text in the same line", isError: false, _pendingComplaints);
            AddLog(_pending, new KtapLogLine(IsDiagnostic: false, text[.. at].TrimEnd().ToString()));

            // Its indentation is that of the suite that waits for this number.
            KtapSuite suite = _top;
            int indent = suite.Next == result.Number ? suite.Indent : suite.Parent!.Indent;
            int marks = suite.Next == result.Number ? suite.Marks : suite.Parent!.Marks;
            Place(ref result, marks, indent);
            return true;
        }

        return false;
    }

    private bool IsNext(int number, ReadOnlySpan<char> name) =>
        !name.IsEmpty && ((_top!.Next == number && !_top.IsComplete) || (_top.Parent is { } parent && parent.Next == number && !parent.IsComplete && (_top.IsComplete || name.SequenceEqual(_top.Name))));

    // "book 4 times" is prose; "doneok 4 test_name" and "done. ok 4 a name" are not. When in doubt, no: a result that is
    // missing shows, one that was made up does not.
    private static bool IsPlausible(char before, ref KtapLine result) =>
        !(char.IsLetterOrDigit(before) || before is '"' or '\'' or '_')
        || (result.Name.IndexOfAny(' ', '\t') < 0 && result.Name.IndexOfAny("_-.:/") >= 0);

    private void TakeSuiteAttributes(KtapSuite suite)
    {
        // Between the header and the plan: "# module: example".
        int kept = 0;
        for (int at = 0; at < _pending.Count; at++)
        {
            KtapLogLine line = _pending[at];
            if (line.IsDiagnostic && SplitAttribute(line.Text, out string key, out string value))
            {
                suite.Attributes[key] = value;
                if (key == "test" && line.Text[0] == ':' && suite.Name.Length == 0 && suite.Parent is not null)
                    suite.Name = value;
            }
            else
            {
                _pending[kept++] = line;
            }
        }

        Work += _pending.Count;
        _pending.RemoveRange(kept, _pending.Count - kept);
    }

    // "key: value", or KTAP 2's ":ktap_key: value".
    private static bool SplitAttribute(string text, out string key, out string value)
    {
        key = value = "";
        int start = text.StartsWith(':') ? 1 : 0;
        int colon = text.IndexOf(": ", start, StringComparison.Ordinal);
        if (colon <= start || colon > 64)
            return false;
        ReadOnlySpan<char> name = text.AsSpan(start .. colon);
        if (name.ContainsAnyExcept(Identifier) || (start == 0 && name is not ("module" or "speed" or "is_init")))
            return false;
        key = (start == 1 && name.StartsWith("ktap_", StringComparison.Ordinal) ? name[5 ..] : name).ToString();
        value = text[(colon + 2) ..].Trim();
        return true;
    }

    // What the diagnostics before a result say of the test: "# name.speed: slow", "# name: pass:1 fail:0 skip:0 total:1".
    private KtapTotals? TakeMetadata(string name, ref TimeSpan? duration)
    {
        KtapTotals? totals = null;
        int kept = 0;
        for (int at = 0; at < _pending.Count; at++)
        {
            KtapLogLine line = _pending[at];
            if (line.IsDiagnostic)
            {
                string text = line.Text;
                if (text.StartsWith(':') && SplitAttribute(text, out string key, out string value))
                {
                    _attributes[key] = value;
                    continue;
                }

                if (text.Length > name.Length + 3 && text.StartsWith(name, StringComparison.Ordinal))
                {
                    if (text[name.Length] == '.' && TakeOwnAttribute(text, name.Length + 1, ref duration))
                        continue;
                    if (text[name.Length] == ':')
                    {
                        totals = KtapTotals.Parse(text, _line) ?? totals;
                        duration ??= Runtime(text);
                    }
                }
            }

            _pending[kept++] = line;
        }

        Work += _pending.Count;
        _pending.RemoveRange(kept, _pending.Count - kept);
        return totals is { IsKselftest: false } ? totals : null;
    }

    private bool TakeOwnAttribute(string text, int start, ref TimeSpan? duration)
    {
        int colon = text.IndexOf(": ", start, StringComparison.Ordinal);
        if (colon <= start || text.AsSpan(start .. colon).ContainsAnyExcept(Identifier))
            return false;
        string key = text[start .. colon];
        string value = text[(colon + 2) ..].Trim();
        if (key == "duration" && value.EndsWith('s') && Seconds(value.AsSpan(.. ^1)) is { } time)
            duration = time;
        else
            _attributes[key] = value;
        return true;
    }

    // lib/kunit/test.c: "Test should be marked slow (runtime: 1.000000000s)".
    private static TimeSpan? Runtime(string text)
    {
        int at = text.IndexOf("(runtime: ", StringComparison.Ordinal);
        int end = at < 0 ? -1 : text.IndexOf("s)", at, StringComparison.Ordinal);
        return end < 0 ? null : Seconds(text.AsSpan((at + 10) .. end));
    }

    private static TimeSpan? Seconds(ReadOnlySpan<char> text) =>
        decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal seconds) && seconds < 1_000_000_000
            ? TimeSpan.FromTicks((long)(seconds * TimeSpan.TicksPerSecond))
            : null;
}
