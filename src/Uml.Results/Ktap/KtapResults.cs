using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>All that a log tells about tests.</summary>
/// <param name="Root">Not a test itself: the tests at the top level are its subtests. Its outcome is that of the whole.</param>
/// <param name="Complaints">What is wrong with the log, in its order. Never null, at most as many as the options allow.</param>
/// <param name="Lines">How many lines the log has.</param>
public sealed record KtapResults(KtapTest Root, ImmutableArray<KtapComplaint> Complaints, long Lines)
{
    /// <summary>
    /// Whether the run is good: nothing failed and no test got lost. Tests that were all skipped are good here; whether that
    /// is enough is for the caller to say.
    /// </summary>
    public bool IsSuccess => !Root.Outcome.IsFailure();
}
