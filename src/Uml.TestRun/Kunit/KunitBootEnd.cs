namespace Uml.CI;

/// <summary>How a kernel that ran its unit tests ended.</summary>
public enum KunitBootEnd
{
    /// <summary>It halted, as it was told to.</summary>
    Halted,

    /// <summary>It panicked.</summary>
    Panicked,

    /// <summary>A test gave no result in its time, and the kernel was ended.</summary>
    TestTimedOut,

    /// <summary>All of it took too long, and the kernel was ended.</summary>
    TimedOut,

    /// <summary>The run was stopped, and the kernel was ended.</summary>
    Interrupted,

    /// <summary>It ended in another way: killed, or by a status other than 0.</summary>
    Lost,
}
