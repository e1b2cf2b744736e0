using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>What one suite, assembly or command gave on one kernel.</summary>
public sealed record ReportRun
{
    /// <summary>The suite, assembly or command.</summary>
    public required string Name { get; init; }

    /// <summary>The kernel as it was asked for, such as <c>debian:sid</c>: the column of tables, and what tells results of one test apart. Empty where there was none.</summary>
    public string Kernel { get; init; } = "";

    /// <summary>The kernel's release, such as <c>7.2.7</c>; empty if it did not come up.</summary>
    public string Release { get; init; } = "";

    /// <summary>What else the results may depend on: the runtime, the host's processor.</summary>
    public string Environment { get; init; } = "";

    /// <summary>When it began; null where nobody said.</summary>
    public DateTimeOffset? Started { get; init; }

    /// <summary>How long it took, boot and teardown included.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>The exit status of the command, where there was one.</summary>
    public int? ExitStatus { get; init; }

    /// <summary>The tests, in the order they ran in.</summary>
    public ImmutableArray<ReportTest> Tests { get; init; } = [];

    /// <summary>What went wrong and was no test.</summary>
    public ImmutableArray<ReportError> Errors { get; init; } = [];

    /// <summary>What the kernel's log complained of.</summary>
    public ImmutableArray<ReportComplaint> Complaints { get; init; } = [];

    /// <summary>The kernel's log, where it is at hand.</summary>
    public string? KernelLog { get; init; }

    /// <summary>The file that has the kernel's whole log.</summary>
    public string? KernelLogFile { get; init; }

    /// <summary>Anything else, by name.</summary>
    public ImmutableSortedDictionary<string, string> Properties { get; init; } = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>How many tests ended so.</summary>
    public int Count(ReportOutcome outcome) => Tests.Count(t => t.Outcome == outcome);

    /// <summary>
    /// Whether everything went well: no test failed, nothing else did, the kernel has no complaint that is not allowed, and
    /// the command's exit status is 0. A run in which nothing ran did not go well.
    /// </summary>
    public bool Succeeded => FailedOtherwise.IsEmpty && !Tests.Any(t => t.Outcome.IsFailure());

    /// <summary>
    /// What makes the run a failure beside its tests, as tests: most formats know nothing else. Errors first, then
    /// complaints that are not allowed; the exit status and the lack of any test only where nothing else says why.
    /// </summary>
    internal ImmutableArray<ReportEntry> FailedOtherwise
    {
        get
        {
            ImmutableArray<ReportEntry>.Builder all = ImmutableArray.CreateBuilder<ReportEntry>();
            foreach (ReportError error in Errors)
                all.Add(Entry(ReportEntryKind.Error, Name, ReportOutcome.Error, error.Message, error.Details));
            foreach (ReportComplaint complaint in Complaints.Where(c => c.AllowedBecause is null))
            {
                ReportEntry entry = Entry(ReportEntryKind.Complaint, $"kernel log: {complaint.Title}", ReportOutcome.Failed, complaint.Title, complaint.Text);
                all.Add(entry with { Test = entry.Test with { ErrorType = complaint.Kind, SourceFile = complaint.SourceFile, SourceLine = complaint.SourceLine } });
            }

            if (all.Count == 0 && ExitStatus is not (null or 0) && !Tests.Any(t => t.Outcome.IsFailure()))
                all.Add(Entry(ReportEntryKind.Implied, Name, ReportOutcome.Failed, $"the command ended with status {ExitStatus}", ""));
            if (all.Count == 0 && ExitStatus is null && !Tests.Any(t => t.Outcome != ReportOutcome.NotRun))
                all.Add(Entry(ReportEntryKind.Implied, Name, ReportOutcome.Error, "no test was run", ""));
            return all.ToImmutable();
        }
    }

    private ReportEntry Entry(ReportEntryKind kind, string name, ReportOutcome outcome, string message, string details) => new(kind, new ReportTest
    {
        Path = [name],
        Outcome = outcome,
        Message = message,
        Details = details,
        Started = Started,
    });
}
