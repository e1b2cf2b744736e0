namespace Uml.CI.Cli;

/// <summary>How a run ended.</summary>
/// <param name="Name">One word for programs.</param>
/// <param name="ExitStatus">The tool's exit status.</param>
internal sealed record Outcome(string Name, int ExitStatus)
{
    /// <summary>The signal that ended the command.</summary>
    public int? Signal { get; init; }

    /// <summary>What went wrong, one line; null if nothing of ours did.</summary>
    public string? Error { get; init; }

    /// <summary>What there is to know beyond that: the panic, the stuck task, the end of the log.</summary>
    public string Detail { get; init; } = "";

    /// <summary>A file with the whole kernel log.</summary>
    public string? KernelLogFile { get; init; }

    /// <summary>Whether files can still be had from the guest.</summary>
    public bool GuestAnswers { get; init; } = true;

    /// <summary>Says on standard error what went wrong, if anything of ours did.</summary>
    public void Print()
    {
        if (Error is null)
            return;
        Message.Error(Error);
        if (Detail.TrimEnd() is { Length: > 0 } detail)
            Descriptor.Error.WriteLine(detail);
        if (KernelLogFile is { } file)
            Message.Note($"whole kernel log: {file}");
    }

    /// <summary>The end of a command.</summary>
    public static Outcome Of(GuestExit exit) =>
        new(exit.Signal is null ? "exited" : "signaled", exit.ExitCode) { Signal = exit.Signal };

    /// <summary>What an exception means; null for one that is a defect of this program.</summary>
    /// <param name="exception">What was thrown.</param>
    /// <param name="signal">The signal to the tool that cancelled the run.</param>
    public static Outcome? Of(Exception exception, int signal)
    {
        switch (exception)
        {
            case OperationCanceledException:
                return new Outcome("interrupted", Cli.ExitStatus.OfSignal(signal)) { Signal = signal };
            case KernelPanicException panic:
                return Of("panic", Cli.ExitStatus.Lost, panic) with
                {
                    Detail = panic.Panic is { } report ? string.Join('\n', report.Lines) : panic.KernelLogTail,
                    GuestAnswers = false,
                };
            case GuestConnectionException lost:
                return Of("lost", Cli.ExitStatus.Lost, lost) with { GuestAnswers = false };
            case GuestTimeoutException timeout:
                // The agent's answer begins with a process. Where there is none, the kernel was asked, and its log has the answer.
                bool answered = timeout.GuestState.TrimStart().StartsWith("process", StringComparison.Ordinal);
                return Of("timeout", Cli.ExitStatus.DeadlinePassed, timeout) with
                {
                    Detail = answered ? timeout.GuestState : timeout.GuestState + timeout.KernelLogTail,
                    GuestAnswers = answered,
                };
            case GuestBootException boot:
                return boot.DeadlinePassed ? Of("boot-timeout", Cli.ExitStatus.DeadlinePassed, boot) : Of("boot-failed", Cli.ExitStatus.NotProvided, boot);
            case ExecException { Errno: 0 } exec:
                // The user or the directory, not the program.
                return new Outcome("not-started", Cli.ExitStatus.NotProvided) { Error = exec.Summary };
            case ExecException exec:
                return new Outcome(exec.ExitCode == 127 ? "not-found" : "not-executable", exec.ExitCode) { Error = exec.Summary };
            case GuestUnavailableException or KernelException or ArgumentException or GuestException or IOException or UnauthorizedAccessException:
                return new Outcome("unavailable", Cli.ExitStatus.NotProvided) { Error = exception.Message };
            default:
                return null;
        }
    }

    private static Outcome Of(string name, int status, GuestException exception) => new(name, status)
    {
        Error = exception.Summary,
        Detail = exception.KernelLogTail,
        KernelLogFile = exception.KernelLogFile,
    };
}
