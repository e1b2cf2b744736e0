namespace Uml.CI.Cli;

/// <summary>What is known of a kept guest; in its directory as long as it is kept.</summary>
internal sealed record SessionRecord
{
    public required string Name { get; init; }

    /// <summary>The kernel as it was asked for.</summary>
    public required string Kernel { get; init; }

    public required string Release { get; init; }

    public required string Root { get; init; }

    /// <summary>Whether commands get the environment and the working directory of whoever runs them.</summary>
    public bool HostRoot { get; init; }

    /// <summary>The process that keeps it.</summary>
    public int ProcessId { get; init; }

    public DateTimeOffset Started { get; init; }

    /// <summary>The file with the kernel's log.</summary>
    public required string KernelLogFile { get; init; }
}
