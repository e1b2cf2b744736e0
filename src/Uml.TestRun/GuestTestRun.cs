using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>One test assembly in one guest: what is to run, or what came of it.</summary>
public sealed record GuestTestRun
{
    /// <summary>The assembly.</summary>
    public required TestAssembly Assembly { get; init; }

    /// <summary>The kernel, as it was asked for.</summary>
    public required string Kernel { get; init; }

    /// <summary>The kernel's release; empty if the guest did not come up.</summary>
    public string Release { get; init; } = "";

    /// <summary>The environment the test framework names: bitness, runtime, parallelism.</summary>
    public string Environment { get; init; } = "";

    /// <summary>The test framework.</summary>
    public string Framework { get; init; } = "";

    /// <summary>The tests.</summary>
    public ImmutableArray<TestResult> Results { get; init; } = [];

    /// <summary>What failed and was no test, a line each: a lost guest, a broken cleanup. More lines may follow the first of each.</summary>
    public ImmutableArray<string> Errors { get; init; } = [];

    /// <summary>Whether it was stopped because a test elsewhere had failed.</summary>
    public bool Stopped { get; init; }

    /// <summary>A file with the whole kernel log, of a guest that was lost.</summary>
    public string? KernelLogFile { get; init; }

    /// <summary>When it began.</summary>
    public DateTimeOffset Started { get; init; }

    /// <summary>From the request for a guest until the guest was gone.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>Whether everything went well. A run without a test did not.</summary>
    public bool Succeeded => !Stopped && Errors.IsEmpty && Count(TestOutcome.Failed) == 0 && Results.Any(r => r.Outcome != TestOutcome.NotRun);

    /// <summary>How many tests ended so.</summary>
    public int Count(TestOutcome outcome) => Results.Count(r => r.Outcome == outcome);
}
