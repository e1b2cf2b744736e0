using System.Collections.Immutable;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Uml.CI;

/// <content>Kernels that are built here.</content>
public sealed partial class KernelStore
{
    private string LogRoot => Path.Combine(Root, "logs");

    /// <summary>
    /// Builds the kernel that a reference of the kinds <c>debian-source:</c> and <c>source:</c> names, and puts it into the store; one of
    /// the same inputs that is there already is taken as it is.
    /// </summary>
    /// <exception cref="KernelException">It cannot be built; the message says why and what to do.</exception>
    public async Task<BuiltKernel> BuildAsync(KernelReference reference, KernelBuildOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reference);
        options ??= new KernelBuildOptions();
        if (!reference.IsBuilt)
            throw new KernelException($"{reference} is not built: name debian-source:VERSION, or a kernel tree or its tarball with source:PATH.") { Problem = KernelProblem.InvalidReference };
        if (!_host.IsX64)
            throw new KernelException($"{reference} cannot be built: User-mode Linux runs on x86-64 only, and this machine is none.") { Problem = KernelProblem.Unavailable };
        long begun = Stopwatch.GetTimestamp();
        reference = reference.From(Directory.GetCurrentDirectory());
        try
        {
            if (Notice is not null)
                options.Progress?.Report(new KernelProgress(Notice, IsWarning: true));
            Directory.CreateDirectory(LockRoot);
            await CheckBuildAsync(reference, options, cancellationToken);
            using FileLock mine = await FileLock.TakeAsync(
                Path.Combine(LockRoot, NameOf(reference)),
                () => options.Progress?.Report(new KernelProgress($"waiting for another process that is building {reference}")),
                cancellationToken);
            return await BuildLockedAsync(reference, options, cancellationToken) with { Duration = Stopwatch.GetElapsedTime(begun) };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KernelException($"{reference} cannot be built in the kernel store {Root}: {OneLine.Of(e).TrimEnd('.')}; see to its free space and permissions, or set UML_CACHE to another directory.", e) { Problem = KernelProblem.Unavailable };
        }
    }

    /// <summary>Configures a kernel as <see cref="BuildAsync"/> would, compiles nothing, and gives the whole configuration.</summary>
    /// <exception cref="KernelException">It cannot be configured so; the message says why and what to do.</exception>
    public async Task<string> ConfigureAsync(KernelReference reference, KernelBuildOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reference);
        options ??= new KernelBuildOptions();
        if (!reference.IsBuilt)
            throw new KernelException($"{reference} is not built: name debian-source:VERSION, or a kernel tree or its tarball with source:PATH.") { Problem = KernelProblem.InvalidReference };
        reference = reference.From(Directory.GetCurrentDirectory());
        string buildRoot = BuildRoot.Choose(Root, _host.Variable, reference.ToString());
        using TemporaryDirectory work = await TemporaryDirectory.CreateAsync(Path.Combine(buildRoot, "tmp"), cancellationToken);
        using SourceCache sources = new(buildRoot, _host, reference.ToString(), options.Progress);
        KernelBuild build = new(reference, options, _host, sources, buildRoot, LogRoot, work.Path);
        return await build.ConfigureAsync(await build.PlanAsync(cancellationToken), cancellationToken);
    }

    /// <summary>Works with a kernel's source, which stays where it is until that is done. It must not be written to.</summary>
    /// <param name="reference">The source: <c>debian-source:</c> or <c>source:</c>, whose profiles do not matter.</param>
    /// <param name="progress">Told what is going on.</param>
    /// <param name="work">Gets the directory, and a text that tells this source from others.</param>
    /// <param name="cancellationToken">Ends getting the source.</param>
    /// <exception cref="KernelException">The source cannot be had.</exception>
    internal async Task<T> WithSourceAsync<T>(KernelReference reference, IProgress<KernelProgress>? progress, Func<string, string, Task<T>> work, CancellationToken cancellationToken)
    {
        reference = reference.From(Directory.GetCurrentDirectory());
        string source = reference.BuildSource ?? throw new KernelException($"{reference} is no source of a kernel: name debian-source:VERSION, or a kernel tree or its tarball.") { Problem = KernelProblem.InvalidReference };
        if (Directory.Exists(source))
        {
            string directory = Native.RealPath(source);
            return KernelSourceVersion.Read(directory) is not null ? await work(directory, directory) : throw new KernelException($"{source} is no kernel tree: name the top directory of one.") { Problem = KernelProblem.NotFound };
        }

        string buildRoot = BuildRoot.Choose(Root, _host.Variable, reference.ToString());
        using TemporaryDirectory temporary = await TemporaryDirectory.CreateAsync(Path.Combine(buildRoot, "tmp"), cancellationToken);
        using SourceCache sources = new(buildRoot, _host, reference.ToString(), progress);
        KernelTree tree = reference.Source == KernelSource.DebianSource
            ? await sources.OpenDebianAsync(source, temporary.Path, refresh: false, cancellationToken)
            : await sources.OpenTarballAsync(source, temporary.Path, cancellationToken);
        return await work(tree.Directory, tree.Hash);
    }

    /// <summary>The directory that holds what is built of a source beside kernels, kept between builds.</summary>
    internal string BesideKernels(KernelReference reference) => BuildRoot.Choose(Root, _host.Variable, reference.ToString());

    /// <summary>Keeps others out of a directory of what is built, until the result is disposed of.</summary>
    internal static async Task<IDisposable> LockAsync(string path, Action waiting, CancellationToken cancellationToken) => await FileLock.TakeAsync(path, waiting, cancellationToken);

    /// <summary>The tarball a kernel was built from, where it is still in the store; null otherwise, and for trees.</summary>
    public string? FindSource(KernelRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        string directory = Path.Combine(BuildRoot.Choose(Root, _host.Variable, record.Source.Reference), "sources");
        return record.Source.Sha256 is { } sha256 && Directory.Exists(directory) ? Directory.EnumerateFiles(directory, sha256 + ".tar*").FirstOrDefault() : null;
    }

    /// <summary>Whether a source on this machine was changed since what the store has was built from it.</summary>
    private bool HasChangedSince(KernelReference reference)
    {
        string known = ReferencePath(Root, reference);
        if (reference.Source != KernelSource.SourceTree || !File.Exists(known))
            return false;
        DateTime built = File.GetLastWriteTimeUtc(known);
        string source = reference.BuildSource!;
        return Directory.Exists(source) ? FileTree.HasNewer(source, built) : File.Exists(source) && File.GetLastWriteTimeUtc(source) > built;
    }

    private async Task<GuestKernel> BuildChangedAsync(KernelReference reference, GuestKernel old, KernelResolveOptions options, CancellationToken cancellationToken)
    {
        if (!options.Offline)
            return (await BuildAsync(reference, new KernelBuildOptions { Progress = options.Progress }, cancellationToken)).Kernel;
        options.Progress?.Report(new KernelProgress($"{reference} was changed since its kernel was built, and that kernel is used: build it again (uml kernel build)", IsWarning: true));
        return old;
    }

    /// <summary>Says what is wrong with a request before it waits for other builds.</summary>
    private async Task CheckBuildAsync(KernelReference reference, KernelBuildOptions options, CancellationToken cancellationToken)
    {
        string buildRoot = BuildRoot.Choose(Root, _host.Variable, reference.ToString());
        using SourceCache sources = new(buildRoot, _host, reference.ToString(), options.Progress);
        await new KernelBuild(reference, options, _host, sources, buildRoot, LogRoot, temporary: "").CheckAsync(cancellationToken);
    }

    /// <summary>The same, by who holds the reference's lock.</summary>
    private async Task<BuiltKernel> BuildLockedAsync(KernelReference reference, KernelBuildOptions options, CancellationToken cancellationToken)
    {
        DateTime begun = DateTime.UtcNow;
        string buildRoot = BuildRoot.Choose(Root, _host.Variable, reference.ToString());
        using TemporaryDirectory work = await TemporaryDirectory.CreateAsync(Path.Combine(buildRoot, "tmp"), cancellationToken);
        using TemporaryDirectory result = await TemporaryDirectory.CreateAsync(TemporaryRoot, cancellationToken);
        using SourceCache sources = new(buildRoot, _host, reference.ToString(), options.Progress);
        KernelBuild build = new(reference, options, _host, sources, buildRoot, LogRoot, work.Path);
        BuildPlan plan = await build.PlanAsync(cancellationToken);

        if (FloatingPointState.ProblemOf(plan.Tree.Version.Version) is { } problem)
            options.Progress?.Report(new KernelProgress($"{reference}: {problem}", IsWarning: true));

        // Another reference may stand for the same kernel.
        using FileLock inputs = await FileLock.TakeAsync(
            Path.Combine(LockRoot, "build-" + plan.Inputs),
            () => options.Progress?.Report(new KernelProgress($"waiting for another process that is building {reference}")),
            cancellationToken);
        string known = Path.Combine(Root, "builds", plan.Inputs + ".json");
        if (!options.Force && !options.Twice && ReadJson(known, KernelJson.Default.BuildDocument) is { } earlier
            && FindBuilt(reference, options, earlier.Sha256, begun) is { } present)
            return present with { Record = plan.Record(present.Kernel.Release) };

        string built = Path.Combine(result.Path, "kernel");
        Directory.CreateDirectory(built);
        KernelImage image = await build.BuildAsync(plan, built, cancellationToken);
        if (plan.Tree.IsWorkingTree && (await sources.OpenTreeAsync(reference.BuildSource!, cancellationToken)).Hash != plan.Tree.Hash)
            throw new KernelException($"{reference} was changed while it was being built, so that nobody can say what the kernel is made of: build it again; what was compiled is kept.");
        KernelDocument document = Document(image, Path.Combine(built, "linux")) with
        {
            Origin = $"built here from {plan.Tree.Record.Name}",
            Profiles = [.. reference.Profiles],
            PackageVersion = plan.Tree.PackageVersion,
            Modules = Directory.Exists(Path.Combine(built, "modules", image.Release)),
        };
        options.Progress?.Report(new KernelProgress($"storing {document.Release}"));
        cancellationToken.ThrowIfCancellationRequested();
        GuestKernel kernel = await InstallAsync(options.IsPlain ? reference : null, document, built, result.Path, cancellationToken);
        Directory.CreateDirectory(Path.GetDirectoryName(known)!);
        AtomicFile.Write(known, JsonSerializer.Serialize(new BuildDocument { Sha256 = document.Sha256, Compiled = build.Compiled }, KernelJson.Default.BuildDocument));
        BuiltKernel found = FindBuilt(reference, options, document.Sha256, begun)
            ?? throw new KernelException($"{reference} was built, and removed by another process at once: build it again.");
        return found with
        {
            Kernel = kernel,
            Record = plan.Record(image.Release),
            WasPresent = false,
            Compiled = build.Compiled,
            UsedCcache = build.UsedCcache,
            BuiltTwice = options.Twice,
        };
    }

    /// <summary>A kernel of the store under the reference, which stands for it from now on, as of the time when its source was read.</summary>
    private BuiltKernel? FindBuilt(KernelReference reference, KernelBuildOptions options, string sha256, DateTime begun)
    {
        string directory = Path.Combine(Root, "kernels", sha256);
        if (ReadKernel(directory) is not { } document || ProblemsOf(directory).Count > 0 || ReadJson(Path.Combine(directory, KernelRecord.FileName), KernelJson.Default.KernelRecord) is not { } record)
            return null;
        KernelReference name = options.IsPlain ? reference : KernelReference.File(Path.Combine(directory, "linux"));
        if (Runnable(name, directory, document) is not { } kernel)
            return null;
        NoteUse(directory);
        if (options.IsPlain)
        {
            WriteReference(reference, document);
            File.SetLastWriteTimeUtc(ReferencePath(Root, reference), begun);
        }

        return new BuiltKernel { Kernel = kernel, Reference = name, Record = record, Directory = directory, WasPresent = true, Duration = TimeSpan.Zero };
    }
}
