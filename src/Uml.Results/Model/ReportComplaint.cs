namespace Uml.CI;

/// <summary>Something a kernel's log complained of: a BUG, a WARNING, a sanitizer's report.</summary>
public sealed record ReportComplaint
{
    /// <summary>Its kind: <c>WARNING</c>, <c>KASAN</c>, <c>lockdep</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>One line.</summary>
    public required string Title { get; init; }

    /// <summary>The lines of the log.</summary>
    public string Text { get; init; } = "";

    /// <summary>The source file it points at.</summary>
    public string? SourceFile { get; init; }

    /// <summary>The line in it, from 1.</summary>
    public int? SourceLine { get; init; }

    /// <summary>Why it does not make the run a failure; null if it does.</summary>
    public string? AllowedBecause { get; init; }
}
