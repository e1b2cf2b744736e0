namespace Uml.CI;

/// <summary>Something went wrong with a guest. The message ends with the end of the kernel log where there is one.</summary>
public class GuestException : Exception
{
    /// <summary>Creates the exception.</summary>
    public GuestException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }

    /// <summary>What went wrong, one line, without the log.</summary>
    public string Summary { get; init; } = "";

    /// <summary>The last lines of the kernel log; empty if the kernel wrote none.</summary>
    public string KernelLogTail { get; init; } = "";

    /// <summary>A file with the whole kernel log; null if none was kept.</summary>
    public string? KernelLogFile { get; init; }

    /// <summary>The message of an exception: a line, and below it what there is to know.</summary>
    internal static string Compose(string summary, string tail, string? file, string? state = null)
    {
        var text = new System.Text.StringBuilder(summary);
        if (!string.IsNullOrWhiteSpace(state))
            text.Append("\nState of the guest:\n").Append(state.TrimEnd());
        if (tail.Length > 0)
            text.Append("\nEnd of the kernel log:\n").Append(tail.TrimEnd());
        if (file is not null)
            text.Append("\nWhole kernel log: ").Append(file);
        return text.ToString();
    }
}

/// <summary>This host cannot run the guest. The message says what is missing and how to mend it.</summary>
public sealed class GuestUnavailableException : GuestException
{
    /// <summary>Creates the exception.</summary>
    public GuestUnavailableException(string message, Exception? innerException = null)
        : base(message, innerException) => Summary = message;
}

/// <summary>The guest was started and did not come up.</summary>
public sealed class GuestBootException : GuestException
{
    /// <summary>Creates the exception.</summary>
    public GuestBootException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }

    /// <summary>Whether it still ran when <see cref="GuestOptions.BootTimeout"/> passed; else it ended, or could not be set up.</summary>
    public bool DeadlinePassed { get; init; }
}

/// <summary>The guest's kernel panicked.</summary>
public sealed class KernelPanicException : GuestException
{
    /// <summary>Creates the exception.</summary>
    public KernelPanicException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }

    /// <summary>The panic and what led to it; null if the log holds none.</summary>
    public KernelPanic? Panic { get; init; }

    /// <summary>The kernel's report: what it said and where it happened; null if the log holds none.</summary>
    public KernelComplaint? Report => Panic?.Report;
}

/// <summary>A deadline passed. The message holds what the guest was doing.</summary>
public sealed class GuestTimeoutException : GuestException
{
    /// <summary>Creates the exception.</summary>
    public GuestTimeoutException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }

    /// <summary>What the guest's processes were doing when the deadline passed.</summary>
    public string GuestState { get; init; } = "";
}

/// <summary>The guest was lost: its kernel or its supervisor ended, or it broke the protocol.</summary>
public sealed class GuestConnectionException : GuestException
{
    /// <summary>Creates the exception.</summary>
    public GuestConnectionException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}

/// <summary>The guest could not start the command.</summary>
public sealed class ExecException : GuestException
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">What was wrong.</param>
    /// <param name="errno">The Linux error number, or 0.</param>
    public ExecException(string message, int errno)
        : base(message)
    {
        Errno = errno;
        Summary = message;
    }

    /// <summary>The Linux error number: 2 (ENOENT) if the command does not exist.</summary>
    public int Errno { get; }

    /// <summary>The exit status a shell would give: 127 not found, 126 found but not executable.</summary>
    public int ExitCode => Errno == 2 ? 127 : 126;
}
