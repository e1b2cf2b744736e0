using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>A panic of a guest's kernel, and what led to it.</summary>
/// <param name="Report">What the kernel said when it gave up, with its stack.</param>
/// <param name="Cause">
/// The complaint right before it in the log: the failed BUG_ON, the warning that panic_on_warn made a panic of; null where there is none.
/// </param>
public sealed record KernelPanic(KernelComplaint Report, KernelComplaint? Cause)
{
    private const string Words = "Kernel panic - not syncing: ";

    // Registers printed once more, a line of another CPU.
    private const int MostLinesBetween = 8;

    /// <summary>Why, in one line: "BUG! (BUG: failure at fs/foo.c:12/foo()!)".</summary>
    public string Reason
    {
        get
        {
            string title = Report.Title.StartsWith(Words, StringComparison.Ordinal) ? Report.Title[Words.Length..] : Report.Title;
            return Cause is null ? title : $"{title} ({Cause.Title})";
        }
    }

    /// <summary>All that was said of it, as it stands in the log: the cause, then the panic.</summary>
    public ImmutableArray<string> Lines => [.. Cause?.Lines ?? [], .. Report.Lines];

    /// <summary>The last panic among complaints; null for none.</summary>
    /// <param name="complaints">The complaints, in the order of the log.</param>
    internal static KernelPanic? LastOf(ImmutableArray<KernelComplaint> complaints)
    {
        for (int at = complaints.Length - 1; at >= 0; at--)
        {
            KernelComplaint report = complaints[at];
            if (report.Kind != KernelComplaintKind.Panic)
                continue;
            KernelComplaint? before = at > 0 ? complaints[at - 1] : null;
            return new KernelPanic(report, before is { Kind: not KernelComplaintKind.Panic } && report.FirstLine - before.LastLine <= MostLinesBetween ? before : null);
        }

        return null;
    }
}
