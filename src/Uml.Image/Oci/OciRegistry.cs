using System.Net;
using System.Security.Cryptography;

namespace Uml.CI;

/// <summary>An image in a registry.</summary>
internal sealed class OciRegistry(OciReference reference, string store, OciOptions options) : IOciSource
{
    private const int MaxBreaks = 3;
    private const int Parallel = 3;

    private readonly RegistryClient _client = new(reference.Registry!, reference.Repository, options);
    private readonly OciBlobCache _cache = new(store);
    private long _received;
    private long _reported;

    public async Task<OciContents> ResolveAsync(CancellationToken cancellationToken)
    {
        options.Progress?.Report(new KernelProgress($"asking {reference.Registry!.Authority} for {reference}"));
        string name = reference.Digest?.ToString() ?? reference.Tag!;
        using HttpResponseMessage response = await _client.GetAsync("manifests/" + name, $"the image {reference.Repository}{(reference.Digest is null ? ":" : "@")}{name}", 0, cancellationToken);
        byte[] content = await _client.ReadAsync(response, "its manifest", options.Limits.MaxDocument, cancellationToken);
        OciDigest digest = OciDigest.Sha256(content);
        string? told = response.Headers.TryGetValues("Docker-Content-Digest", out IEnumerable<string>? values) ? values.FirstOrDefault() : null;
        if (reference.Digest is { } wanted && !wanted.IsOf(content))
            throw new OciFaultException($"its manifest is damaged: its content has another digest ({digest.Short})");
        if (reference.Digest is null && told is not null && OciDigest.TryParse(told)?.IsOf(content) != true)
            throw new OciFaultException($"its manifest is damaged: its content has another digest than {reference.Registry!.Authority} says ({OciFaultException.Quote(told)})");
        return await new OciResolver(options.Limits, FetchDocumentAsync).ResolveAsync(
            new OciDocument(content, response.Content.Headers.ContentType?.MediaType, digest), cancellationToken);
    }

    public async Task FetchAsync(OciContents contents, CancellationToken cancellationToken)
    {
        OciLayer[] layers = [.. contents.Layers.DistinctBy(l => l.Blob!.Digest)];
        long total = layers.Sum(l => l.Blob!.Size);
        FreeSpace.Check(store, total + options.Limits.MinFree);
        void Report()
        {
            long now = Environment.TickCount64;
            long last = Interlocked.Read(ref _reported);
            if (now - last >= 200 && Interlocked.CompareExchange(ref _reported, now, last) == last)
                options.Progress?.Report(new KernelProgress($"downloading {reference}", Interlocked.Read(ref _received), total));
        }

        await System.Threading.Tasks.Parallel.ForEachAsync(
            layers,
            new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancellationToken },
            async (layer, token) => await (await OpenAsync(layer, Report, token)).DisposeAsync());
        options.Progress?.Report(new KernelProgress($"downloading {reference}", total, total));
    }

    public async Task<Stream> OpenLayerAsync(OciLayer layer, CancellationToken cancellationToken) => await OpenAsync(layer, () => { }, cancellationToken);

    public void Forget() => _cache.Forget();

    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        _cache.Trim(options.CacheBytes);
        return ValueTask.CompletedTask;
    }

    private async Task<FileStream> OpenAsync(OciLayer layer, Action report, CancellationToken cancellationToken)
    {
        bool isFetched = false;
        FileStream opened = await _cache.OpenAsync(
            layer.Blob!,
            file =>
            {
                isFetched = true;
                return DownloadAsync(layer, file, report, cancellationToken);
            },
            () => options.Progress?.Report(new KernelProgress($"waiting for another process that is fetching {layer.Name}")),
            cancellationToken);
        if (!isFetched)
            Interlocked.Add(ref _received, layer.Blob!.Size);
        report();
        return opened;
    }

    /// <summary>Downloads a layer and checks it. A broken connection is taken up where it broke; the digest is of the whole.</summary>
    private async Task DownloadAsync(OciLayer layer, FileStream file, Action report, CancellationToken cancellationToken)
    {
        OciDescriptor blob = layer.Blob!;
        IncrementalHash hash = blob.Digest.CreateHash();
        byte[] buffer = new byte[256 << 10];
        bool isStitched = false;
        bool canResume = true;
        try
        {
            for (int breaks = 0; ;)
            {
                void StartOver()
                {
                    Interlocked.Add(ref _received, -file.Position);
                    file.SetLength(0);
                    hash.GetHashAndReset();
                    isStitched = false;
                }

                if (!canResume)
                    StartOver();
                try
                {
                    using HttpResponseMessage response = await _client.GetAsync($"blobs/{blob.Digest}", layer.Name, file.Position, cancellationToken);
                    if (file.Position > 0)
                    {
                        bool isContinued = response.StatusCode == HttpStatusCode.PartialContent && response.Content.Headers.ContentRange?.From == file.Position;
                        if (isContinued)
                        {
                            isStitched = true;
                        }
                        else if (response.StatusCode == HttpStatusCode.PartialContent)
                        {
                            canResume = false;
                            throw new IOException("it sends another part than asked for");
                        }
                        else
                        {
                            StartOver();
                        }
                    }

                    await using Stream body = await response.Content.ReadAsStreamAsync(cancellationToken);
                    while (await _client.ReadAsync(body, buffer, cancellationToken) is var got and > 0)
                    {
                        if (file.Position + got > blob.Size)
                            throw new OciFaultException($"{layer.Name} is larger than the {blob.Size} bytes its manifest says");
                        await file.WriteAsync(buffer.AsMemory(0, got), cancellationToken);
                        hash.AppendData(buffer, 0, got);
                        Interlocked.Add(ref _received, got);
                        report();
                    }
                }
                catch (Exception e) when (IsBreak(e))
                {
                    if (++breaks > MaxBreaks)
                        throw new OciFaultException($"the connection to {reference.Registry!.Authority} broke off {breaks} times in {layer.Name} ({OneLine.Of(e).TrimEnd('.')}); try again", KernelProblem.Unavailable, e);
                    options.Progress?.Report(new KernelProgress($"the connection broke off; asking for the rest of {layer.Name}"));
                    await Task.Delay(options.Timeouts.Retry, cancellationToken);
                    continue;
                }

                if (file.Position != blob.Size)
                    throw new OciFaultException($"{layer.Name} has {file.Position} bytes instead of {blob.Size}");
                if (blob.Digest.IsResultOf(hash))
                    return;

                // Two halves that do not fit may be of two servers; once, whole, decides.
                if (!isStitched)
                    throw new OciFaultException($"{layer.Name} is damaged: its content has another digest");
                canResume = false;
            }
        }
        finally
        {
            hash.Dispose();
        }
    }

    // The store's own file system fails with these too, but then with a number of the system's.
    private static bool IsBreak(Exception e) => e is HttpIOException or IOException { InnerException: System.Net.Sockets.SocketException } || (e is IOException && e.HResult == new IOException().HResult);

    private async Task<OciDocument> FetchDocumentAsync(OciDescriptor descriptor, string what, CancellationToken cancellationToken)
    {
        if (descriptor.Size > options.Limits.MaxDocument)
            throw new OciFaultException($"{what} ({descriptor.Digest.Short}) is larger than {OciFaultException.Size(options.Limits.MaxDocument)}");
        bool isManifest = OciMediaTypes.IsManifest(descriptor.MediaType) || OciMediaTypes.IsIndex(descriptor.MediaType);
        using HttpResponseMessage response = await _client.GetAsync($"{(isManifest ? "manifests" : "blobs")}/{descriptor.Digest}", $"{what} ({descriptor.Digest.Short})", 0, cancellationToken);
        byte[] content = await _client.ReadAsync(response, $"{what} ({descriptor.Digest.Short})", options.Limits.MaxDocument, cancellationToken);
        if (content.Length != descriptor.Size)
            throw new OciFaultException($"{what} ({descriptor.Digest.Short}) has {content.Length} bytes instead of {descriptor.Size}");
        return descriptor.Digest.IsOf(content)
            ? new OciDocument(content, descriptor.MediaType, descriptor.Digest)
            : throw new OciFaultException($"{what} ({descriptor.Digest.Short}) is damaged: its content has another digest");
    }
}
