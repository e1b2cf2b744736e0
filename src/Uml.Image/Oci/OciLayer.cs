namespace Uml.CI;

/// <summary>One layer of an image that has been resolved.</summary>
/// <param name="Name">For messages: "layer 2 of 3 (sha256:...)".</param>
/// <param name="Blob">The packed layer's name and size; null in archives of docker save, which know the unpacked one only.</param>
/// <param name="DiffId">The digest of the unpacked layer.</param>
/// <param name="Path">Where it is in an archive.</param>
internal sealed record OciLayer(string Name, OciDescriptor? Blob, OciDigest DiffId, string? Path = null);
