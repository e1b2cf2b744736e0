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

    private static readonly TimeSpan s_remainsAge = TimeSpan.FromDays(90);

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
                    if (Directory.Exists(item.Directory))
                        await DiscardAsync(item.Directory, cancellationToken, item.Root);
                }

                left -= item.Size;
                gone.Add(new PrunedItem(item.Name, item.Size, item.LastUsed));
            }

            if (!options.DryRun)
                RemoveRemains(now - (options.UnusedFor ?? s_remainsAge));
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

        foreach (string root in (string[])[Root, .. BuildRoot.Find(Root, _host.Variable) is { } elsewhere && elsewhere != Native.RealPath(Root) ? [elsewhere] : (string[])[]])
        {
            foreach (Prunable source in Sources(root))
                yield return source;
            string objects = Path.Combine(root, "objects");
            foreach (string directory in Directory.Exists(objects) ? Directory.EnumerateDirectories(objects) : [])
                yield return new Prunable(directory, directory, "object files of a tree", SizeOf(directory), new DateTimeOffset(Directory.GetLastWriteTimeUtc(directory), TimeSpan.Zero), Path.Combine(root, "locks", "objects-" + Path.GetFileName(directory)), []) { Root = root };
        }
    }

    // What belongs to one source: its directory, its tarball, and the description that tells when it was used. A download that was
    // never unpacked has no more than the tarball.
    private static IEnumerable<Prunable> Sources(string root)
    {
        string sources = Path.Combine(root, "sources");
        string[] entries = Directory.Exists(sources) ? Directory.GetFileSystemEntries(sources) : [];
        foreach (IGrouping<string, string> source in entries.GroupBy(e => Path.GetFileName(e).Split('.')[0], StringComparer.Ordinal).Where(g => g.Key.Length == 64 && IsSha256(g.Key)))
        {
            string directory = Path.Combine(sources, source.Key);
            string description = directory + ".json";
            string[] files = [.. source.Where(File.Exists)];
            string stamp = files.FirstOrDefault(f => f == description) ?? files.FirstOrDefault() ?? directory;
            yield return new Prunable(
                directory, stamp, $"source {ReadJson(description, KernelJson.Default.SourceDocument)?.Name ?? source.Key[..12]}",
                (Directory.Exists(directory) ? SizeOf(directory) : 0) + files.Sum(f => new FileInfo(f).Length),
                new DateTimeOffset(File.GetLastWriteTimeUtc(stamp), TimeSpan.Zero), Path.Combine(root, "locks", "source-" + source.Key), files)
            { Root = root };
        }
    }

    // A few bytes each, and of use only while the kernel is there, or for whoever wants to know why a build of late went as it did.
    private void RemoveRemains(DateTimeOffset before)
    {
        foreach (string file in FilesOf(Root, "builds"))
        {
            if (ReadJson(file, KernelJson.Default.BuildDocument) is not { } build || !Directory.Exists(Path.Combine(Root, "kernels", build.Sha256)))
                File.Delete(file);
        }

        foreach (string file in (string[])[.. FilesOf(Root, "logs"), .. FilesOf(BuildRoot.Find(Root, _host.Variable) ?? Root, "counts")])
        {
            if (File.GetLastWriteTimeUtc(file) < before.UtcDateTime)
                File.Delete(file);
        }
    }

    private static string[] FilesOf(string root, string folder) => Directory.Exists(Path.Combine(root, folder)) ? Directory.GetFiles(Path.Combine(root, folder)) : [];

    // Stamp: the file or directory whose time of writing says when it was used.
    private sealed record Prunable(string Directory, string Stamp, string Name, long Size, DateTimeOffset LastUsed, string? Lock, string[] References)
    {
        /// <summary>The directory that all of it is below.</summary>
        public string? Root { get; init; }
    }
}
