namespace Uml.CI;

/// <summary>What <see cref="KernelStore.PruneAsync"/> removes.</summary>
public sealed record KernelPruneOptions
{
    /// <summary>What nobody has asked for since that long goes; null keeps it whatever its age.</summary>
    public TimeSpan? UnusedFor { get; init; }

    /// <summary>The longest unused go until no more than that many bytes are left; null for any size.</summary>
    public long? MaximumSize { get; init; }

    /// <summary>Only says what would go.</summary>
    public bool DryRun { get; init; }
}

/// <summary>Something that <see cref="KernelStore.PruneAsync"/> removed.</summary>
/// <param name="Name">What it was, in words.</param>
/// <param name="Size">Bytes it took.</param>
/// <param name="LastUsed">When it was last asked for.</param>
public sealed record PrunedItem(string Name, long Size, DateTimeOffset LastUsed);

/// <content>Pruning.</content>
public sealed partial class KernelStore
{
    /// <summary>
    /// What was used within this time stays, whatever the limits: a guest may be about to start with it. (One that runs holds
    /// its kernel open; only the modules it has not loaded yet would be missing.)
    /// </summary>
    public static readonly TimeSpan PruneGrace = TimeSpan.FromHours(1);

    /// <summary>Bytes the store takes, its sources and object files included.</summary>
    public long Size => Directory.Exists(Root) ? SizeOf(Root) : 0;

    /// <summary>
    /// Removes kernels, sources and object files by age and size, those first that were unused for longest. What another
    /// process uses at the moment stays.
    /// </summary>
    /// <returns>What was removed, in that order.</returns>
    public async Task<IReadOnlyList<PrunedItem>> PruneAsync(KernelPruneOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        try
        {
            Directory.CreateDirectory(LockRoot);
            using FileLock held = await FileLock.TakeAsync(Path.Combine(LockRoot, "store"), null, cancellationToken);
            DateTimeOffset now = DateTimeOffset.UtcNow;
            Prunable[] all = [.. Prunables().OrderBy(p => p.LastUsed)];
            long left = all.Sum(p => p.Size);
            List<PrunedItem> gone = [];
            foreach (Prunable item in all.Where(p => now - p.LastUsed > PruneGrace))
            {
                bool tooOld = options.UnusedFor is { } age && now - item.LastUsed > age;
                bool tooMuch = options.MaximumSize is { } most && left > most;
                if (!tooOld && !tooMuch)
                    continue;
                if (!options.DryRun)
                {
                    using FileLock? inUse = item.Lock is null ? null : FileLock.TryTake(item.Lock);
                    if (item.Lock is not null && inUse is null)
                        continue;
                    // It took a while to get here, and somebody may just have asked for it.
                    if (DateTimeOffset.UtcNow - new DateTimeOffset(File.GetLastWriteTimeUtc(item.Stamp), TimeSpan.Zero) <= PruneGrace)
                        continue;
                    foreach (string reference in item.References)
                        File.Delete(reference);
                    await DiscardAsync(item.Directory, cancellationToken);
                }

                left -= item.Size;
                gone.Add(new PrunedItem(item.Name, item.Size, item.LastUsed));
            }

            return gone;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KernelException($"The kernel store {Root} cannot be pruned: {OneLine.Of(e)}", e);
        }
    }

    private IEnumerable<Prunable> Prunables()
    {
        (string Path, ReferenceDocument Document)[] references = [.. References(Root)];
        foreach (StoredKernel kernel in List().Where(k => Path.GetDirectoryName(Path.GetDirectoryName(k.Directory)) == Root))
        {
            string name = kernel.References.Count > 0 ? string.Join(", ", kernel.References) : kernel.Sha256[..12];
            yield return new Prunable(
                kernel.Directory, Path.Combine(kernel.Directory, "kernel.json"), $"{name}: Linux {kernel.Release}", kernel.Size, kernel.LastUsed, null,
                [.. references.Where(r => r.Document.Sha256 == kernel.Sha256).Select(r => r.Path)]);
        }

        // A source is there while its description is, which is also what tells when it was used; its tarball goes with it.
        foreach (string description in FilesOf("sources").Where(f => IsSha256(Path.GetFileNameWithoutExtension(f)) && f.EndsWith(".json", StringComparison.Ordinal)))
        {
            string key = Path.GetFileNameWithoutExtension(description);
            string directory = Path.Combine(Root, "sources", key);
            string[] files = [description, .. FilesOf("sources").Where(f => Path.GetFileName(f).StartsWith(key + ".tar", StringComparison.Ordinal))];
            string name = ReadJson(description, KernelJson.Default.SourceDocument)?.Name ?? key[..12];
            if (Directory.Exists(directory))
                yield return new Prunable(directory, description, $"source {name}", SizeOf(directory) + files.Sum(f => new FileInfo(f).Length), new DateTimeOffset(File.GetLastWriteTimeUtc(description), TimeSpan.Zero), Path.Combine(LockRoot, "source-" + key), files);
        }

        string objects = Path.Combine(Root, "objects");
        foreach (string directory in Directory.Exists(objects) ? Directory.EnumerateDirectories(objects) : [])
            yield return new Prunable(directory, directory, "object files of a tree", SizeOf(directory), new DateTimeOffset(Directory.GetLastWriteTimeUtc(directory), TimeSpan.Zero), Path.Combine(LockRoot, "objects-" + Path.GetFileName(directory)), []);
    }

    private string[] FilesOf(string folder) => Directory.Exists(Path.Combine(Root, folder)) ? Directory.GetFiles(Path.Combine(Root, folder)) : [];

    // Stamp: the file or directory whose time of writing says when it was used.
    private sealed record Prunable(string Directory, string Stamp, string Name, long Size, DateTimeOffset LastUsed, string? Lock, string[] References);
}
