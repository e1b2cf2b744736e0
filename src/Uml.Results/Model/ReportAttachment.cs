using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>Something a test left beside its result: a text, bytes, or a file.</summary>
public sealed record ReportAttachment
{
    /// <summary>Its name. A test can print anything: it may be no file name.</summary>
    public required string Name { get; init; }

    /// <summary>Its media type, as in <c>text/plain</c>.</summary>
    public string MediaType { get; init; } = "text/plain";

    /// <summary>Its text, if it is one.</summary>
    public string? Text { get; init; }

    /// <summary>Its bytes, if it is made of such.</summary>
    public ImmutableArray<byte>? Bytes { get; init; }

    /// <summary>The file that holds it, which stays where it is.</summary>
    public string? File { get; init; }
}
