namespace Uml.CI;

/// <summary>What is wrong with a log. The names are stable: reports and tests may rely on them.</summary>
public enum KtapComplaintKind
{
    /// <summary>Nothing in the log is KTAP.</summary>
    NoResults,

    /// <summary>Results without a version line before them.</summary>
    MissingVersion,

    /// <summary>A version that is neither KTAP 1 or 2 nor TAP 13 or 14.</summary>
    UnknownVersion,

    /// <summary>No plan for the top level: nobody can tell whether tests are missing. (KUnit never has one for a test's parameters.)</summary>
    MissingPlan,

    /// <summary>The plan came after the first result.</summary>
    LatePlan,

    /// <summary>A second plan for the same tests.</summary>
    DuplicatePlan,

    /// <summary>Fewer results than planned.</summary>
    MissingTests,

    /// <summary>More results than planned.</summary>
    MoreTestsThanPlanned,

    /// <summary>A suite without tests.</summary>
    EmptySuite,

    /// <summary>A suite whose own result line never came.</summary>
    MissingResult,

    /// <summary>A result without a number.</summary>
    MissingNumber,

    /// <summary>A result whose number is not the one that comes next.</summary>
    WrongNumber,

    /// <summary>A result that belongs to no test, such as one printed by a child process of the test.</summary>
    StrayResult,

    /// <summary>A suite whose result line has another name than its header.</summary>
    NameMismatch,

    /// <summary>A result that is indented unlike the tests it belongs to.</summary>
    WrongIndentation,

    /// <summary>Indented results without a version line or "# Subtest:" before them.</summary>
    MissingHeader,

    /// <summary>A suite that says "ok" although a test within it failed.</summary>
    PassedDespiteFailures,

    /// <summary>A directive at odds with "ok" or "not ok".</summary>
    ContradictoryDirective,

    /// <summary>The log's own totals are others than those of its results.</summary>
    TotalsMismatch,

    /// <summary>A result after other text in the same line.</summary>
    ResultInMiddleOfLine,

    /// <summary>A line of the kernel log in the middle of a result line.</summary>
    InterleavedLine,

    /// <summary>"Bail out!": the tests gave up.</summary>
    BailedOut,

    /// <summary>The kernel panicked.</summary>
    KernelPanic,

    /// <summary>The kernel started again in the middle of the tests.</summary>
    KernelRestarted,

    /// <summary>KUnit's executor could not run the tests.</summary>
    ExecutorError,

    /// <summary>A line longer than allowed; its end was dropped.</summary>
    LineTooLong,

    /// <summary>Tests nested deeper than allowed; what is below was not read as tests.</summary>
    TooDeep,

    /// <summary>More lines of log than are kept with one test.</summary>
    LogTooLong,

    /// <summary>More complaints than are kept.</summary>
    TooManyComplaints,
}
