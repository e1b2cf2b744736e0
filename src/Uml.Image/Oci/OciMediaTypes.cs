namespace Uml.CI;

/// <summary>The types of documents and layers that are known: those of OCI's image specification and Docker's of before it.</summary>
internal static class OciMediaTypes
{
    public const string Manifest = "application/vnd.oci.image.manifest.v1+json";
    public const string Index = "application/vnd.oci.image.index.v1+json";
    public const string DockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
    public const string DockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json";

    /// <summary>What a registry is asked for.</summary>
    public const string Accepted = $"{Manifest}, {Index}, {DockerManifest}, {DockerIndex}";

    public static bool IsManifest(string? type) => type is Manifest or DockerManifest;

    public static bool IsIndex(string? type) => type is Index or DockerIndex;

    public static bool IsConfiguration(string type) =>
        type is "application/vnd.oci.image.config.v1+json" or "application/vnd.docker.container.image.v1+json";

    /// <summary>A layer is a tar archive. How it is packed is told by its first bytes, as some registries' types are wrong in that.</summary>
    public static bool IsLayer(string type) => type
        is "application/vnd.oci.image.layer.v1.tar" or "application/vnd.oci.image.layer.v1.tar+gzip" or "application/vnd.oci.image.layer.v1.tar+zstd"
        or "application/vnd.oci.image.layer.nondistributable.v1.tar" or "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
        or "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
        or "application/vnd.docker.image.rootfs.diff.tar" or "application/vnd.docker.image.rootfs.diff.tar.gzip" or "application/vnd.docker.image.rootfs.diff.tar.zstd"
        or "application/vnd.docker.image.rootfs.foreign.diff.tar" or "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
}
