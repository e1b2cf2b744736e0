namespace Uml.CI;

/// <summary>How a report is written.</summary>
public sealed record ReportWriteOptions
{
    /// <summary>The heading of pages and summaries; empty for one made of the runs.</summary>
    public string Title { get; init; } = "";

    /// <summary>The most bytes of a Markdown report; the default is what GitHub takes as the summary of a step.</summary>
    public int MarkdownLimit { get; init; } = 1024 * 1024;

    /// <summary>Who submits to KernelCI's database: small letters, digits and underscores.</summary>
    public string KcidbOrigin { get; init; } = "uml_ci";
}
