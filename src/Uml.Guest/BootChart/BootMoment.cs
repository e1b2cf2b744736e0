namespace Uml.CI;

/// <summary>What the host notices of a boot, in the order in which it happens.</summary>
internal enum BootMoment
{
    /// <summary>A guest was asked for.</summary>
    Start,

    /// <summary>The reference was resolved to a kernel.</summary>
    KernelFound,

    /// <summary>Agent, initramfs, memory directory and command line were found.</summary>
    Planned,

    /// <summary>The supervisor's process was made.</summary>
    SupervisorSpawned,

    /// <summary>The inner supervisor ran.</summary>
    SupervisorRunning,

    /// <summary>It had read the order to start the guest.</summary>
    SupervisorAsked,

    /// <summary>It was about to make the kernel's process.</summary>
    Forked,

    /// <summary>The kernel was executed.</summary>
    Executed,

    /// <summary>The host heard of it.</summary>
    Started,

    /// <summary>The agent's first word arrived.</summary>
    Hello,

    /// <summary>The agent was told what the guest is to be.</summary>
    SetupSent,

    /// <summary>The guest serves commands.</summary>
    Ready,

    /// <summary>The command was sent.</summary>
    CommandSent,

    /// <summary>The command's process runs.</summary>
    CommandStarted,

    /// <summary>The command's result was there.</summary>
    CommandEnded,

    /// <summary>The guest was told to power off.</summary>
    StopAsked,

    /// <summary>The kernel's process had ended.</summary>
    KernelEnded,

    /// <summary>Every process and file of the guest was gone.</summary>
    Gone,
}
