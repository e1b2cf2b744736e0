namespace Uml.CI;

/// <summary>Finds in what apt and dpkg wrote the line that says why.</summary>
internal static class PackageErrors
{
    /// <summary>The reason, one line; null where none is recognised.</summary>
    public static string? Why(string log)
    {
        string[] lines = [.. log.Split('\n').Select(l => l.TrimEnd())];
        for (int i = 0; i < lines.Length - 1; i++)
        {
            // dpkg: error processing package NAME (--configure):
            //  installed NAME package post-installation script subprocess returned error exit status 3
            if (lines[i].StartsWith("dpkg: error processing ", StringComparison.Ordinal) && lines[i + 1].StartsWith(' ') && !lines[i + 1].Contains("dependency problems", StringComparison.Ordinal))
                return lines[i + 1].Trim();
        }

        string[] errors = [.. lines.Where(l => l.StartsWith("E: ", StringComparison.Ordinal) && !l.Contains("Sub-process", StringComparison.Ordinal)).Select(l => l[3..])];
        string[] unmet = [.. lines.Where(l => l.Contains(" : Depends:", StringComparison.Ordinal)).Select(l => l.Trim())];
        return unmet.Length > 0 ? string.Join("; ", unmet.Take(3)) : errors.Length > 0 ? errors[^1] : lines.LastOrDefault(l => l.StartsWith("dpkg: error", StringComparison.Ordinal)) ?? lines.LastOrDefault(l => l.StartsWith("E: ", StringComparison.Ordinal))?[3..];
    }
}
