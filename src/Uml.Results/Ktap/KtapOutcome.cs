namespace Uml.CI;

/// <summary>What became of a test.</summary>
public enum KtapOutcome
{
    /// <summary>It passed.</summary>
    Passed,

    /// <summary>It failed, or a test within it did.</summary>
    Failed,

    /// <summary>It was not run, on purpose.</summary>
    Skipped,

    /// <summary>It failed as was expected (TODO, XFAIL). Counts as good.</summary>
    ExpectedFailure,

    /// <summary>It passed although a failure was expected (XPASS, "ok" with TODO). Counts as good.</summary>
    UnexpectedPass,

    /// <summary>It took longer than it may (TIMEOUT, or the run was stopped while it ran).</summary>
    TimedOut,

    /// <summary>It could not be carried out (ERROR), or its result got lost.</summary>
    Error,

    /// <summary>It was running when the log ended or the kernel died.</summary>
    Crashed,

    /// <summary>It was planned and its turn never came.</summary>
    NotRun,

    /// <summary>It says that it is a suite, and has no tests.</summary>
    NoTests,
}
