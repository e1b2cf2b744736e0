namespace Uml.CI;

/// <summary>What gets a kernel of its own.</summary>
public enum KunitIsolation
{
    /// <summary>All tests share one.</summary>
    None,

    /// <summary>Each suite.</summary>
    Suite,

    /// <summary>Each test.</summary>
    Test,
}
