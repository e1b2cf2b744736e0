using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>What a kernel complained about, and whether that is put up with.</summary>
/// <param name="Complaints">Those that nothing allows, their frames with source lines as far as these are known.</param>
/// <param name="Allowed">Those an entry of an allow list allows.</param>
/// <param name="Problems">Why a run is not good: a line each, empty when it is. Besides complaints also checks that could not be made.</param>
/// <param name="Notes">What is worth knowing beyond that: what was allowed and why, why frames have no source lines.</param>
public sealed record ComplaintVerdict(
    ImmutableArray<KernelComplaint> Complaints,
    ImmutableArray<(KernelComplaint Complaint, KernelAllowListEntry Entry)> Allowed,
    ImmutableArray<string> Problems,
    ImmutableArray<string> Notes)
{
    /// <summary>Whether the kernel has nothing to complain about that is not allowed, and that is known for sure.</summary>
    public bool IsClean => Problems.IsEmpty;

    /// <summary>The same for a report.</summary>
    public ImmutableArray<ReportComplaint> ForReport() =>
    [
        .. Complaints.Select(c => Convert(c, null)),
        .. Allowed.Select(a => Convert(a.Complaint, a.Entry.Reason)),
    ];

    /// <summary>Where a complaint is about: where it says so, else its first frame that is known.</summary>
    public static KernelSourceLocation? LocationOf(KernelComplaint complaint)
    {
        ArgumentNullException.ThrowIfNull(complaint);
        return complaint.Location ?? complaint.Frames.Where(f => f.IsReliable && !f.Source.IsDefaultOrEmpty).Select(f => f.Source[0].Location).FirstOrDefault();
    }

    private static ReportComplaint Convert(KernelComplaint complaint, string? reason)
    {
        KernelSourceLocation? location = LocationOf(complaint);
        string frames = string.Concat(complaint.Frames.Where(f => !f.Source.IsDefaultOrEmpty).Select(f => $"\n{f}"));
        return new ReportComplaint
        {
            Kind = complaint.Kind.ToString(),
            Title = complaint.Title,
            Text = string.Join('\n', complaint.Lines) + (frames.Length > 0 ? "\n\nWhere the frames are:" + frames : ""),
            SourceFile = location?.File,
            SourceLine = location?.Line,
            AllowedBecause = reason,
        };
    }
}
