namespace Uml.CI;

/// <summary>
/// An OCI image, fetched, checked and its layers put on one another. Nothing of it is unpacked onto the host's file system:
/// names stay in memory, contents in one file in the store's temporary directory, and what comes out is one tar archive.
/// </summary>
internal sealed class OciImage : IDisposable
{
    private readonly MergedRoot _root;
    private readonly LayerSpool _spool;
    private readonly TemporaryDirectory _temporary;

    private OciImage(OciContents contents, MergedRoot root, LayerSpool spool, TemporaryDirectory temporary)
    {
        Contents = contents;
        _root = root;
        _spool = spool;
        _temporary = temporary;
    }

    public OciContents Contents { get; }

    public OciImageConfig Config => Contents.Config;

    /// <summary>The configuration's digest, which names the image with all its layers.</summary>
    public string Digest => Contents.Digest.ToString();

    /// <summary>Bytes of all files, before layers hid any.</summary>
    public long Bytes => _root.Bytes;

    /// <summary>What a reference stands for now, without its layers: "sha256:..." of the configuration.</summary>
    /// <exception cref="KernelException">There is no such image, or it is malformed.</exception>
    public static Task<string> ResolveAsync(OciReference reference, string store, OciOptions options, CancellationToken cancellationToken) =>
        GuardAsync(reference, store, async () =>
        {
            await using IOciSource source = Open(reference, store, options);
            return (await source.ResolveAsync(cancellationToken)).Digest.ToString();
        });

    /// <summary>Fetches an image and puts its layers together.</summary>
    /// <param name="reference">The image.</param>
    /// <param name="store">The store's directory.</param>
    /// <param name="options">Limits, times, progress.</param>
    /// <param name="cancellationToken">Ends it; nothing half stays.</param>
    /// <exception cref="KernelException">It cannot be had, or is malformed; nothing of it is left in the store.</exception>
    public static Task<OciImage> OpenAsync(OciReference reference, string store, OciOptions options, CancellationToken cancellationToken) =>
        GuardAsync(reference, store, async () =>
        {
            await using IOciSource source = Open(reference, store, options);
            OciContents contents = await source.ResolveAsync(cancellationToken);
            try
            {
                await source.FetchAsync(contents, cancellationToken);
                return await MergeAsync(reference, source, contents, store, options, cancellationToken);
            }
            catch (OciFaultException e) when (e.Problem is KernelProblem.Other)
            {
                source.Forget();
                throw;
            }
        });

    /// <summary>Writes the merged root as one tar archive; the same image gives the same bytes.</summary>
    public async Task WriteTarAsync(Stream target, CancellationToken cancellationToken)
    {
        // Not disposed, as that would close what it writes to; it holds nothing else.
        BufferedStream buffered = new(target, 256 << 10);
        await new TarStreamWriter(buffered, _spool).WriteAsync(_root.Root, cancellationToken);
    }

    public void Dispose()
    {
        _spool.Dispose();
        _temporary.Dispose();
    }

    private static IOciSource Open(OciReference reference, string store, OciOptions options) => reference.Kind switch
    {
        OciSourceKind.Registry => new OciRegistry(reference, store, options),
        OciSourceKind.Layout => new OciLayout(reference, options.Limits),
        _ => new DockerArchive(reference, store, options),
    };

    private static async Task<T> GuardAsync<T>(OciReference reference, string store, Func<Task<T>> action)
    {
        try
        {
            return await action();
        }
        catch (OciFaultException e)
        {
            throw new KernelException($"{reference} cannot be used: {e.Message}.", e) { Problem = e.Problem };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KernelException($"{reference} cannot be used: {OneLine.Of(e).TrimEnd('.')}; see to the permissions and the free space of it and of the store {store}.", e) { Problem = KernelProblem.Unavailable };
        }
    }

    private static async Task<OciImage> MergeAsync(
        OciReference reference, IOciSource source, OciContents contents, string store, OciOptions options, CancellationToken cancellationToken)
    {
        TemporaryDirectory temporary = await TemporaryDirectory.CreateAsync(Path.Combine(store, "tmp"), cancellationToken);
        LayerSpool? spool = null;
        try
        {
            spool = new LayerSpool(temporary.Path, options.Limits);
            MergedRoot root = new(options.Limits);
            long unpacked = 0;
            for (int i = 0; i < contents.Layers.Length; i++)
            {
                OciLayer layer = contents.Layers[i];
                options.Progress?.Report(new KernelProgress($"unpacking layer {i + 1} of {contents.Layers.Length} of {reference}"));
                await using Stream packed = await source.OpenLayerAsync(layer, cancellationToken);
                int number = i;
                void OnRead(int bytes)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    // The archives themselves, whatever their entries say: one may go on after its end.
                    unpacked += bytes;
                    if (unpacked > options.Limits.MaxBytes + (1L << 30))
                        throw new OciFaultException($"the image unpacks to more than {OciFaultException.Size(options.Limits.MaxBytes)}; set {OciLimits.Variable} to allow more");
                }

                await Task.Run(() => ReadLayer(packed, layer, number, root, spool, options.Host, OnRead, cancellationToken), CancellationToken.None);
            }

            // As a container engine would when it starts the program.
            root.AddDirectory(contents.Config.WorkingDirectory);
            return new OciImage(contents, root, spool, temporary);
        }
        catch
        {
            spool?.Dispose();
            temporary.Dispose();
            throw;
        }
    }

    private static void ReadLayer(
        Stream file, OciLayer layer, int number, MergedRoot root, LayerSpool spool, HostTools host, Action<int> onRead, CancellationToken cancellationToken)
    {
        if (layer.Blob is { } blob && file.Length != blob.Size)
            throw new OciFaultException($"{layer.Name} has {file.Length} bytes instead of {blob.Size}");
        byte[] head = new byte[6];
        int got = file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false);
        file.Position -= got;
        using MeteredStream packed = new(file, layer.Blob?.Digest, _ => cancellationToken.ThrowIfCancellationRequested());
        bool isIntact;
        try
        {
            Stream unpacking = LayerPacking.Unpack(head.AsSpan(0, got), packed, host);
            using Stream? unpacker = unpacking == packed ? null : unpacking;
            using MeteredStream unpacked = new(unpacking, layer.DiffId, onRead);
            root.Apply(new LayerReader(unpacked), number, spool, cancellationToken);
            isIntact = unpacked.Drain();
        }
        catch (Exception e) when (e is OciFaultException or InvalidDataException)
        {
            // What is damaged is not what its author made: that is said first.
            if (!packed.Drain())
                throw Damaged(layer);
            throw e is OciFaultException fault ? fault.At(layer.Name + ":") : new OciFaultException($"{layer.Name}: its compressed data is damaged ({OneLine.Of(e).TrimEnd('.')})", inner: e);
        }

        if (!packed.Drain())
            throw Damaged(layer);
        if (!isIntact)
            throw new OciFaultException($"{layer.Name} unpacks to something else than the configuration says ({layer.DiffId.Short}): it is cut short or another layer");
    }

    private static OciFaultException Damaged(OciLayer layer) => new($"{layer.Name} is damaged: its content has another digest");
}
