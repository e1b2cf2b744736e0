using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Uml.CI;

/// <summary>An OCI image in memory: documents and blobs by their digests, with any of them open to be spoilt.</summary>
internal sealed class ImageBuilder
{
    public const string ManifestType = OciMediaTypes.Manifest;
    public const string IndexType = OciMediaTypes.Index;
    public const string GzipLayer = "application/vnd.oci.image.layer.v1.tar+gzip";

    private readonly List<(byte[] Packed, byte[] Tar, string Type)> _layers = [];

    public Dictionary<string, byte[]> Blobs { get; } = [];

    public JsonObject Run { get; } = [];

    public string Architecture { get; set; } = "amd64";

    public string ConfigType { get; set; } = "application/vnd.oci.image.config.v1+json";

    public List<string> DiffIds { get; } = [];

    public byte[] Manifest { get; private set; } = [];

    public string ManifestDigest => DigestOf(Manifest);

    public IReadOnlyList<string> LayerDigests => [.. _layers.Select(l => DigestOf(l.Packed))];

    public static string DigestOf(byte[] content) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(content));

    public ImageBuilder Layer(LayerBuilder layer) => Layer(LayerBuilder.Gzip(layer.Tar()), layer.Tar());

    public ImageBuilder Layer(byte[] packed, byte[] tar, string type = GzipLayer)
    {
        _layers.Add((packed, tar, type));
        DiffIds.Add(DigestOf(tar));
        return this;
    }

    /// <summary>Makes the documents.</summary>
    /// <param name="spoil">Changes the manifest before it is written.</param>
    public ImageBuilder Build(Action<JsonObject>? spoil = null)
    {
        byte[] config = Bytes(new JsonObject
        {
            ["architecture"] = Architecture,
            ["os"] = "linux",
            ["config"] = Run.DeepClone(),
            ["rootfs"] = new JsonObject { ["type"] = "layers", ["diff_ids"] = new JsonArray([.. DiffIds.Select(d => (JsonNode)d)]) },
        });
        foreach ((byte[] packed, _, _) in _layers)
            Blobs[DigestOf(packed)] = packed;
        Blobs[DigestOf(config)] = config;
        JsonObject manifest = new()
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = ManifestType,
            ["config"] = Descriptor(config, ConfigType),
            ["layers"] = new JsonArray([.. _layers.Select(l => (JsonNode)Descriptor(l.Packed, l.Type))]),
        };
        spoil?.Invoke(manifest);
        Manifest = Bytes(manifest);
        Blobs[ManifestDigest] = Manifest;
        return this;
    }

    public static JsonObject Descriptor(byte[] content, string type, string? platform = null, string? name = null)
    {
        JsonObject descriptor = new() { ["mediaType"] = type, ["digest"] = DigestOf(content), ["size"] = content.Length };
        if (platform?.Split('/') is [var os, var architecture, .. var variant])
        {
            descriptor["platform"] = new JsonObject { ["os"] = os, ["architecture"] = architecture };
            if (variant is [var one])
                descriptor["platform"]!["variant"] = one;
        }

        if (name is not null)
            descriptor["annotations"] = new JsonObject { ["org.opencontainers.image.ref.name"] = name };
        return descriptor;
    }

    public static byte[] Index(params JsonObject[] entries) => Bytes(new JsonObject
    {
        ["schemaVersion"] = 2,
        ["mediaType"] = IndexType,
        ["manifests"] = new JsonArray([.. entries.Select(e => e.DeepClone())]),
    });

    public static byte[] Bytes(JsonNode node) => Encoding.UTF8.GetBytes(node.ToJsonString());

    /// <summary>Writes an image layout.</summary>
    public string WriteLayout(string directory, params JsonObject[] entries)
    {
        Directory.CreateDirectory(Path.Combine(directory, "blobs", "sha256"));
        File.WriteAllText(Path.Combine(directory, "oci-layout"), """{"imageLayoutVersion":"1.0.0"}""");
        foreach ((string digest, byte[] content) in Blobs)
            File.WriteAllBytes(Path.Combine(directory, "blobs", "sha256", digest["sha256:".Length..]), content);
        File.WriteAllBytes(Path.Combine(directory, "index.json"), Index(entries.Length > 0 ? entries : [Descriptor(Manifest, ManifestType, name: "1")]));
        return directory;
    }

    /// <summary>Writes what docker save writes.</summary>
    public string WriteDockerArchive(string path, string tag = "example/app:1", Action<LayerBuilder>? more = null)
    {
        byte[] config = Blobs[(string)JsonNode.Parse(Manifest)!["config"]!["digest"]!];
        string name = DigestOf(config)["sha256:".Length..] + ".json";
        LayerBuilder archive = new LayerBuilder().File(name, Encoding.Latin1.GetString(config));
        JsonArray layers = [];
        foreach ((byte[] _, byte[] tar, _) in _layers)
        {
            string layer = $"{layers.Count}/layer.tar";
            archive.File(layer, Encoding.Latin1.GetString(tar));
            layers.Add(layer);
        }

        more?.Invoke(archive);
        archive.File("manifest.json", JsonSerializer.Serialize(new[] { new { Config = name, RepoTags = new[] { tag }, Layers = layers } }));
        File.WriteAllBytes(path, archive.Tar());
        return path;
    }
}
