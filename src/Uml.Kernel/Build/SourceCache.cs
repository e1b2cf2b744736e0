using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text.Json;

namespace Uml.CI;

/// <summary>
/// Sources of kernels, unpacked: <c>sources/SHA256/</c> with a description <c>sources/SHA256.json</c> beside it, and the tarballs
/// that were downloaded. Whoever uses one holds its lock, shared; who removes it must hold it alone.
/// </summary>
internal sealed class SourceCache(string root, HostTools host, string reference, IProgress<KernelProgress>? progress) : IDisposable
{
    private const long UnpackedSize = 2_000_000_000;

    private readonly List<FileLock> _held = [];

    private string Sources => Path.Combine(root, "sources");

    private string Locks => Path.Combine(root, "locks");

    /// <summary>Gives the sources in use free for removal.</summary>
    public void Dispose()
    {
        foreach (FileLock held in _held)
            held.Dispose();
        _held.Clear();
    }

    /// <summary>A kernel tree, or a git work tree, where it is.</summary>
    public async Task<KernelTree> OpenTreeAsync(string path, CancellationToken cancellationToken)
    {
        string directory = Native.RealPath(path);
        KernelSourceVersion version = KernelSourceVersion.Read(directory) ?? throw NoKernel(path);
        progress?.Report(new KernelProgress($"reading the source in {path}"));
        GitTree? git = await GitTree.OpenAsync(directory, host, cancellationToken);
        bool builtIn = new[] { ".config", "include/config", "arch/um/include/generated" }.Any(f => Path.Exists(Path.Combine(directory, f)));
        if (builtIn && git is null)
        {
            throw new KernelException(
                $"{reference} cannot be built: the tree {path} has been built in place, and such a tree cannot be built anywhere else; clean it (make -C {path} ARCH=um mrproper), or name a copy without what was built.");
        }

        List<FileTree.Entry>? entries = git is null ? await Task.Run(() => FileTree.List(directory), cancellationToken) : null;
        string hash = git?.Hash ?? await Task.Run(() => FileTree.Hash(directory, entries!.Select(e => e.Path), cancellationToken), cancellationToken);
        return new KernelTree
        {
            Directory = directory,
            Version = version,
            Hash = hash,
            Date = git?.Date ?? entries!.Max(e => e.Modified),
            IsWorkingTree = true,
            Listed = builtIn || !BuildRoot.IsSuitable(directory) ? git is null ? [.. entries!.Select(e => e.Path)] : await git.ListAsync(cancellationToken) : null,
            Record = new KernelRecordSource
            {
                Name = Path.GetFileName(directory),
                Reference = "source:" + Path.GetFileName(directory),
                Sha256 = git is null or { IsModified: true } ? hash : null,
                Commit = git?.Commit,
                Modified = git?.IsModified ?? false,
            },
        };
    }

    /// <summary>A tarball of the user's.</summary>
    public async Task<KernelTree> OpenTarballAsync(string path, string temporary, CancellationToken cancellationToken)
    {
        progress?.Report(new KernelProgress($"reading {path}"));
        string hash = await HashAsync(path, cancellationToken);
        string name = Path.GetFileName(path);
        return await UnpackAsync(hash, path, new KernelRecordSource { Name = name, Reference = "source:" + name, Sha256 = hash }, temporary, cancellationToken);
    }

    /// <summary>Debian's package of a kernel's source.</summary>
    /// <param name="value">Its version, and perhaps <c>@SUITE</c>.</param>
    /// <param name="temporary">A directory for what is needed on the way.</param>
    /// <param name="refresh">Look for a newer one.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<KernelTree> OpenDebianAsync(string value, string temporary, bool refresh, CancellationToken cancellationToken)
    {
        // One download for all who want it at once.
        string document = Path.Combine(Sources, $"debian-{value}.json");
        Directory.CreateDirectory(Sources);
        Directory.CreateDirectory(Locks);
        using FileLock mine = await FileLock.TakeAsync(
            Path.Combine(Locks, $"debian-source-{value}"), () => progress?.Report(new KernelProgress($"waiting for another process that is fetching debian-source:{value}")), cancellationToken);
        DebianSourceDocument? known = Read(document, KernelJson.Default.DebianSourceDocument);
        if (refresh || known is null || (!File.Exists(TarballOf(known)) && !File.Exists(DescriptionOf(known.Sha256))))
        {
            BuildRoot.RequireSpace(root, UnpackedSize + 400_000_000, reference);
            known = await DownloadAsync(value, known, temporary, cancellationToken);
            AtomicFile.Write(document, JsonSerializer.Serialize(known, KernelJson.Default.DebianSourceDocument));
        }

        KernelRecordSource record = new() { Name = $"{known.Package} {known.Version}", Reference = $"debian-source:{value}", Sha256 = known.Sha256 };
        return await UnpackAsync(known.Sha256, TarballOf(known), record, temporary, cancellationToken) with { PackageVersion = known.Version };
    }

    /// <summary>
    /// The tree with patches applied, and one that make can work on where the tree itself is none: its files as links, at a place of its
    /// own.
    /// </summary>
    /// <param name="tree">The tree.</param>
    /// <param name="patches">What to apply.</param>
    /// <param name="directory">Where to make it; for sources that do not change a place in the cache is taken instead.</param>
    /// <param name="temporary">A directory for what is needed on the way.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<KernelTree> PrepareAsync(KernelTree tree, ImmutableArray<KernelPatch> patches, string directory, string temporary, CancellationToken cancellationToken)
    {
        if (patches.IsEmpty && tree.Listed is null)
            return tree;
        if (tree.IsWorkingTree)
        {
            UnixFiles.DeleteTree(directory);
            await LinkAsync(tree, patches, directory, cancellationToken);
            return tree with { Directory = directory };
        }

        string key = BuildInputs.HashOf([tree.Hash, .. patches.Select(p => p.Text)]);
        string target = Path.Combine(Sources, key);
        await HoldAsync(key, async () =>
        {
            string aside = Path.Combine(temporary, "patched");
            await LinkAsync(tree, patches, aside, cancellationToken);
            Install(aside, key, new SourceDocument { Name = tree.Record.Name, Date = tree.Date, Size = 0 }, temporary);
        }, cancellationToken);
        return tree with { Directory = target };
    }

    private async Task LinkAsync(KernelTree tree, ImmutableArray<KernelPatch> patches, string target, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> files = tree.Listed ?? await Task.Run(() => (IReadOnlyList<string>)[.. FileTree.List(tree.Directory).Select(e => e.Path)], cancellationToken);
        await Task.Run(() => FileTree.Link(tree.Directory, files, target), cancellationToken);
        foreach (KernelPatch patch in patches)
            await PatchedFiles.ApplyAsync(patch, target, host, reference, cancellationToken);
    }

    private string TarballOf(DebianSourceDocument source) => Path.Combine(Sources, source.Sha256 + Path.GetFileName(source.FileName)[source.FileName.IndexOf(".tar", StringComparison.Ordinal)..]);

    private string DescriptionOf(string key) => Path.Combine(Sources, key + ".json");

    private async Task<DebianSourceDocument> DownloadAsync(string value, DebianSourceDocument? known, string temporary, CancellationToken cancellationToken)
    {
        string[] parts = value.Split('@');
        string package = "linux-source-" + parts[0];
        string apart = Path.Combine(temporary, "apt");
        Directory.CreateDirectory(apart);
        AptClient apt = new(host, reference, apart, progress);
        (AptClient.Package found, string suite) = await DebianSuites.FindAsync(apt, package, parts.Length > 1 ? parts[1] : null, known?.Suite, reference, cancellationToken);
        if (known is not null && known.Version == found.Version && (File.Exists(TarballOf(known)) || File.Exists(DescriptionOf(known.Sha256))))
            return known;
        await apt.DownloadAsync([found], cancellationToken);
        string unpacked = Path.Combine(temporary, "package");
        await apt.UnpackAsync(package, unpacked, cancellationToken);
        string folder = Path.Combine(unpacked, "usr", "src");
        string tarball = (Directory.Exists(folder) ? Directory.EnumerateFiles(folder, "linux-source-*.tar.*") : []).SingleOrDefault(f => BuildTool.Unpacker(f) is not null)
            ?? throw new KernelException($"{reference} cannot be built: the package {package} {found.Version} has no tarball of the source in usr/src; use another suite ({reference.Split('#')[0].Split('@')[0]}@trixie).");
        DebianSourceDocument source = new() { Package = package, Version = found.Version, Suite = suite, Sha256 = await HashAsync(tarball, cancellationToken), FileName = Path.GetFileName(tarball) };
        File.Move(tarball, TarballOf(source), overwrite: true);
        UnixFiles.DeleteTree(unpacked);
        return source;
    }

    private async Task<KernelTree> UnpackAsync(string hash, string tarball, KernelRecordSource record, string temporary, CancellationToken cancellationToken)
    {
        string target = Path.Combine(Sources, hash);
        await HoldAsync(hash, () => ExtractAsync(hash, tarball, record.Name, temporary, cancellationToken), cancellationToken);
        SourceDocument source = Read(DescriptionOf(hash), KernelJson.Default.SourceDocument)!;
        return new KernelTree
        {
            Directory = target,
            Hash = hash,
            Date = source.Date,
            Record = record,
            Version = KernelSourceVersion.Read(target) ?? throw NoKernel(target),
        };
    }

    /// <summary>Takes hold of an unpacked source, after making it if it is not there.</summary>
    private async Task HoldAsync(string key, Func<Task> make, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Sources);
        Directory.CreateDirectory(Locks);
        string path = Path.Combine(Locks, "source-" + key);
        while (true)
        {
            FileLock shared = await FileLock.TakeAsync(path, () => progress?.Report(new KernelProgress("waiting for another process that is unpacking the source")), cancellationToken, shared: true);
            if (File.Exists(DescriptionOf(key)) && Directory.Exists(Path.Combine(Sources, key)))
            {
                // Removal goes by the time of last use.
                File.SetLastWriteTimeUtc(DescriptionOf(key), DateTime.UtcNow);
                _held.Add(shared);
                return;
            }

            shared.Dispose();
            using FileLock alone = await FileLock.TakeAsync(path, null, cancellationToken);
            if (!File.Exists(DescriptionOf(key)) || !Directory.Exists(Path.Combine(Sources, key)))
                await make();
        }
    }

    private async Task ExtractAsync(string key, string tarball, string name, string temporary, CancellationToken cancellationToken)
    {
        BuildRoot.RequireSpace(root, UnpackedSize, reference);
        string aside = Path.Combine(temporary, "source");
        Directory.CreateDirectory(aside);
        string stage = $"unpacking {name}";
        progress?.Report(new KernelProgress(stage));
        int files = 0;
        try
        {
            await new ExternalProgram(BuildTool.Find("tar", host.Variable("PATH")) ?? "tar")
            {
                Arguments = ["-x", "-v", "--no-same-owner", "-f", tarball, "-C", aside],
                Environment = BuildEnvironment.Create(host.Variable),
                EndsWithParent = true,
                OnOutput = _ =>
                {
                    if (++files % 500 == 0)
                        progress?.Report(new KernelProgress(stage) { FilesDone = files });
                },
            }.RunAsync(cancellationToken);
        }
        catch (ExternalProgramException e)
        {
            throw new KernelException($"{reference} cannot be built: {tarball} cannot be unpacked: {OneLine.Of(e)}; see to the free space in {root}, and that the tarball is whole.", e);
        }

        string tree = KernelSourceVersion.Read(aside) is null && Directory.GetFileSystemEntries(aside) is [var single] && Directory.Exists(single) ? single : aside;
        if (KernelSourceVersion.Read(tree) is null)
            throw NoKernel(tarball);
        List<FileTree.Entry> entries = FileTree.List(tree);
        Install(tree, key, new SourceDocument { Name = name, Date = entries.Max(e => e.Modified), Size = entries.Sum(e => e.Size) }, temporary);
    }

    private void Install(string tree, string key, SourceDocument document, string temporary)
    {
        string target = Path.Combine(Sources, key);
        if (Directory.Exists(target))
            Directory.Move(target, Path.Combine(temporary, "replaced-source"));
        Directory.Move(tree, target);
        AtomicFile.Write(DescriptionOf(key), JsonSerializer.Serialize(document, KernelJson.Default.SourceDocument));
    }

    private KernelException NoKernel(string path) =>
        new($"{reference} cannot be built: {path} is no source of a Linux kernel (no Makefile with a VERSION, or no Kconfig); name a kernel tree or its tarball.") { Problem = KernelProblem.NotFound };

    private static async Task<string> HashAsync(string path, CancellationToken cancellationToken)
    {
        await using FileStream file = File.OpenRead(path);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken));
    }

    private static T? Read<T>(string path, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), type);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }
}
