using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>Who is at work during a part of a boot.</summary>
internal enum BootActor
{
    /// <summary>The program that asked for the guest.</summary>
    Host,

    /// <summary>The guest's supervisor on the host.</summary>
    Supervisor,

    /// <summary>The guest's kernel.</summary>
    Kernel,

    /// <summary>The agent, PID 1 of the guest.</summary>
    Agent,

    /// <summary>The first command.</summary>
    Command,

    /// <summary>The end of the guest.</summary>
    Teardown,
}

/// <summary>A part of a boot.</summary>
/// <param name="Actor">Who is at work.</param>
/// <param name="Name">What is done.</param>
/// <param name="Start">Since the guest was asked for.</param>
/// <param name="Duration">How long it took.</param>
/// <param name="Background">Whether it goes on beside others of the same actor.</param>
internal sealed record BootPhase(BootActor Actor, string Name, TimeSpan Start, TimeSpan Duration, bool Background = false)
{
    public TimeSpan End => Start + Duration;
}

/// <summary>A function that the kernel calls to bring one of its parts up.</summary>
/// <param name="Name">The function, or its address where the kernel knows no names.</param>
/// <param name="Module">The module it is in, or empty.</param>
/// <param name="Level">The level it belongs to (<c>device</c>, <c>late</c>), or empty where the kernel does not say.</param>
/// <param name="Start">Since the guest was asked for.</param>
/// <param name="Duration">How long it took, as the kernel measured it; null if it did not return.</param>
/// <param name="Result">What it returned; 0 or a negative errno.</param>
internal sealed record BootInitcall(string Name, string Module, string Level, TimeSpan Start, TimeSpan? Duration, int Result);

/// <summary>One boot taken apart.</summary>
internal sealed record BootTimeline
{
    /// <summary>Its parts, in the order in which they began.</summary>
    public ImmutableArray<BootPhase> Phases { get; init; } = [];

    /// <summary>What the kernel called, in that order; empty if it did not say.</summary>
    public ImmutableArray<BootInitcall> Initcalls { get; init; } = [];

    /// <summary>Until the guest served commands; null if it never did.</summary>
    public TimeSpan? Ready { get; init; }

    /// <summary>Until the first command's result; null if there was none.</summary>
    public TimeSpan? Result { get; init; }

    /// <summary>The last moment that is known.</summary>
    public TimeSpan End { get; init; }

    /// <summary>How the boot failed, in the kernel's words where it panicked; null if it did not.</summary>
    public string? Failure { get; init; }

    /// <summary>When it failed.</summary>
    public TimeSpan? FailedAt { get; init; }

    /// <summary>Whether the kernel's console could be followed as it was written. If not, only the order and the durations of initcalls are known, and they stand back to back.</summary>
    public bool IsLive { get; init; } = true;

    /// <summary>Lines the kernel says it dropped.</summary>
    public int DroppedLines { get; init; }

    /// <summary>The start until what was asked for: the first command's result, or that the guest serves commands; null if neither came.</summary>
    public TimeSpan? Goal => Result ?? Ready;
}
