namespace Uml.CI;

// Which suite a line belongs to.
public sealed partial class KtapParser
{
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
        TakeSuiteAttributes(_top, onlyMetadata: true);
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
            TakeSuiteAttributes(_top);
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
        var line = KtapLine.Read(text[at..], []);
        if (line.Kind != KtapLineKind.Version)
            return false;
        CloseDocument(KtapOutcome.Crashed, "another run of tests began before its result");
        _learnedPrefix = text[..at].ToString();
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

    // A result's name has "\\#" where a suite's has "#".
    private static bool IsNamed(ReadOnlySpan<char> result, string suite) =>
        result.SequenceEqual(suite) || (suite.Contains('#', StringComparison.Ordinal) && Unescape(result).Equals(suite, StringComparison.Ordinal));

    private static string Unescape(ReadOnlySpan<char> name) => name.ToString().Replace("\\#", "#", StringComparison.Ordinal);

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
            if (ended is null && suite.Name.Length > 0 && !IsNamed(line.Name, suite.Name) && line.Number == suite.Next && !suite.IsComplete && line.Number != outer.Next)
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
            bool named = suite.Name.Length > 0 && IsNamed(line.Name, suite.Name);
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

        // Numbers that begin again, further in, are those of tests within the next one.
        if (ended is null && line.Number == 1 && suite.Next > 1 && indent > suite.LastIndent && indent > suite.Indent && !line.Name.IsEmpty
            && OpenSuite(suite, marks, indent, line.Stamp) is { } nested)
        {
            Complain(KtapComplaintKind.MissingHeader, _line, $"{Named(line.Name)} is indented and has no version line before it", isError: false, nested.Complaints);
            suite = nested;
        }

        Add(ref line, suite, ended, indent);
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
            reason = reason[..totals].TrimEnd();
        }

        suite.BailedOut ??= reason;
        if (suite.Parent is not null)
            suite.HidesFailure = true;
        Complain(KtapComplaintKind.BailedOut, _line, Joined("the tests gave up", reason), isError: true, suite.Complaints);
        AddLog(_pending, new KtapLogLine(IsDiagnostic: false, line.Content.ToString()));
    }

    private bool TryResultInMiddle(ref KtapLine line)
    {
        if (_top is null)
            return false;
        ReadOnlySpan<char> text = line.Text;
        int from = line.MessageStart + 1;
        for (int candidates = 0; candidates < MaxCandidates && from < text.Length; candidates++)
        {
            int found = text[from..].IndexOf("ok ", StringComparison.Ordinal);
            if (found < 0)
                return false;
            int at = from + found;
            from = at + 3;
            if (from >= text.Length || !char.IsAsciiDigit(text[from]))
                continue;
            if (at >= 4 && text[(at - 4)..at] is "not ")
                at -= 4;
            if (at <= line.MessageStart)
                continue;
            Work += text.Length - at;
            if (!KtapLine.TryReadResult(text[at..], out KtapLine result) || !IsNext(result.Number, result.Name) || !IsPlausible(text[at - 1], ref result))
                continue;
            Complain(KtapComplaintKind.ResultInMiddleOfLine, _line, $"the result of {Named(result.Name)} comes after other text in the same line", isError: false, _pendingComplaints);
            AddLog(_pending, new KtapLogLine(IsDiagnostic: false, text[..at].TrimEnd().ToString()));

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
        !name.IsEmpty && ((_top!.Next == number && !_top.IsComplete) || (_top.Parent is { } parent && parent.Next == number && !parent.IsComplete && (_top.IsComplete || IsNamed(name, _top.Name))));

    // "book 4 times" is prose; "doneok 4 test_name" and "done. ok 4 a name" are not. When in doubt, no: a result that is
    // missing shows, one that was made up does not.
    private static bool IsPlausible(char before, ref KtapLine result) =>
        !(char.IsLetterOrDigit(before) || before is '"' or '\'' or '_')
        || (result.Name.IndexOfAny(' ', '\t') < 0 && result.Name.IndexOfAny("_-.:/") >= 0);
}
