using System.Globalization;
using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>One complaint that is known and, for a while, put up with.</summary>
/// <param name="File">The list it is from.</param>
/// <param name="Line">The line it begins at.</param>
/// <param name="Reason">Why it is put up with.</param>
/// <param name="Expires">The last day it counts.</param>
public sealed record KernelAllowListEntry(string File, int Line, string Reason, DateOnly Expires)
{
    /// <summary>Only complaints of this kind; null is any.</summary>
    public KernelComplaintKind? Kind { get; init; }

    /// <summary>What the title or the message must match, as written; null is anything.</summary>
    public string? Pattern { get; init; }

    /// <summary>The source file that printed it, as written; null is any.</summary>
    public string? Source { get; init; }

    /// <summary>The test during which it must come, as written; null is any, and none.</summary>
    public string? Test { get; init; }

    /// <summary>The kernels, as written: "6.1-6.12", "7.2-", "6.6"; null is all.</summary>
    public string? Kernels { get; init; }

    internal Regex? TitleRegex { get; init; }

    internal Regex? SourceRegex { get; init; }

    internal Regex? TestRegex { get; init; }

    internal KernelRange? Range { get; init; }

    /// <summary>Whether it is about this complaint, expired or not.</summary>
    /// <param name="complaint">The complaint.</param>
    /// <param name="release">The kernel's release, such as "7.3.0-rc7"; null when unknown, which no range holds.</param>
    public bool Matches(KernelComplaint complaint, string? release)
    {
        ArgumentNullException.ThrowIfNull(complaint);
        return (Kind is null || Kind == complaint.Kind)
            && (Range is null || (release is not null && Range.Contains(release)))
            && (SourceRegex is null || (complaint.Location is { } location && SourceRegex.IsMatch(location.File)))
            && (TestRegex is null || (complaint.Test is { } test && TestRegex.IsMatch(test)))
            && (TitleRegex is null || TitleRegex.IsMatch(complaint.Title) || (complaint.Message ?? "").Split('\n').Any(line => TitleRegex.IsMatch(line)));
    }

    /// <inheritdoc/>
    public override string ToString() =>
        $"{File}:{Line.ToString(CultureInfo.InvariantCulture)}: {Kind?.ToString() ?? "any"}{(Pattern is null ? "" : " " + Pattern)} ({Reason}; until {Expires.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)})";
}
