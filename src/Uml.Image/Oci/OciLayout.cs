using System.Collections.Immutable;
using System.Text.Json;

namespace Uml.CI;

/// <summary>An image in a directory in the OCI image layout: <c>oci-layout</c>, <c>index.json</c> and <c>blobs/</c>.</summary>
internal sealed class OciLayout(OciReference reference, OciLimits limits) : IOciSource
{
    public async Task<OciContents> ResolveAsync(CancellationToken cancellationToken)
    {
        if (!Directory.Exists(reference.Path))
            throw new OciFaultException("there is no such directory", KernelProblem.NotFound);
        JsonElement version = OciJson.Parse(await ReadFileAsync("oci-layout", cancellationToken), "its oci-layout");
        string? number = OciJson.Text(version, "imageLayoutVersion", "its oci-layout");
        if (number?.StartsWith("1.", StringComparison.Ordinal) != true)
            throw new OciFaultException($"its layout is of version {OciFaultException.Quote(number ?? "none")}, and 1 is known");
        byte[] content = await ReadFileAsync("index.json", cancellationToken);
        OciDescriptor chosen = Choose([.. OciJson.Array(OciJson.Parse(content, "index.json"), "manifests", "index.json").Select((e, i) => OciJson.Descriptor(e, $"entry {i + 1} of index.json"))]);
        OciDocument document = await FetchDocumentAsync(chosen, OciMediaTypes.IsIndex(chosen.MediaType) ? "the index" : "the manifest", cancellationToken);
        return await new OciResolver(limits, FetchDocumentAsync).ResolveAsync(document with { MediaType = chosen.MediaType }, cancellationToken);
    }

    public Task FetchAsync(OciContents contents, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<Stream> OpenLayerAsync(OciLayer layer, CancellationToken cancellationToken) => Task.FromResult<Stream>(OpenBlob(layer.Blob!));

    public void Forget()
    {
        // Nothing was kept.
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private OciDescriptor Choose(ImmutableArray<OciDescriptor> entries)
    {
        string[] tags = [.. entries.Select(e => e.RefName).OfType<string>().Distinct()];
        string names = tags.Length == 0 ? "none has a tag" : "it has " + string.Join(", ", tags.Take(8).Select(OciFaultException.Quote));
        if (reference.Tag is { } tag)
        {
            ImmutableArray<OciDescriptor> tagged = [.. entries.Where(e => e.RefName == tag)];
            return tagged.Length > 0
                ? OciResolver.Choose(tagged)
                : throw new OciFaultException($"there is no image {OciFaultException.Quote(tag)} in it; {names}", KernelProblem.NotFound);
        }

        if (tags.Length > 1)
        {
            return tags.Contains("latest")
                ? OciResolver.Choose([.. entries.Where(e => e.RefName == "latest")])
                : throw new OciFaultException($"there are several images in it; add a colon and a tag ({names})", KernelProblem.InvalidReference);
        }

        return OciResolver.Choose(entries);
    }

    private async Task<byte[]> ReadFileAsync(string name, CancellationToken cancellationToken)
    {
        await using FileStream file = Open(name, $"it is no OCI image layout: it has no {name}");
        return file.Length <= limits.MaxDocument
            ? await ReadAsync(file, cancellationToken)
            : throw new OciFaultException($"its {name} is larger than {OciFaultException.Size(limits.MaxDocument)}");
    }

    private async Task<OciDocument> FetchDocumentAsync(OciDescriptor descriptor, string what, CancellationToken cancellationToken)
    {
        if (descriptor.Size > limits.MaxDocument)
            throw new OciFaultException($"{what} ({descriptor.Digest.Short}) is larger than {OciFaultException.Size(limits.MaxDocument)}");
        await using FileStream file = OpenBlob(descriptor);
        if (file.Length != descriptor.Size)
            throw new OciFaultException($"{what} ({descriptor.Digest.Short}) has {file.Length} bytes instead of {descriptor.Size}");
        byte[] content = await ReadAsync(file, cancellationToken);
        return descriptor.Digest.IsOf(content)
            ? new OciDocument(content, descriptor.MediaType, descriptor.Digest)
            : throw new OciFaultException($"{what} ({descriptor.Digest.Short}) is damaged: its content has another digest");
    }

    private FileStream OpenBlob(OciDescriptor descriptor) =>
        Open($"blobs/{descriptor.Digest.Algorithm}/{descriptor.Digest.Hex}", $"the blob {descriptor.Digest.Short} is missing in it");

    private FileStream Open(string name, string missing)
    {
        string path = Path.Combine(reference.Path, name);
        // A pipe or a device would keep us for ever.
        if (Native.Identify(path, followLink: true) is not { } found)
            throw new OciFaultException(missing, KernelProblem.NotFound);
        return (found.Mode & 0xF000) == 0x8000
            ? File.OpenRead(path)
            : throw new OciFaultException($"its {name} is no regular file");
    }

    private static async Task<byte[]> ReadAsync(FileStream file, CancellationToken cancellationToken)
    {
        byte[] content = new byte[file.Length];
        await file.ReadExactlyAsync(content, cancellationToken);
        return content;
    }
}
