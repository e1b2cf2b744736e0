namespace Uml.CI;

/// <summary>What outcomes mean.</summary>
public static class KtapOutcomeExtensions
{
    /// <summary>Whether a run with such a test in it is bad.</summary>
    public static bool IsFailure(this KtapOutcome outcome) => outcome
        is KtapOutcome.Failed or KtapOutcome.TimedOut or KtapOutcome.Error or KtapOutcome.Crashed or KtapOutcome.NotRun or KtapOutcome.NoTests;
}
