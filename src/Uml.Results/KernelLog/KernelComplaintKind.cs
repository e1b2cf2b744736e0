namespace Uml.CI;

/// <summary>What a kernel complains about. The names are stable: allow lists name them.</summary>
public enum KernelComplaintKind
{
    /// <summary>A failed WARN_ON, or another line that begins with "WARNING:".</summary>
    Warning,

    /// <summary>A failed BUG_ON, or a "BUG:" that has no kind of its own.</summary>
    Bug,

    /// <summary>A fault in the kernel: oops, general protection fault, NULL pointer, bad paging request.</summary>
    Oops,

    /// <summary>"Kernel panic - not syncing".</summary>
    Panic,

    /// <summary>The address sanitizer.</summary>
    Kasan,

    /// <summary>The data race detector.</summary>
    Kcsan,

    /// <summary>The sampling memory error detector.</summary>
    Kfence,

    /// <summary>The uninitialised memory detector.</summary>
    Kmsan,

    /// <summary>The undefined behaviour sanitizer.</summary>
    Ubsan,

    /// <summary>The lock validator: possible deadlocks, misuse of locks and of RCU.</summary>
    Lockdep,

    /// <summary>RCU waits for a CPU or task for too long.</summary>
    RcuStall,

    /// <summary>A task is blocked for too long.</summary>
    HungTask,

    /// <summary>A CPU is stuck in the kernel, tasks not being scheduled; or a workqueue is.</summary>
    SoftLockup,

    /// <summary>A CPU is stuck in the kernel with interrupts off.</summary>
    HardLockup,

    /// <summary>Scheduling while atomic, or a function that may sleep called where it must not.</summary>
    AtomicSleep,

    /// <summary>A reference count that went below zero or was about to overflow.</summary>
    Refcount,

    /// <summary>A list whose pointers do not fit together.</summary>
    ListCorruption,

    /// <summary>Memory that nothing points to any more.</summary>
    Kmemleak,

    /// <summary>A page that could not be allocated.</summary>
    PageAllocationFailure,

    /// <summary>No memory left: the OOM killer ran.</summary>
    OutOfMemory,
}
