namespace Uml.CI;

/// <summary>Writes whole files in one step.</summary>
internal static class AtomicFile
{
    public static void Write(string path, string text)
    {
        string full = Path.GetFullPath(path);

        // A link stays a link: the file it leads to is replaced.
        if (new FileInfo(full) is { LinkTarget: not null } link && link.ResolveLinkTarget(returnFinalTarget: true) is { } target)
            full = target.FullName;
        string temporary = Path.Combine(Path.GetDirectoryName(full)!, $".{Path.GetFileName(full)}.{Guid.NewGuid():N}.tmp");
        try
        {
            using (FileStream file = new(temporary, FileMode.CreateNew, FileAccess.Write))
            {
                using StreamWriter writer = new(file);
                writer.Write(text);
                writer.Flush();
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, full, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}

/// <summary>Messages of the system's exceptions, as one line.</summary>
internal static class OneLine
{
    public static string Of(Exception e) => string.Join(' ', e.Message.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
}
