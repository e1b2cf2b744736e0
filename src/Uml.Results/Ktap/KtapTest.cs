using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>A test, or a suite of tests, as KTAP tells of it. Immutable; equal by content, line numbers and complaints apart.</summary>
public sealed class KtapTest : IEquatable<KtapTest>
{
    private KtapCounts? _counts;

    /// <summary>The name as printed; empty when the log has none.</summary>
    public string Name { get; init; } = "";

    /// <summary>The number on its result line; for the root and for results that never came, the one it should have had.</summary>
    public int Number { get; init; }

    /// <summary>What became of it, its subtests taken into account.</summary>
    public KtapOutcome Outcome { get; init; }

    /// <summary>Whether its own result line says "ok".</summary>
    public bool IsOk { get; init; }

    /// <summary>The directive on the result line.</summary>
    public KtapDirective Directive { get; init; }

    /// <summary>What follows the directive on the result line (or the "#", where there is none); empty when nothing does.</summary>
    public string Reason { get; init; } = "";

    /// <summary>Diagnostics and other lines that came with it, in the order of the log.</summary>
    public ImmutableArray<KtapLogLine> Log { get; init; } = [];

    /// <summary>KUnit's attributes ("module", "speed" ...) and KTAP 2's metadata, in alphabetical order.</summary>
    public ImmutableSortedDictionary<string, string> Attributes { get; init; } = EmptyAttributes;

    /// <summary>Whether it said that it has subtests.</summary>
    public bool IsSuite { get; init; }

    /// <summary>How many subtests it announced, or null.</summary>
    public int? Plan { get; init; }

    /// <summary>The tests within it.</summary>
    public ImmutableArray<KtapTest> Subtests { get; init; } = [];

    /// <summary>
    /// How long it took: as printed, or else the time between the stamps of the lines around it, or null. Under virtual time
    /// that is the guest's time.
    /// </summary>
    public TimeSpan? Duration { get; init; }

    /// <summary>The line of its result in the log, from 1; 0 when there is none.</summary>
    public long Line { get; init; }

    /// <summary>What was wrong with how it was reported.</summary>
    public ImmutableArray<KtapComplaint> Complaints { get; init; } = [];

    /// <summary>The diagnostics: the text of the "# " lines that came with it.</summary>
    public IEnumerable<string> Diagnostics => Log.Where(line => line.IsDiagnostic).Select(line => line.Text);

    /// <summary>The lines that came with it and are not KTAP, as they were.</summary>
    public IEnumerable<string> KernelLog => Log.Where(line => !line.IsDiagnostic).Select(line => line.Text);

    /// <summary>A name for people and for readers that require one: the name, what stands in for it, or the number.</summary>
    public string DisplayName =>
        Name.Length > 0 ? Name
        : Reason.Length > 0 && Directive is KtapDirective.Skip or KtapDirective.XFail or KtapDirective.XPass or KtapDirective.Error ? Reason
        : $"test {Number}";

    /// <summary>The outcomes of all tests within it, or of itself.</summary>
    public KtapCounts Counts => _counts ??= Count();

    /// <summary>What holds the tests of the top level; not a test.</summary>
    internal bool IsRoot { get; init; }

    internal static ImmutableSortedDictionary<string, string> EmptyAttributes { get; } =
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <inheritdoc/>
    public bool Equals(KtapTest? other) =>
        other is not null
        && (ReferenceEquals(this, other)
            || (Name == other.Name
                && Number == other.Number
                && Outcome == other.Outcome
                && IsOk == other.IsOk
                && Directive == other.Directive
                && Reason == other.Reason
                && IsSuite == other.IsSuite
                && Plan == other.Plan
                && Duration == other.Duration
                && Log.AsSpan().SequenceEqual(other.Log.AsSpan())
                && Attributes.SequenceEqual(other.Attributes)
                && Subtests.AsSpan().SequenceEqual(other.Subtests.AsSpan())));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as KtapTest);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Number, Outcome, Subtests.Length, Log.Length);

    /// <inheritdoc/>
    public override string ToString() => $"{DisplayName}: {Outcome}" + (Subtests.Length > 0 ? $", {Subtests.Length} subtests" : "");

    /// <summary>The same test, with a directive that came late.</summary>
    internal KtapTest AsSkipped(string reason) => new()
    {
        Name = Name,
        Number = Number,
        Outcome = KtapOutcome.Skipped,
        IsOk = IsOk,
        Directive = KtapDirective.Skip,
        Reason = reason,
        Log = Log,
        Attributes = Attributes,
        Duration = Duration,
        Line = Line,
        Complaints = Complaints,
    };

    private KtapCounts Count()
    {
        if (Subtests.IsEmpty)
            return IsRoot ? KtapCounts.None : KtapCounts.One(Outcome);
        KtapCounts sum = KtapCounts.None;
        foreach (KtapTest subtest in Subtests)
            sum += subtest.Counts;
        if (IsRoot)
            return sum;

        // A suite that was expected to fail is one expected failure, whatever it took to get there.
        return !Outcome.IsFailure() && sum.Bad > 0 ? KtapCounts.One(Outcome) : Outcome.IsFailure() && sum.Bad == 0 ? sum + KtapCounts.One(Outcome) : sum;
    }
}
