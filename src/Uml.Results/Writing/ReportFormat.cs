namespace Uml.CI;

/// <summary>The formats of reports.</summary>
public enum ReportFormat
{
    /// <summary>Visual Studio's test results, XML.</summary>
    Trx,

    /// <summary>JUnit's XML, which most CI systems read.</summary>
    JUnit,

    /// <summary>The Common Test Report Format, JSON. The only one that holds the whole model.</summary>
    Ctrf,

    /// <summary>The kernel's own: nested TAP.</summary>
    Ktap,

    /// <summary>For a job's summary on GitHub, and for people.</summary>
    Markdown,

    /// <summary>One page for a browser, with everything in it.</summary>
    Html,

    /// <summary>KernelCI's database, JSON. Written, not read.</summary>
    Kcidb,
}

/// <summary>The formats' names and files.</summary>
public static class ReportFormats
{
    /// <summary>All formats.</summary>
    public static IReadOnlyList<ReportFormat> All { get; } = Enum.GetValues<ReportFormat>();

    /// <summary>The name on command lines: <c>junit</c>.</summary>
    public static string Word(this ReportFormat format) => format.ToString().ToLowerInvariant();

    /// <summary>The format of a name, whatever its case; null if there is none.</summary>
    public static ReportFormat? Find(string name) =>
        All.Where(f => string.Equals(f.Word(), name, StringComparison.OrdinalIgnoreCase)).Select(f => (ReportFormat?)f).FirstOrDefault();

    /// <summary>The format that the end of a file's name stands for; null if none.</summary>
    public static ReportFormat? OfFile(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (path.EndsWith(".kcidb.json", StringComparison.OrdinalIgnoreCase))
            return ReportFormat.Kcidb;
        return Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".trx" => ReportFormat.Trx,
            ".xml" => ReportFormat.JUnit,
            ".json" => ReportFormat.Ctrf,
            ".ktap" or ".tap" => ReportFormat.Ktap,
            ".md" or ".markdown" => ReportFormat.Markdown,
            ".html" or ".htm" => ReportFormat.Html,
            _ => null,
        };
    }
}
