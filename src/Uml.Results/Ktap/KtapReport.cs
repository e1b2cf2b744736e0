using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>KTAP's tests as tests of a report.</summary>
public static class KtapReport
{
    private const int MostLines = 500;

    /// <summary>The tests below a node, each with its suites in its path; suites that failed although none of their tests did, too.</summary>
    /// <param name="root">As <see cref="KtapResults.Root"/>.</param>
    public static ImmutableArray<ReportTest> TestsOf(KtapTest root)
    {
        ArgumentNullException.ThrowIfNull(root);
        ImmutableArray<ReportTest>.Builder tests = ImmutableArray.CreateBuilder<ReportTest>();
        Walk([], root);
        return tests.ToImmutable();

        void Walk(ImmutableArray<string> path, KtapTest parent)
        {
            foreach (KtapTest test in parent.Subtests)
            {
                ImmutableArray<string> own = path.Add(test.DisplayName);
                if (test.Subtests.IsEmpty || test.Outcome.IsFailure() && test.Counts.Bad > test.Subtests.Sum(t => t.Counts.Bad))
                    tests.Add(Convert(own, test));
                Walk(own, test);
            }
        }
    }

    private static ReportTest Convert(ImmutableArray<string> path, KtapTest test)
    {
        string[] diagnostics = [.. test.Diagnostics];
        (string File, int Line)? place = test.Outcome.IsFailure() ? diagnostics.Select(PlaceIn).FirstOrDefault(p => p is not null) : null;
        string reason = test.Reason.Length > 0 ? test.Reason : test.Outcome.IsFailure() ? diagnostics.FirstOrDefault(d => d.Contains("FAILED", StringComparison.Ordinal)) ?? test.Outcome.ToString() : "";
        return new ReportTest
        {
            Path = path,
            Outcome = test.Outcome switch
            {
                KtapOutcome.Passed or KtapOutcome.UnexpectedPass => ReportOutcome.Passed,
                KtapOutcome.Skipped => ReportOutcome.Skipped,
                KtapOutcome.ExpectedFailure => ReportOutcome.ExpectedFailure,
                KtapOutcome.TimedOut => ReportOutcome.TimedOut,
                KtapOutcome.Crashed => ReportOutcome.Crashed,

                // It was planned, and is missing: that must not pass for one that nobody asked for.
                KtapOutcome.Error or KtapOutcome.NotRun or KtapOutcome.NoTests => ReportOutcome.Error,
                _ => ReportOutcome.Failed,
            },
            Duration = test.Duration ?? TimeSpan.Zero,
            Message = reason,
            Details = test.Outcome.IsFailure() ? string.Join('\n', test.Log.Take(MostLines).Select(l => l.Text)) : "",
            SourceFile = place?.File,
            SourceLine = place?.Line,
            Traits = [.. test.Attributes.Select(a => (a.Key, a.Value))],
        };
    }

    // "# name: EXPECTATION FAILED at lib/foo_test.c:12"; kselftest's harness: "foo.c:12:name:Expected ...".
    private static (string File, int Line)? PlaceIn(string diagnostic)
    {
        int at = diagnostic.IndexOf(" FAILED at ", StringComparison.Ordinal);
        string[] parts = (at >= 0 ? diagnostic[(at + " FAILED at ".Length)..] : diagnostic.TrimStart()).Split(':');
        return parts.Length > 1 && parts[0].Length > 2 && parts[0].AsSpan().IndexOfAny(" \t") < 0 && Path.GetExtension(parts[0]) is ".c" or ".h" or ".rs" or ".S"
            && int.TryParse(parts[1].Split(' ')[0], out int line) && line > 0 ? (parts[0], line) : null;
    }
}
