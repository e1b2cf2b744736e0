namespace Uml.CI;

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
}
