namespace Uml.CI;

/// <summary>Whose fault it is that there is no kernel.</summary>
public enum KernelProblem
{
    /// <summary>Something else: the kernel is damaged, is not the pinned one, or is none.</summary>
    Other,

    /// <summary>The reference makes no sense.</summary>
    InvalidReference,

    /// <summary>There is no such kernel: no such file, suite or package.</summary>
    NotFound,

    /// <summary>This host cannot provide it: no apt, no network, no space, the wrong processor.</summary>
    Unavailable,
}

/// <summary>
/// A kernel could not be found, fetched or used. The message is one line: what was asked for, what is wrong with it,
/// and what to do about it.
/// </summary>
public sealed class KernelException : Exception
{
    /// <summary>Creates the exception without a message of its own.</summary>
    public KernelException()
        : base("The kernel could not be provided.")
    {
    }

    /// <summary>Creates the exception from its one line.</summary>
    public KernelException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception from its one line and what caused it.</summary>
    public KernelException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Whose fault it is.</summary>
    public KernelProblem Problem { get; init; }
}
