using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>What came of one step.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Reason">Why it failed or was skipped, one line; empty otherwise.</param>
/// <param name="Notes">What is worth knowing and no failure.</param>
/// <param name="Log">What was said meanwhile.</param>
/// <param name="Duration">How long it took, on the host's clock.</param>
internal sealed record SmokeStep(string Name, ReportOutcome Outcome, string Reason, ImmutableArray<string> Notes, string Log, TimeSpan Duration)
{
    /// <summary>The names of all steps, in their order.</summary>
    public static ImmutableArray<string> Names { get; } = ["start", "install", "services", "files", "conffiles", "remove", "purge", "leftovers", "reinstall", "upgrade"];
}

/// <summary>What came of a package on a suite and a kernel.</summary>
internal sealed record SmokeResult(SmokeTarget Target, string Suite, string Kernel)
{
    /// <summary>The kernel's release; empty if it did not come up.</summary>
    public string Release { get; init; } = "";

    /// <summary>When it began.</summary>
    public DateTimeOffset Started { get; init; }

    /// <summary>How long it took.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>The steps, all of them.</summary>
    public ImmutableArray<SmokeStep> Steps { get; init; } = [];

    /// <summary>What went wrong and was no step.</summary>
    public ImmutableArray<string> Problems { get; init; } = [];

    /// <summary>What the kernel complained of.</summary>
    public ImmutableArray<ReportComplaint> Complaints { get; init; } = [];

    /// <summary>The kernel's log.</summary>
    public string KernelLog { get; init; } = "";

    /// <summary>Whether something was tested and nothing is wrong.</summary>
    public bool Succeeded => Problems.IsEmpty && Steps.Any(s => s.Outcome == ReportOutcome.Passed && s.Name == "install") && !Steps.Any(s => s.Outcome.IsFailure());

    /// <summary>The same as a run of a report.</summary>
    public ReportRun ToReport() => new()
    {
        Name = $"{Target.Name} on {Suite}",
        Kernel = Kernel,
        Release = Release,
        Started = Started,
        Duration = Duration,
        Environment = $"{Suite}, {Target.Name} {Target.Version}".TrimEnd(),
        Tests =
        [
            .. Steps.Select(s => new ReportTest
            {
                Path = [$"{Target.Name} on {Suite}", s.Name],
                Outcome = s.Outcome,
                Duration = s.Duration,
                Message = s.Reason,
                Output = string.Concat(s.Notes.Select(n => $"note: {n}\n")) + s.Log,
            }),
        ],
        Errors = [.. Problems.Where(p => Complaints.IsEmpty || !p.StartsWith("the kernel complained: ", StringComparison.Ordinal)).Select(ReportError.Of)],
        Complaints = Complaints,
        KernelLog = KernelLog.Length > 0 ? KernelLog : null,
    };
}

/// <summary>Told how far a test is, from any thread.</summary>
internal interface ISmokeListener
{
    /// <summary>A step begins.</summary>
    void Begins(SmokeTarget target, string suite, string kernel, string step);

    /// <summary>A step ended.</summary>
    void Ended(SmokeTarget target, string suite, string kernel, SmokeStep step);

    /// <summary>A package is done.</summary>
    void Ended(SmokeResult result);
}
