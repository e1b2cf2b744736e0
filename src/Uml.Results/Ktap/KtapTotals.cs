namespace Uml.CI;

/// <summary>
/// The totals a log prints about itself: kselftest's "Totals: pass:9 fail:7 xfail:1 xpass:1 skip:1 error:0", which are of the
/// results at its own level, and KUnit's "name: pass:1 fail:0 skip:0 total:1", of the results in that suite.
/// </summary>
internal sealed record KtapTotals(bool IsKselftest, string Name, int Pass, int Fail, int XFail, int XPass, int Skip, int Error, long Line)
{
    public static KtapTotals? Parse(ReadOnlySpan<char> text, long line)
    {
        // The last line of "Bail out!" may carry them behind the message.
        int colon = text.IndexOf(": pass:", StringComparison.Ordinal);
        if (colon <= 0)
            return null;
        string name = text[..colon].ToString();
        int pass = -1, fail = -1, xfail = 0, xpass = 0, skip = -1, error = -1, total = -1;
        foreach (Range range in text[(colon + 2)..].Split(' '))
        {
            ReadOnlySpan<char> field = text[(colon + 2)..][range];
            int separator = field.IndexOf(':');
            if (separator < 0 || !int.TryParse(field[(separator + 1)..], System.Globalization.NumberStyles.None, null, out int value))
                return null;
            switch (field[..separator])
            {
                case "pass": pass = value; break;
                case "fail": fail = value; break;
                case "xfail": xfail = value; break;
                case "xpass": xpass = value; break;
                case "skip": skip = value; break;
                case "error": error = value; break;
                case "total": total = value; break;
                default: return null;
            }
        }

        if (pass < 0 || fail < 0 || skip < 0 || (error < 0 && total < 0))
            return null;
        return new KtapTotals(error >= 0, name, pass, fail, xfail, xpass, skip, Math.Max(error, 0), line);
    }

    public static KtapTotals Of(IEnumerable<KtapTest> tests)
    {
        int pass = 0, fail = 0, xfail = 0, xpass = 0, skip = 0, error = 0;
        foreach (KtapTest test in tests)
        {
            switch (test.Outcome)
            {
                case KtapOutcome.Passed: pass++; break;
                case KtapOutcome.ExpectedFailure: xfail++; break;
                case KtapOutcome.UnexpectedPass: xpass++; break;
                case KtapOutcome.Skipped: skip++; break;
                case KtapOutcome.Error: error++; break;
                default: fail++; break;
            }
        }

        return new KtapTotals(IsKselftest: true, "Totals", pass, fail, xfail, xpass, skip, error, 0);
    }

    /// <summary>Whether these are the other's numbers, as far as both tell them apart.</summary>
    public bool Agrees(KtapTotals counted) => IsKselftest
        ? Pass == counted.Pass && Fail == counted.Fail && XFail == counted.XFail && XPass == counted.XPass && Skip == counted.Skip && Error == counted.Error
        : Pass == counted.Pass + counted.XFail + counted.XPass && Fail == counted.Fail + counted.Error && Skip == counted.Skip;

    public override string ToString() => IsKselftest
        ? $"pass:{Pass} fail:{Fail} xfail:{XFail} xpass:{XPass} skip:{Skip} error:{Error}"
        : $"pass:{Pass} fail:{Fail} skip:{Skip}";
}
