using System.Collections.Immutable;
using System.Text.Json;

namespace Uml.CI;

/// <summary>From an image's first document to its configuration and layers, for this platform.</summary>
/// <param name="limits">How much there may be.</param>
/// <param name="fetch">Gets a document by its descriptor, with its size and digest checked; the second argument says what it is, for messages.</param>
internal sealed class OciResolver(OciLimits limits, Func<OciDescriptor, string, CancellationToken, Task<OciDocument>> fetch)
{
    private const string Wanted = "linux/amd64";

    /// <summary>Deeper than anything that tools make, which is two.</summary>
    private const int MaxDepth = 4;

    public async Task<OciContents> ResolveAsync(OciDocument document, CancellationToken cancellationToken)
    {
        HashSet<OciDigest> seen = [document.Digest];
        while (true)
        {
            JsonElement root = OciJson.Parse(document.Content, "the manifest");
            string type = TypeOf(root, document.MediaType);
            if (OciMediaTypes.IsManifest(type))
                return await ReadManifestAsync(root, document.Digest, cancellationToken);
            OciDescriptor next = Choose([.. OciJson.Array(root, "manifests", "the index").Select((e, i) => OciJson.Descriptor(e, $"entry {i + 1} of the index"))]);
            if (!seen.Add(next.Digest))
                throw new OciFaultException($"the index leads back to itself ({next.Digest.Short})");
            if (seen.Count > MaxDepth)
                throw new OciFaultException($"the index leads through more than {MaxDepth} others");
            document = await fetch(next, OciMediaTypes.IsIndex(next.MediaType) ? "the index" : "the manifest", cancellationToken) with { MediaType = next.MediaType };
        }
    }

    /// <summary>The image for this platform among those of an index.</summary>
    public static OciDescriptor Choose(ImmutableArray<OciDescriptor> entries)
    {
        // What is neither an image nor an index stands beside them: signatures, bills of materials.
        ImmutableArray<OciDescriptor> images = [.. entries.Where(e => OciMediaTypes.IsManifest(e.MediaType) || OciMediaTypes.IsIndex(e.MediaType))];
        if (images.Length == 0)
            throw new OciFaultException("the index has no image in it" + (entries.Length == 0 ? "" : $", only {OciFaultException.Quote(entries[0].MediaType)}"));

        // A variant (v2, v3) asks for more of the processor than this one may have. Where nothing is said, the image's configuration decides.
        return images.FirstOrDefault(e => e.Platform == Wanted)
            ?? images.FirstOrDefault(e => e.Platform is Wanted + "/v1")
            ?? images.FirstOrDefault(e => e.Platform is null)
            ?? images.FirstOrDefault(e => e.Platform!.StartsWith(Wanted + "/", StringComparison.Ordinal))
            ?? throw new OciFaultException($"there is no image for {Wanted} in it, only for {OciFaultException.Quote(string.Join(", ", images.Select(e => e.Platform).Distinct().Take(8)))[1..^1]}", KernelProblem.NotFound);
    }

    /// <summary>Reads a configuration and puts it with the layers, which have to be as many as it says.</summary>
    public OciContents ReadConfiguration(byte[] content, OciDigest digest, OciDigest? manifest, int layerCount, Func<int, string> nameLayer, Func<int, (OciDescriptor? Blob, string? Path)> layer)
    {
        const string What = "the configuration";
        JsonElement root = OciJson.Parse(content, What);
        string system = OciJson.Text(root, "os", What) is { Length: > 0 } os ? os : "linux";
        string architecture = OciJson.Text(root, "architecture", What) is { Length: > 0 } named ? named : "amd64";
        if ($"{system}/{architecture}" != Wanted)
            throw new OciFaultException($"it is an image for {OciFaultException.Quote($"{system}/{architecture}")[1..^1]}, and guests here are {Wanted}", KernelProblem.NotFound);
        JsonElement files = OciJson.Object(root, "rootfs", What) ?? throw new OciFaultException($"{What} names no layers (rootfs)");
        ImmutableArray<OciDigest> diffs = [.. OciJson.Texts(files, "diff_ids", What).Select(t => OciJson.Digest(t, "a layer in " + What))];
        if (diffs.Length != layerCount)
            throw new OciFaultException($"its manifest has {layerCount} layers and its configuration {diffs.Length}");
        if (layerCount > limits.MaxLayers)
            throw new OciFaultException($"it has {layerCount} layers, more than {limits.MaxLayers}");

        OciImageConfig config = new();
        if (OciJson.Object(root, "config", What) is { } run)
        {
            config = new OciImageConfig
            {
                Environment = [.. OciJson.Texts(run, "Env", What).Select(v => Checked(v, What))],
                User = Checked(OciJson.Text(run, "User", What) ?? "", What),
                WorkingDirectory = Checked(OciJson.Text(run, "WorkingDir", What) ?? "", What),
                EntryPoint = [.. OciJson.Texts(run, "Entrypoint", What).Select(v => Checked(v, What))],
                Command = [.. OciJson.Texts(run, "Cmd", What).Select(v => Checked(v, What))],
            };
            if (config.Environment.FirstOrDefault(v => v.IndexOf('=', StringComparison.Ordinal) < 1) is { } bad)
                throw new OciFaultException($"{What} has an environment variable without a name or value, {OciFaultException.Quote(bad)}");
            if (config.WorkingDirectory.Length > 0 && !config.WorkingDirectory.StartsWith('/'))
                config = config with { WorkingDirectory = "/" + config.WorkingDirectory };
        }

        return new OciContents(config, [.. Enumerable.Range(0, layerCount).Select(i => new OciLayer(nameLayer(i), layer(i).Blob, diffs[i], layer(i).Path))], digest, manifest);
    }

    private static string Checked(string text, string what) =>
        text.Contains('\0', StringComparison.Ordinal) ? throw new OciFaultException($"{what} has a zero byte in {OciFaultException.Quote(text)}") : text;

    private static string TypeOf(JsonElement root, string? said)
    {
        // Servers of plain files call it application/json or worse; the document knows better, if it says anything.
        string? own = OciJson.Text(root, "mediaType", "the manifest");
        bool isKnown = OciMediaTypes.IsManifest(said) || OciMediaTypes.IsIndex(said);
        if (isKnown && own is not null && own != said)
            throw new OciFaultException($"it is said to be {OciFaultException.Quote(said!)} and calls itself {OciFaultException.Quote(own)}");
        string? type = isKnown ? said : own;
        if (type is null && root.TryGetProperty("layers", out _))
            type = OciMediaTypes.Manifest;
        if (type is null && root.TryGetProperty("manifests", out _))
            type = OciMediaTypes.Index;
        if (root.TryGetProperty("schemaVersion", out JsonElement version) && version.ValueKind == JsonValueKind.Number && version.TryGetInt32(out int number) && number == 1)
            throw new OciFaultException("its manifest is of Docker's first schema, which is no longer in use; push it anew with a current tool");
        if (!OciMediaTypes.IsManifest(type) && !OciMediaTypes.IsIndex(type))
            throw new OciFaultException($"it is no image: its type is {OciFaultException.Quote(type ?? said ?? "unknown")}");
        bool isIndex = OciMediaTypes.IsIndex(type);
        // A document that is both would be two images, by who reads it.
        return root.TryGetProperty(isIndex ? "layers" : "manifests", out _)
            ? throw new OciFaultException($"it is a {(isIndex ? "index" : "manifest")} with {(isIndex ? "layers" : "manifests")} in it")
            : type!;
    }

    private async Task<OciContents> ReadManifestAsync(JsonElement root, OciDigest digest, CancellationToken cancellationToken)
    {
        JsonElement configuration = OciJson.Object(root, "config", "the manifest") ?? throw new OciFaultException("its manifest has no configuration");
        OciDescriptor config = OciJson.Descriptor(configuration, "the configuration");
        if (!OciMediaTypes.IsConfiguration(config.MediaType))
            throw new OciFaultException($"it is no image: its configuration's type is {OciFaultException.Quote(config.MediaType)}");
        ImmutableArray<JsonElement> elements = OciJson.Array(root, "layers", "the manifest");
        List<OciDescriptor> layers = [];
        long packed = 0;
        foreach (JsonElement element in elements)
        {
            string name = $"layer {layers.Count + 1} of {elements.Length}";
            OciDescriptor layer = OciJson.Descriptor(element, name);
            if (!OciMediaTypes.IsLayer(layer.MediaType))
                throw new OciFaultException($"{name} ({layer.Digest.Short}) is of the unknown type {OciFaultException.Quote(layer.MediaType)}");
            if (layer.Size > limits.MaxBytes - packed)
                throw new OciFaultException($"its layers are larger than {OciFaultException.Size(limits.MaxBytes)}; set {OciLimits.Variable} to allow more");
            packed += layer.Size;
            layers.Add(layer);
        }

        OciDocument document = await fetch(config, "the configuration", cancellationToken);
        return ReadConfiguration(
            document.Content, config.Digest, digest, layers.Count,
            i => $"layer {i + 1} of {layers.Count} ({layers[i].Digest.Short})",
            i => (layers[i], null));
    }
}
