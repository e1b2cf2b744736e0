namespace Uml.CI.Cli;

/// <summary>Colours of outcomes, where the output is a terminal and nobody objects (NO_COLOR).</summary>
internal static class TestStyle
{
    /// <summary>Whether to colour what goes to standard output.</summary>
    public static bool IsColoured { get; } =
        Descriptor.Output.IsTerminal && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")) && Environment.GetEnvironmentVariable("TERM") is not (null or "dumb");

    /// <summary>An outcome as a word.</summary>
    public static string Word(KtapOutcome outcome) => outcome switch
    {
        KtapOutcome.Passed => "PASS",
        KtapOutcome.Failed => "FAIL",
        KtapOutcome.Skipped => "SKIP",
        KtapOutcome.ExpectedFailure => "XFAIL",
        KtapOutcome.UnexpectedPass => "XPASS",
        KtapOutcome.TimedOut => "TIMEOUT",
        KtapOutcome.Error => "ERROR",
        KtapOutcome.Crashed => "CRASHED",
        KtapOutcome.NotRun => "NOT RUN",
        _ => "NO TESTS",
    };

    /// <summary>The word in its colour.</summary>
    public static string Coloured(KtapOutcome outcome)
    {
        string word = Word(outcome);
        if (!IsColoured)
            return word;
        int colour = outcome.IsFailure() ? 31 : outcome is KtapOutcome.Passed ? 32 : 33;
        return $"\e[{colour}m{word}\e[m";
    }

    /// <summary>What a terminal would obey is shown instead: a guest's output is not ours.</summary>
    public static string Safe(string text)
    {
        if (text.AsSpan().IndexOfAnyInRange('\0', '\x1f') < 0 && !text.Contains('\x7f', StringComparison.Ordinal))
            return text;
        return string.Concat(text.Select(c => c is < ' ' and not ('\t' or '\n') or '\x7f' ? $"\\x{(int)c:x2}" : c.ToString()));
    }

    /// <summary>How many had which outcome, for people: <c>853 passed, 27 skipped</c>.</summary>
    public static string Describe(KtapCounts counts)
    {
        (int Count, string Name)[] all =
        [
            (counts.Failed, "failed"), (counts.Crashed, "crashed"), (counts.TimedOut, "timed out"), (counts.Errors, "in error"), (counts.NotRun, "not run"), (counts.Empty, "empty"),
            (counts.Skipped, "skipped"), (counts.ExpectedFailures, "failed as expected"), (counts.UnexpectedPasses, "passed unexpectedly"),
        ];
        return string.Join(", ", all.Where(c => c.Count > 0).Select(c => $"{c.Count} {c.Name}").Prepend($"{counts.Passed} passed"));
    }
}
