namespace Uml.CI;

/// <summary>What became of a test. Every format knows fewer words; how each is said in which is in docs/reports.md.</summary>
public enum ReportOutcome
{
    /// <summary>It passed.</summary>
    Passed,

    /// <summary>It ran to its end and found something wrong.</summary>
    Failed,

    /// <summary>It found that it does not apply here.</summary>
    Skipped,

    /// <summary>Nobody asked for it, or it did not come to run.</summary>
    NotRun,

    /// <summary>It ended before its time: a signal, a panic, a lost guest.</summary>
    Crashed,

    /// <summary>It took longer than it may, and was ended.</summary>
    TimedOut,

    /// <summary>It failed, and is known to: no failure.</summary>
    ExpectedFailure,

    /// <summary>It could not be carried out, so that nothing is known of what it tests.</summary>
    Error,
}

/// <summary>What outcomes mean.</summary>
public static class ReportOutcomes
{
    /// <summary>All of them, the worst first.</summary>
    public static IReadOnlyList<ReportOutcome> WorstFirst { get; } =
    [
        ReportOutcome.Crashed, ReportOutcome.TimedOut, ReportOutcome.Error, ReportOutcome.Failed,
        ReportOutcome.ExpectedFailure, ReportOutcome.Passed, ReportOutcome.Skipped, ReportOutcome.NotRun,
    ];

    /// <summary>Whether a run with such a test has failed.</summary>
    public static bool IsFailure(this ReportOutcome outcome) =>
        outcome is ReportOutcome.Failed or ReportOutcome.Crashed or ReportOutcome.TimedOut or ReportOutcome.Error;

    /// <summary>The outcome in words: <c>timed out</c>.</summary>
    public static string Words(this ReportOutcome outcome) => outcome switch
    {
        ReportOutcome.Passed => "passed",
        ReportOutcome.Failed => "failed",
        ReportOutcome.Skipped => "skipped",
        ReportOutcome.NotRun => "not run",
        ReportOutcome.Crashed => "crashed",
        ReportOutcome.TimedOut => "timed out",
        ReportOutcome.ExpectedFailure => "expected failure",
        _ => "error",
    };

    /// <summary>The outcome that such words stand for; null if none.</summary>
    internal static ReportOutcome? OfWords(string? words) =>
        WorstFirst.Where(o => o.Words() == words).Select(o => (ReportOutcome?)o).FirstOrDefault();
}
