namespace Uml.CI;

/// <summary>
/// How many tests had which outcome. Tests within suites are counted, not the suites; a suite that failed although nothing
/// in it did counts as one more test, or it would be lost; a suite that was expected to fail and did counts as one.
/// </summary>
/// <param name="Passed">Passed.</param>
/// <param name="Failed">Failed.</param>
/// <param name="Skipped">Skipped.</param>
/// <param name="ExpectedFailures">Failed as expected.</param>
/// <param name="UnexpectedPasses">Passed unexpectedly.</param>
/// <param name="TimedOut">Timed out.</param>
/// <param name="Errors">Could not be carried out.</param>
/// <param name="Crashed">Running when the kernel died or the log ended.</param>
/// <param name="NotRun">Planned, never begun.</param>
/// <param name="Empty">Suites without tests.</param>
public sealed record KtapCounts(
    int Passed, int Failed, int Skipped, int ExpectedFailures, int UnexpectedPasses, int TimedOut, int Errors, int Crashed, int NotRun, int Empty)
{
    /// <summary>All of them.</summary>
    public int Total => Passed + Skipped + ExpectedFailures + UnexpectedPasses + Bad;

    /// <summary>Those that make a run bad.</summary>
    public int Bad => Failed + TimedOut + Errors + Crashed + NotRun + Empty;

    internal static KtapCounts None { get; } = new(0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

    internal static KtapCounts One(KtapOutcome outcome) => outcome switch
    {
        KtapOutcome.Passed => None with { Passed = 1 },
        KtapOutcome.Failed => None with { Failed = 1 },
        KtapOutcome.Skipped => None with { Skipped = 1 },
        KtapOutcome.ExpectedFailure => None with { ExpectedFailures = 1 },
        KtapOutcome.UnexpectedPass => None with { UnexpectedPasses = 1 },
        KtapOutcome.TimedOut => None with { TimedOut = 1 },
        KtapOutcome.Error => None with { Errors = 1 },
        KtapOutcome.Crashed => None with { Crashed = 1 },
        KtapOutcome.NotRun => None with { NotRun = 1 },
        _ => None with { Empty = 1 },
    };

    /// <summary>Adds two counts.</summary>
    public static KtapCounts operator +(KtapCounts a, KtapCounts b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        return new(
            a.Passed + b.Passed, a.Failed + b.Failed, a.Skipped + b.Skipped, a.ExpectedFailures + b.ExpectedFailures,
            a.UnexpectedPasses + b.UnexpectedPasses, a.TimedOut + b.TimedOut, a.Errors + b.Errors, a.Crashed + b.Crashed,
            a.NotRun + b.NotRun, a.Empty + b.Empty);
    }
}
