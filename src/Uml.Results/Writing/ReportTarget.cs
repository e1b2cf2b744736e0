namespace Uml.CI;

/// <summary>Where a writer writes to.</summary>
/// <param name="Stream">The file.</param>
/// <param name="Options">How.</param>
/// <param name="AttachmentDirectory">Where attachments go that the format refers to; null if there is no room for any, as in a pipe.</param>
internal sealed record ReportTarget(Stream Stream, ReportWriteOptions Options, string? AttachmentDirectory)
{
    private const int LongestName = 100;

    /// <summary>Writes the attachments of an entry and says where they are.</summary>
    public IReadOnlyList<(ReportAttachment Attachment, string File)> Keep(ReportEntry entry, Guid id)
    {
        List<(ReportAttachment, string)> kept = [];
        foreach (ReportAttachment attachment in entry.Test.Attachments)
        {
            if (attachment.File is { } there)
            {
                kept.Add((attachment, Path.GetFullPath(there)));
                continue;
            }

            if (AttachmentDirectory is null || attachment.Text is null && attachment.Bytes is null)
                continue;
            string directory = Path.Combine(AttachmentDirectory, id.ToString("d"));
            Directory.CreateDirectory(directory);
            string file = Path.Combine(directory, $"{kept.Count + 1}-{FileName(attachment)}");
            if (attachment.Text is { } text)
                File.WriteAllText(file, text);
            else
                File.WriteAllBytes(file, attachment.Bytes!.Value.AsSpan());
            kept.Add((attachment, file));
        }

        return kept;
    }

    // The name may be a path, or anything else that a test can print.
    private static string FileName(ReportAttachment attachment)
    {
        string safe = string.Concat(attachment.Name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' ? c : '_')).TrimStart('.');
        return $"{safe[..Math.Min(safe.Length, LongestName)]}{(attachment.Text is not null && !Path.HasExtension(safe) ? ".txt" : "")}";
    }
}
