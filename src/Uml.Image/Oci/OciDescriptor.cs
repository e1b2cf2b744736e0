namespace Uml.CI;

/// <summary>A reference from one document of an image to a blob: its type, name and size.</summary>
internal sealed record OciDescriptor(string MediaType, OciDigest Digest, long Size)
{
    /// <summary>What it is for, as "linux/amd64" or "linux/arm64/v8"; null where the index does not say.</summary>
    public string? Platform { get; init; }

    /// <summary>Its name in a layout's index.</summary>
    public string? RefName { get; init; }
}
