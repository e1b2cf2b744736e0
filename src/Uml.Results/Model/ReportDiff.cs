using System.Collections.Immutable;
using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>What changed for a test from one report to the next.</summary>
public enum ReportChange
{
    /// <summary>It fails, and did not before: it passed, was skipped, or was not there.</summary>
    NewlyFailing,

    /// <summary>It failed, and passes.</summary>
    Fixed,

    /// <summary>It failed and fails.</summary>
    StillFailing,

    /// <summary>It passed only after it had failed.</summary>
    Flaky,

    /// <summary>It passed and passes, and takes longer by more than the threshold.</summary>
    Slower,

    /// <summary>It ran, and is skipped or not run now.</summary>
    NoLongerRun,

    /// <summary>It was not there, and does not fail.</summary>
    New,

    /// <summary>It is not there any more.</summary>
    Gone,
}

/// <summary>A test that changed.</summary>
/// <param name="Change">What changed.</param>
/// <param name="Run">The run it belongs to.</param>
/// <param name="Kernel">The kernel; of the newer report where both were compared whatever their kernels.</param>
/// <param name="Old">What it gave before; null if it was not there.</param>
/// <param name="New">What it gives; null if it is not there.</param>
public sealed record ReportDifference(ReportChange Change, string Run, string Kernel, ReportTest? Old, ReportTest? New)
{
    /// <summary>The test's whole name.</summary>
    public string Name => (New ?? Old)!.FullName;
}

/// <summary>What counts as slower.</summary>
public sealed record ReportDiffOptions
{
    /// <summary>How many times as long a test takes at least.</summary>
    public double SlowerFactor { get; init; } = 1.5;

    /// <summary>How much longer it takes at least: what takes microseconds varies.</summary>
    public TimeSpan SlowerBy { get; init; } = TimeSpan.FromMilliseconds(100);
}

/// <summary>What changed from one report to the next. Errors outside tests and kernel complaints count as tests that fail.</summary>
public sealed partial class ReportDiff
{
    private ReportDiff(ImmutableArray<ReportDifference> differences, int unchanged, string kernels)
    {
        Differences = differences;
        Unchanged = unchanged;
        Kernels = kernels;
    }

    /// <summary>What changed, in the order of the changes' list and then of the newer report; a test stands at its first that fits.</summary>
    public ImmutableArray<ReportDifference> Differences { get; }

    /// <summary>How many tests neither changed nor fail.</summary>
    public int Unchanged { get; }

    /// <summary>Where each report is of one kernel, and these differ: <c>OLD -> NEW</c>. Empty otherwise.</summary>
    public string Kernels { get; }

    /// <summary>The tests of one change.</summary>
    public IEnumerable<ReportDifference> Of(ReportChange change) => Differences.Where(d => d.Change == change);

    /// <summary>Compares two reports. Tests are matched by name and kernel, and by the run's name where a report has several.</summary>
    public static ReportDiff Compare(Report older, Report newer, ReportDiffOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(older);
        ArgumentNullException.ThrowIfNull(newer);
        options ??= new ReportDiffOptions();
        bool otherKernel = older.Kernels is [var from] && newer.Kernels is [var to] && from != to;
        bool byRun = Runs(older) > 1 || Runs(newer) > 1;
        Dictionary<string, (ReportRun Run, ReportTest Test)> before = new(StringComparer.Ordinal);
        foreach ((string key, ReportRun run, ReportTest test) in Tests(older, byRun, !otherKernel))
            before.TryAdd(key, (run, test));

        List<ReportDifference> differences = [];
        int unchanged = 0;
        foreach ((string key, ReportRun run, ReportTest test) in Tests(newer, byRun, !otherKernel))
        {
            ReportTest? old = before.Remove(key, out (ReportRun Run, ReportTest Test) found) ? found.Test : null;
            if (Judge(old, test, options) is { } change)
                differences.Add(new ReportDifference(change, run.Name, run.Kernel, old, test));
            else
                unchanged++;
        }

        foreach ((ReportRun run, ReportTest test) in before.Values.OrderBy(v => v.Run.Kernel, StringComparer.Ordinal).ThenBy(v => v.Test.FullName, StringComparer.Ordinal))
        {
            // An error that does not come back is mended; a test that does not is gone.
            bool other = run.FailedOtherwise.Any(e => ReferenceEquals(e.Test, test)) || !run.Tests.Contains(test);
            differences.Add(new ReportDifference(other ? ReportChange.Fixed : ReportChange.Gone, run.Name, run.Kernel, test, null));
        }

        return new ReportDiff([.. differences.OrderBy(d => d.Change)], unchanged, otherKernel ? $"{older.Kernels[0]} -> {newer.Kernels[0]}" : "");
    }

    private static int Runs(Report report) => report.Runs.Select(r => r.Name).Distinct(StringComparer.Ordinal).Count();

    private static IEnumerable<(string Key, ReportRun Run, ReportTest Test)> Tests(Report report, bool byRun, bool byKernel)
    {
        Dictionary<string, int> seen = new(StringComparer.Ordinal);
        foreach (ReportRun run in report.Runs)
        {
            foreach (ReportEntry entry in ReportEntry.Of(run))
            {
                string name = entry.Kind switch
                {
                    ReportEntryKind.Test => entry.Test.FullName,
                    ReportEntryKind.Complaint => Varying().Replace(entry.Test.FullName, ""),
                    _ => $"{entry.Test.FullName}: {Varying().Replace(entry.Test.Message, "")}",
                };
                string key = string.Join('\0', byKernel ? run.Kernel : "", byRun ? run.Name : "", entry.Kind == ReportEntryKind.Test ? "" : "other", name);
                int ordinal = seen.GetValueOrDefault(key);
                seen[key] = ordinal + 1;
                yield return ($"{key}\0{ordinal}", run, entry.Test);
            }
        }
    }

    private static ReportChange? Judge(ReportTest? old, ReportTest test, ReportDiffOptions options)
    {
        bool failed = old is not null && old.Outcome.IsFailure();
        if (test.Outcome.IsFailure())
            return failed ? ReportChange.StillFailing : ReportChange.NewlyFailing;
        bool ran = test.Outcome is ReportOutcome.Passed or ReportOutcome.ExpectedFailure;
        if (old is not null && Ran(old) && !ran)
            return ReportChange.NoLongerRun;
        if (failed)
            return ReportChange.Fixed;
        if (test.Flaky)
            return ReportChange.Flaky;
        if (old is null)
            return ReportChange.New;
        return old.Outcome == ReportOutcome.Passed && test.Outcome == ReportOutcome.Passed && old.Duration > TimeSpan.Zero
            && test.Duration - old.Duration >= options.SlowerBy && test.Duration >= old.Duration * options.SlowerFactor
            ? ReportChange.Slower
            : null;
    }

    private static bool Ran(ReportTest test) => test.Outcome is not (ReportOutcome.Skipped or ReportOutcome.NotRun);

    // The same complaint names another process each time.
    [GeneratedRegex(@"(?<=\b(CPU|PID|pid): ?)\d+", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Varying();
}
