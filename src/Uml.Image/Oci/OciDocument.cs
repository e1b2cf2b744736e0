namespace Uml.CI;

/// <summary>A manifest, an index or a configuration as it was read.</summary>
/// <param name="Content">Its bytes.</param>
/// <param name="MediaType">What it was said to be; null where nobody did.</param>
/// <param name="Digest">Of its bytes.</param>
internal sealed record OciDocument(byte[] Content, string? MediaType, OciDigest Digest);
