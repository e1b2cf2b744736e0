using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Uml.CI;

/// <summary>Several boots of one guest, taken apart.</summary>
internal sealed record BootMeasurement
{
    /// <summary>What was booted, for people.</summary>
    public required BootSubject Subject { get; init; }

    /// <summary>The boot that is shown: of those that were taken apart, the one whose time is the median.</summary>
    public required BootTimeline Shown { get; init; }

    /// <summary>All boots that were taken apart.</summary>
    public required ImmutableArray<BootTimeline> Traced { get; init; }

    /// <summary>How long boots took of which nothing was asked; alternated with the others, so that both saw the same machine.</summary>
    public ImmutableArray<TimeSpan> Plain { get; init; } = [];

    /// <summary>The median of some times; null of none.</summary>
    public static TimeSpan? Median(IEnumerable<TimeSpan> times)
    {
        TimeSpan[] sorted = [.. times.Order()];
        return sorted.Length == 0 ? null : sorted[sorted.Length / 2];
    }

    /// <summary>The boot of the median time.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static BootTimeline Choose(IReadOnlyList<BootTimeline> boots)
    {
        if (boots.Count == 0)
            throw new ArgumentException("no boot to choose from", nameof(boots));
        // One that failed is what one wants to see.
        return boots.FirstOrDefault(b => b.Failure is not null) ?? boots.OrderBy(b => b.Goal ?? b.End).ElementAt(boots.Count / 2);
    }

    /// <summary>The functions the kernel called, slowest first, each with the median of its times in all boots.</summary>
    public ImmutableArray<BootInitcall> Slowest()
    {
        Dictionary<(string, string), TimeSpan[]> times = Traced.SelectMany(b => b.Initcalls)
            .Where(c => c.Duration is not null)
            .GroupBy(c => (c.Name, c.Module), c => c.Duration!.Value)
            .ToDictionary(g => g.Key, g => g.ToArray());
        return [.. Shown.Initcalls
            .Select(c => c.Duration is null ? c : c with { Duration = Median(times[(c.Name, c.Module)]) })
            .OrderByDescending(c => c.Duration ?? TimeSpan.MaxValue)
            .ThenBy(c => c.Name, StringComparer.Ordinal)];
    }
}

/// <summary>What was booted, where.</summary>
internal sealed record BootSubject
{
    /// <summary>The kernel's release, or its reference where it is not known.</summary>
    public required string Release { get; init; }

    /// <summary>The reference it was asked for by.</summary>
    public required string Reference { get; init; }

    /// <summary>The kernel's command line.</summary>
    public required string CommandLine { get; init; }

    /// <summary>Root, memory, CPUs.</summary>
    public required string Guest { get; init; }

    /// <summary>The command, or empty.</summary>
    public string Command { get; init; } = "";

    /// <summary>The machine.</summary>
    public required string Host { get; init; }

    /// <summary>The machine this runs on: operating system, processors.</summary>
    public static string DescribeHost()
    {
        string processor = "";
        try
        {
            processor = File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[^1].Trim() ?? "";
        }
        catch (IOException)
        {
            // A container may hide it.
        }

        int count = Environment.ProcessorCount;
        return $"Linux {Environment.OSVersion.Version}, {count} {(count == 1 ? "CPU" : "CPUs")}{(processor.Length > 0 ? $", {processor}" : "")}, {RuntimeInformation.OSArchitecture}";
    }
}
