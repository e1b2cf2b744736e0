using System.Collections.Immutable;
using System.Text.Json;

namespace Uml.CI;

/// <summary>An image in a file that <c>docker save</c> wrote (or skopeo's and podman's <c>docker-archive:</c>), packed or not.</summary>
internal sealed class DockerArchive(OciReference reference, string store, OciOptions options) : IOciSource
{
    private const int MaxLinks = 8;

    private readonly Dictionary<string, (long Offset, long Size)> _files = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _links = new(StringComparer.Ordinal);
    private FileStream? _file;
    private TemporaryDirectory? _temporary;

    public async Task<OciContents> ResolveAsync(CancellationToken cancellationToken)
    {
        if (Native.Identify(reference.Path, followLink: true) is not { } found)
            throw new OciFaultException("there is no such file", KernelProblem.NotFound);
        if ((found.Mode & 0xF000) != 0x8000)
            throw new OciFaultException("it is no regular file", KernelProblem.NotFound);
        _file = await UnpackedAsync(File.OpenRead(reference.Path), cancellationToken);
        await Task.Run(() => Scan(_file, cancellationToken), cancellationToken);
        JsonElement image = Choose(Images(Read("manifest.json", "it is no archive of docker save: it has no manifest.json")));
        string path = OciJson.Text(image, "Config", "manifest.json") ?? throw new OciFaultException("its manifest.json names no configuration");
        byte[] content = Read(path, $"its configuration {OciFaultException.Quote(path)} is missing");
        OciDigest digest = OciDigest.Sha256(content);
        // The name is the digest, in the old form as in the new: "HEX.json", "blobs/sha256/HEX".
        string name = Path.GetFileNameWithoutExtension(path);
        if (OciDigest.TryParse("sha256:" + name) is { } named && named != digest)
            throw new OciFaultException($"its configuration ({named.Short}) is damaged: its content has another digest");
        ImmutableArray<string> layers = OciJson.Texts(image, "Layers", "manifest.json");
        return new OciResolver(options.Limits, (_, _, _) => throw new NotSupportedException()).ReadConfiguration(
            content, digest, null, layers.Length, i => $"layer {i + 1} of {layers.Length} ({OciFaultException.Quote(layers[i])[1..^1]})", i => (null, layers[i]));
    }

    public Task FetchAsync(OciContents contents, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<Stream> OpenLayerAsync(OciLayer layer, CancellationToken cancellationToken) => Task.FromResult<Stream>(Open(layer.Path!, $"{layer.Name} is missing"));

    public void Forget()
    {
        // Nothing was kept.
    }

    public async ValueTask DisposeAsync()
    {
        if (_file is not null)
            await _file.DisposeAsync();
        _temporary?.Dispose();
    }

    private static ImmutableArray<JsonElement> Images(byte[] content)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(content);
            return document.RootElement.ValueKind == JsonValueKind.Array && document.RootElement.EnumerateArray().All(e => e.ValueKind == JsonValueKind.Object)
                ? [.. document.RootElement.EnumerateArray().Select(e => e.Clone())]
                : throw new OciFaultException("its manifest.json is malformed");
        }
        catch (JsonException e)
        {
            throw new OciFaultException($"its manifest.json is not valid JSON ({OneLine.Of(e).TrimEnd('.')})", inner: e);
        }
    }

    private JsonElement Choose(ImmutableArray<JsonElement> images)
    {
        string[] tags = [.. images.SelectMany(i => OciJson.Texts(i, "RepoTags", "manifest.json")).Distinct()];
        string names = tags.Length == 0 ? "none has a tag" : "it has " + string.Join(", ", tags.Take(8).Select(OciFaultException.Quote));
        if (reference.Tag is { } tag)
        {
            return images.FirstOrDefault(i => OciJson.Texts(i, "RepoTags", "manifest.json").Any(t => t == tag || t.EndsWith(":" + tag, StringComparison.Ordinal))) is { ValueKind: JsonValueKind.Object } found
                ? found
                : throw new OciFaultException($"there is no image {OciFaultException.Quote(tag)} in it; {names}", KernelProblem.NotFound);
        }

        return images.Length switch
        {
            1 => images[0],
            0 => throw new OciFaultException("there is no image in it", KernelProblem.NotFound),
            _ => throw new OciFaultException($"there are several images in it; add a colon and a tag ({names})", KernelProblem.InvalidReference),
        };
    }

    /// <summary>The archive, unpacked into the store's temporary directory if it is packed.</summary>
    private async Task<FileStream> UnpackedAsync(FileStream file, CancellationToken cancellationToken)
    {
        byte[] head = new byte[6];
        int got = file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
        file.Position = 0;
        await using Stream unpacking = LayerPacking.Unpack(head.AsSpan(0, got), file, options.Host);
        if (unpacking == file)
            return File.OpenRead(reference.Path);
        await using FileStream packed = file;
        _temporary = await TemporaryDirectory.CreateAsync(Path.Combine(store, "tmp"), cancellationToken);
        FileStream unpacked = new(Path.Combine(_temporary.Path, "archive"), FileMode.CreateNew, FileAccess.ReadWrite);
        try
        {
            byte[] buffer = new byte[256 << 10];
            long uncounted = long.MaxValue;
            while (await Task.Run(() => unpacking.Read(buffer), cancellationToken) is var read and > 0)
            {
                if (unpacked.Length + read > options.Limits.MaxBytes)
                    throw new OciFaultException($"it unpacks to more than {OciFaultException.Size(options.Limits.MaxBytes)}; set {OciLimits.Variable} to allow more");
                if (uncounted > 16 << 20)
                {
                    uncounted = 0;
                    FreeSpace.Check(_temporary.Path, options.Limits.MinFree);
                }

                uncounted += read;
                await unpacked.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }

            unpacked.Position = 0;
            return unpacked;
        }
        catch (InvalidDataException e)
        {
            await unpacked.DisposeAsync();
            throw new OciFaultException($"its compressed data is damaged ({OneLine.Of(e).TrimEnd('.')})", inner: e);
        }
        catch
        {
            await unpacked.DisposeAsync();
            throw;
        }
    }

    private void Scan(FileStream file, CancellationToken cancellationToken)
    {
        LayerReader reader = new(file);
        while (reader.Next() is { } entry)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_files.Count + _links.Count > options.Limits.MaxLayers * 8)
                throw new OciFaultException("it is no archive of docker save: it has too many files");
            string name = Normalize("", entry.Name);
            if (entry is { Kind: LayerEntryKind.File, Extents: null })
                _files[name] = (file.Position, entry.Size);
            else if (entry.Kind == LayerEntryKind.SymbolicLink)
                _links[name] = Normalize(Path.GetDirectoryName(name) ?? "", entry.Target);
            else if (entry.Kind == LayerEntryKind.HardLink)
                _links[name] = Normalize("", entry.Target);
        }
    }

    private byte[] Read(string path, string missing)
    {
        using FilePart part = Open(path, missing);
        if (part.Length > options.Limits.MaxDocument)
            throw new OciFaultException($"its {OciFaultException.Quote(path)} is larger than {OciFaultException.Size(options.Limits.MaxDocument)}");
        byte[] content = new byte[part.Length];
        part.ReadExactly(content);
        return content;
    }

    /// <summary>Opens a file of the archive; old versions wrote a layer once and links to it after that.</summary>
    private FilePart Open(string path, string missing)
    {
        string name = Normalize("", path);
        for (int links = 0; links < MaxLinks && _links.TryGetValue(name, out string? next); links++)
            name = next;
        return _files.TryGetValue(name, out (long Offset, long Size) file)
            ? new FilePart(_file!.SafeFileHandle, file.Offset, file.Size)
            : throw new OciFaultException(missing);
    }

    // Only a key to look up; nothing is opened by it.
    private static string Normalize(string directory, string name) => Path.GetFullPath(Path.Combine("/", directory, name))[1..];
}
