namespace Uml.CI;

/// <summary>The word after "#" that gives a result another meaning.</summary>
public enum KtapDirective
{
    /// <summary>There is none.</summary>
    None,

    /// <summary>SKIP.</summary>
    Skip,

    /// <summary>TODO.</summary>
    Todo,

    /// <summary>XFAIL.</summary>
    XFail,

    /// <summary>XPASS, which kselftest prints and ktap.rst does not list.</summary>
    XPass,

    /// <summary>TIMEOUT.</summary>
    Timeout,

    /// <summary>ERROR.</summary>
    Error,

    /// <summary>CRASHED: ours, for tests whose result never came. Other readers see "not ok".</summary>
    Crashed,

    /// <summary>NOTRUN: ours, for planned tests that were never begun. Other readers see "not ok".</summary>
    NotRun,
}
