using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>What a tool's runs gave: one model for all formats. Immutable; written and read with <see cref="ReportFile"/>.</summary>
public sealed record Report
{
    /// <summary>The tool that ran the tests.</summary>
    public string Tool { get; init; } = "uml";

    /// <summary>Its version; empty if unknown.</summary>
    public string ToolVersion { get; init; } = "";

    /// <summary>When the first run began; null where nobody said.</summary>
    public DateTimeOffset? Started { get; init; }

    /// <summary>From the beginning of the first run to the end of the last.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>The runs.</summary>
    public ImmutableArray<ReportRun> Runs { get; init; } = [];

    /// <summary>Whether every run went well, and there was one.</summary>
    public bool Succeeded => !Runs.IsEmpty && Runs.All(r => r.Succeeded);

    /// <summary>The kernels, in the order in which they come up first.</summary>
    public ImmutableArray<string> Kernels => [.. Runs.Select(r => r.Kernel).Distinct(StringComparer.Ordinal)];

    /// <summary>How many tests ended so.</summary>
    public int Count(ReportOutcome outcome) => Runs.Sum(r => r.Count(outcome));

    /// <summary>A report of these runs, whose time is theirs.</summary>
    public static Report Of(IEnumerable<ReportRun> runs)
    {
        ImmutableArray<ReportRun> all = [.. runs];
        DateTimeOffset? start = all.Select(r => r.Started).Where(s => s is not null).Min();
        DateTimeOffset? end = all.Where(r => r.Started is not null).Select(r => r.Started + r.Duration).Max();
        return new Report
        {
            Runs = all,
            Started = start,
            Duration = start is { } s && end is { } e && all.All(r => r.Started is not null) ? e - s : TimeSpan.FromTicks(all.Sum(r => r.Duration.Ticks)),
        };
    }

    /// <summary>One report of several. Runs of one name on one kernel stay apart: the later are further attempts to readers that know such.</summary>
    public static Report Merge(IReadOnlyList<Report> reports)
    {
        ArgumentNullException.ThrowIfNull(reports);
        string[] tools = [.. reports.Select(r => r.Tool).Distinct(StringComparer.Ordinal)];
        string[] versions = [.. reports.Select(r => r.ToolVersion).Distinct(StringComparer.Ordinal)];
        return Of(reports.SelectMany(r => r.Runs)) with
        {
            Tool = string.Join(", ", tools),
            ToolVersion = tools.Length == 1 && versions.Length == 1 ? versions[0] : "",
        };
    }
}
