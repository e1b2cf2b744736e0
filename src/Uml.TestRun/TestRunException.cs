namespace Uml.CI;

/// <summary>A test run was asked for that makes no sense. The message is one line: what is wrong, and what to do.</summary>
public sealed class TestRunException : Exception
{
    /// <summary>Creates the exception.</summary>
    public TestRunException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
