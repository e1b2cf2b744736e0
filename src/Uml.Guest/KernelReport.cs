namespace Uml.CI;

/// <summary>The kinds of complaint a kernel makes about itself.</summary>
public enum KernelReportKind
{
    /// <summary>The kernel stopped: <c>Kernel panic - not syncing</c>.</summary>
    Panic,

    /// <summary>A fault in kernel mode.</summary>
    Oops,

    /// <summary>A failed BUG_ON, or another "BUG:" report that has no kind of its own.</summary>
    Bug,

    /// <summary>A failed WARN_ON.</summary>
    Warning,

    /// <summary>The address sanitizer found a bad access.</summary>
    Kasan,

    /// <summary>The undefined behaviour sanitizer found something.</summary>
    Ubsan,

    /// <summary>The lock validator found a possible deadlock or a misuse of a lock.</summary>
    Lockdep,

    /// <summary>A task was blocked for too long.</summary>
    HungTask,

    /// <summary>RCU saw a CPU or task that does not pass a quiescent state.</summary>
    RcuStall,

    /// <summary>A CPU was stuck in the kernel.</summary>
    Lockup,
}

/// <summary>One complaint of the kernel.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Title">Its first telling line, without time stamp.</param>
/// <param name="Lines">The whole report, line by line, as it stands in the log.</param>
public sealed record KernelReport(KernelReportKind Kind, string Title, IReadOnlyList<string> Lines);
