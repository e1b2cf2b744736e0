using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>What an image consists of, resolved to this platform.</summary>
/// <param name="Config">How it is run.</param>
/// <param name="Layers">From the lowest up.</param>
/// <param name="Digest">The configuration's digest: as it names every unpacked layer, two images with it are one.</param>
/// <param name="ManifestDigest">The digest of the platform's manifest, by which a registry knows the image; null in archives of docker save.</param>
internal sealed record OciContents(OciImageConfig Config, ImmutableArray<OciLayer> Layers, OciDigest Digest, OciDigest? ManifestDigest);
