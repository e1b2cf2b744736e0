using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>One kernel that ran unit tests.</summary>
/// <param name="Glob">The pattern of its tests; empty for all.</param>
/// <param name="End">How it ended.</param>
/// <param name="Results">What it printed.</param>
/// <param name="Log">Its log.</param>
/// <param name="Duration">From its start to its end.</param>
public sealed record KunitBoot(string Glob, KunitBootEnd End, KtapResults Results, ImmutableArray<KernelLogLine> Log, TimeSpan Duration)
{
    /// <summary>The test that ended it, where that is known.</summary>
    public KunitTestName? Culprit { get; init; }

    /// <summary>In words, why it did not end as it should; empty when it did.</summary>
    public string Problem { get; init; } = "";

    /// <summary>The log as the kernel wrote it, line by line.</summary>
    public IEnumerable<string> LogText => Log.Select(Text);

    /// <summary>Whether a complaint is about the end of this kernel, of which the test that ended it tells.</summary>
    public bool IsOfCulprit(KernelComplaint complaint)
    {
        ArgumentNullException.ThrowIfNull(complaint);
        return End == KunitBootEnd.Panicked && Culprit is { } culprit && (complaint.Kind == KernelComplaintKind.Panic || complaint.Test == culprit.ToString());
    }

    /// <summary>The test that was running when the kernel complained, as SUITE.TEST; null for none.</summary>
    public string? TestOf(KernelComplaint complaint)
    {
        ArgumentNullException.ThrowIfNull(complaint);
        return Find("", Results.Root.Subtests);

        // Lines belong to the test whose result comes next; what came before the first test has no test.
        string? Find(string path, ImmutableArray<KtapTest> tests)
        {
            foreach (KtapTest test in tests)
            {
                string name = path + test.DisplayName;
                if (!test.Subtests.IsEmpty && Find(name + ".", test.Subtests) is { } within)
                    return within;
                if (test.Line == 0 || test.Line > complaint.FirstLine)
                {
                    if (test.KernelLog.Any(l => l.EndsWith(complaint.Title, StringComparison.Ordinal)))
                        return test.Line == 0 && Culprit is { } culprit ? culprit.ToString() : name;
                    if (test.Line > 0)
                        return null;
                }
            }

            return null;
        }
    }

    /// <summary>A line with its time stamp, as the kernel wrote it.</summary>
    internal static string Text(KernelLogLine line)
    {
        if (line.KernelTime is not { } time)
            return line.Text;
        long seconds = time.Ticks / TimeSpan.TicksPerSecond;
        long microseconds = time.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond;
        return $"[{seconds,5}.{microseconds:000000}] {line.Text}";
    }
}
