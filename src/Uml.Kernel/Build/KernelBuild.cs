using System.Collections.Immutable;
using System.Globalization;

namespace Uml.CI;

/// <summary>One build from a reference: gets the source, plans, and builds, once or twice.</summary>
/// <param name="reference">What to build.</param>
/// <param name="options">How.</param>
/// <param name="host">The machine.</param>
/// <param name="sources">Where sources come from.</param>
/// <param name="buildRoot">Where directories that are kept between builds are.</param>
/// <param name="logRoot">Where make's words go.</param>
/// <param name="temporary">A directory for what is needed on the way.</param>
internal sealed class KernelBuild(
    KernelReference reference, KernelBuildOptions options, HostTools host, SourceCache sources, string buildRoot, string logRoot, string temporary)
{
    private const long ObjectsSize = 500_000_000, DebugObjectsSize = 2_500_000_000;
    private const string NoDebugFragment = """
        # no-debug-info: no information for debuggers, which takes some of the time and most of the space of a build.
        CONFIG_DEBUG_INFO_NONE=y
        CONFIG_DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT=n
        """;

    // The end of the year 9999: what is behind it is no date.
    private const long LatestEpoch = 253_402_300_799;

    private string Name => reference.ToString();

    private ImmutableArray<string> Profiles => options.FromDefaults ? [] : [.. reference.Profiles.Where(p => p != KernelProfile.Base)];

    // make works in another directory.
    private string Compiler => options.Compiler.Contains('/', StringComparison.Ordinal) ? Path.GetFullPath(options.Compiler) : options.Compiler;

    /// <summary>How many files were compiled.</summary>
    public int Compiled { get; private set; }

    /// <summary>The compiler was called through ccache.</summary>
    public bool UsedCcache { get; private set; }

    /// <summary>Finds what is wrong with the request or with the machine and can be known before anything is downloaded or waited for.</summary>
    /// <exception cref="KernelException">Something is.</exception>
    public async Task CheckAsync(CancellationToken cancellationToken)
    {
        string source = reference.BuildSource!;
        ImmutableArray<string> profiles = Profiles;
        ImmutableArray<ConfigurationFragment> own = [.. options.Fragments.Select(ReadFragment)];
        ConfigurationLine[] settings = [.. options.Settings.Select(ConfigurationFragment.ParseSetting)];
        bool debian = reference.Source == KernelSource.DebianSource;
        KernelSourceVersion? version = debian ? Guess(source) : Directory.Exists(source) ? KernelSourceVersion.Read(source) : null;
        if (!debian && !Path.Exists(source))
            throw new KernelException($"{Name} cannot be built: {source} does not exist; name a kernel tree or its tarball.") { Problem = KernelProblem.NotFound };
        if (!debian && File.Exists(source) && BuildTool.Unpacker(source) is null)
            throw new KernelException($"{Name} cannot be built: {source} is neither a directory nor a tarball (.tar, .tar.gz, .tar.xz, .tar.zst, .tar.bz2); name a kernel tree or its tarball.") { Problem = KernelProblem.InvalidReference };
        ImmutableArray<ConfigurationFragment> fragments = Fragments(profiles, own, settings, version?.Version ?? new Version(999, 0), checkVersion: version is not null);
        MergedConfiguration wanted = MergedConfiguration.Merge(fragments, settings, version?.Version ?? new Version(999, 0));
        bool patches = KernelProfile.Patches.Any(p => p.Profiles.IsEmpty || p.Profiles.Any(profiles.Contains));
        await BuildTool.CheckAsync(BuildTool.For(wanted, Compiler, debian ? "source.tar.xz" : source, patches), host, Name, cancellationToken);
        BuildRoot.RequireSpace(buildRoot, options.NoDebugInformation ? ObjectsSize : DebugObjectsSize, Name);
    }

    /// <summary>Gets the source and decides on everything else.</summary>
    public async Task<BuildPlan> PlanAsync(CancellationToken cancellationToken)
    {
        await CheckAsync(cancellationToken);
        string source = reference.BuildSource!;
        ImmutableArray<string> profiles = Profiles;
        ConfigurationLine[] settings = [.. options.Settings.Select(ConfigurationFragment.ParseSetting)];
        CompilerIdentity identity = await CompilerIdentity.ReadAsync(Compiler, host, Name, cancellationToken);
        KernelTree tree = reference.Source == KernelSource.DebianSource ? await sources.OpenDebianAsync(source, temporary, options.Refresh, cancellationToken)
            : Directory.Exists(source) ? await sources.OpenTreeAsync(source, cancellationToken)
            : await sources.OpenTarballAsync(source, temporary, cancellationToken);
        ImmutableArray<ConfigurationFragment> own = [.. options.SourceFragments.Select((f, i) => ReadSourceFragment(tree, f, i)), .. options.Fragments.Select(ReadFragment)];
        ImmutableArray<ConfigurationFragment> fragments = Fragments(profiles, own, settings, tree.Version.Version, checkVersion: true);
        MergedConfiguration configuration = MergedConfiguration.Merge(fragments, settings, tree.Version.Version);
        return new BuildPlan
        {
            Reference = Name,
            Tree = tree,
            Profiles = profiles,
            Fragments = fragments,
            Configuration = configuration,
            FilesHash = await Task.Run(() => HashFiles(configuration, cancellationToken), cancellationToken),
            FromDefaults = options.FromDefaults,
            Patches = [.. KernelProfile.Patches.Where(p => p.IsFor(tree.Version.Version, profiles))],
            Compiler = Compiler,
            Identity = identity,
            Epoch = long.TryParse(host.Variable("SOURCE_DATE_EPOCH"), NumberStyles.None, CultureInfo.InvariantCulture, out long epoch) && epoch <= LatestEpoch ? epoch : tree.Date,
            Jobs = options.Jobs ?? Environment.ProcessorCount,
        };
    }

    /// <summary>Builds by a plan, into an empty directory.</summary>
    public async Task<KernelImage> BuildAsync(BuildPlan plan, string built, CancellationToken cancellationToken)
    {
        string logFile = Path.Combine(logRoot, $"build-{plan.Tree.Version}-{(plan.Profiles.IsEmpty ? "defaults" : string.Join('-', plan.Profiles))}-{plan.Inputs[..12]}.log");
        bool incremental = plan.Tree.IsWorkingTree && !options.Twice && !options.Force;
        if (!incremental)
            return await BuildFreshAsync(plan, built, logFile, cancellationToken);

        // A tree under development: what the last build made is still good for most of the next.
        string key = BuildInputs.HashOf([plan.Tree.Directory, .. plan.Profiles, .. options.Fragments, .. options.Settings, plan.Compiler, options.NoDebugInformation.ToString(),
            .. options.FromDefaults ? (string[])["defaults"] : [], .. options.SourceFragments])[..32];
        string kept = Path.Combine(buildRoot, "objects", key);
        Directory.CreateDirectory(Path.Combine(buildRoot, "locks"));
        using FileLock mine = await FileLock.TakeAsync(
            Path.Combine(buildRoot, "locks", "objects-" + key), () => options.Progress?.Report(new KernelProgress("waiting for another process that is building this tree")), cancellationToken);
        Directory.CreateDirectory(kept);
        Directory.SetLastWriteTimeUtc(kept, DateTime.UtcNow);
        KernelTree tree = await sources.PrepareAsync(plan.Tree, plan.Patches, Path.Combine(kept, "tree"), temporary, cancellationToken);
        return await MakeAsync(plan with { Tree = tree }, plan, Path.Combine(kept, "objects"), built, logFile, useCcache: true, cancellationToken);
    }

    /// <summary>Configures by a plan, compiles nothing, and gives the whole configuration.</summary>
    public async Task<string> ConfigureAsync(BuildPlan plan, CancellationToken cancellationToken)
    {
        KernelTree tree = await sources.PrepareAsync(plan.Tree, plan.Patches, Path.Combine(temporary, "tree"), temporary, cancellationToken);
        string objects = Path.Combine(temporary, "objects");
        Directory.CreateDirectory(objects);
        Directory.CreateDirectory(logRoot);
        return await new KernelMake(plan with { Tree = tree }, host, options.Progress).ConfigureAsync(objects, Path.Combine(logRoot, $"configure-{plan.Tree.Version}-{plan.Inputs[..12]}.log"), cancellationToken);
    }

    private async Task<KernelImage> BuildFreshAsync(BuildPlan plan, string built, string logFile, CancellationToken cancellationToken)
    {
        KernelTree tree = await sources.PrepareAsync(plan.Tree, plan.Patches, Path.Combine(temporary, "tree"), temporary, cancellationToken);
        string objects = Path.Combine(temporary, "objects");
        KernelImage image = await MakeAsync(plan with { Tree = tree }, plan, objects, built, logFile, useCcache: !options.Twice, cancellationToken);
        UnixFiles.DeleteTree(objects);
        if (!options.Twice)
            return image;

        string other = Path.Combine(temporary, "twice");
        Directory.CreateDirectory(other);
        await MakeAsync(plan with { Tree = tree, Jobs = Math.Max(1, plan.Jobs - 1) }, plan, Path.Combine(temporary, "elsewhere", "objects"), other, logFile, useCcache: false, cancellationToken);
        string[] differing = [.. DirectoryComparison.Differences(built, other)];
        if (differing.Length > 0)
            throw new KernelException($"{Name} is not reproducible: built twice, {string.Join(", ", differing.Take(5))} {(differing.Length == 1 ? "differs" : "differ")}; the first build's log is {logFile}.");
        return image;
    }

    private async Task<KernelImage> MakeAsync(BuildPlan prepared, BuildPlan plan, string objects, string built, string logFile, bool useCcache, CancellationToken cancellationToken)
    {
        string counts = Path.Combine(buildRoot, "counts");
        string? count = null;
        KernelMake make = new(prepared, host, options.Progress);
        KernelImage image = await make.BuildAsync(objects, built, logFile, Expected, useCcache, cancellationToken);
        Compiled = make.Compiled;
        UsedCcache = make.UsesCcache;
        if (count is not null)
        {
            Directory.CreateDirectory(counts);
            AtomicFile.Write(count, make.Compiled.ToString(CultureInfo.InvariantCulture));
        }

        return image;

        // The same configuration compiles the same files.
        int? Expected(string configuration)
        {
            count = Path.Combine(counts, BuildInputs.HashOf(plan.Tree.Version.ToString(), configuration));
            return File.Exists(count) && int.TryParse(File.ReadAllText(count), NumberStyles.None, CultureInfo.InvariantCulture, out int known) ? known : null;
        }
    }

    private ImmutableArray<ConfigurationFragment> Fragments(
        ImmutableArray<string> profiles, ImmutableArray<ConfigurationFragment> own, ConfigurationLine[] settings, Version version, bool checkVersion)
    {
        ImmutableArray<ConfigurationFragment> fragments = options.FromDefaults ? [] : MergedConfiguration.FragmentsOf(profiles, checkVersion ? version : null);
        if (options.NoDebugInformation)
            fragments = fragments.Add(ConfigurationFragment.Parse("no-debug-info.config", NoDebugFragment));
        fragments = [.. fragments, .. own];
        return settings.Length == 0
            ? fragments
            : fragments.Add(ConfigurationFragment.Parse("set.config", string.Concat(settings.Select(s => s.Text + "\n"))));
    }

    // What stands in these is part of the kernel. A path that is not absolute is one in the source, or what the build makes.
    private static string? HashFiles(MergedConfiguration configuration, CancellationToken cancellationToken)
    {
        string[] paths =
        [
            .. ((string[])["INITRAMFS_SOURCE", "SYSTEM_TRUSTED_KEYS", "SYSTEM_REVOCATION_KEYS", "SYSTEM_BLACKLIST_HASH_LIST", "MODULE_SIG_KEY", "EXTRA_FIRMWARE_DIR", "BOOT_CONFIG_EMBED_FILE"])
                .SelectMany(o => (configuration[o] ?? "").Trim('"').Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(p => Path.IsPathRooted(p) && Path.Exists(p)),
        ];
        return paths.Length == 0 ? null : FileTree.Hash("/", paths.Select(p => p[1..]), cancellationToken);
    }

    private static ConfigurationFragment ReadSourceFragment(KernelTree tree, string path, int index)
    {
        string file = Path.Combine(tree.Directory, path);
        if (Directory.Exists(file))
            file = Path.Combine(file, ".kunitconfig");
        if (!File.Exists(file))
            throw new KernelException($"The source of Linux {tree.Version} has no configuration fragment {path}: name another, or a path of this machine.") { Problem = KernelProblem.NotFound };
        return ReadFragment(file, "source", index);
    }

    private static ConfigurationFragment ReadFragment(string path, int index) => ReadFragment(path, "own", index);

    private static ConfigurationFragment ReadFragment(string path, string kind, int index)
    {
        try
        {
            // ".kunitconfig" begins with a dot, which would hide the file in the kernel's record.
            string name = Path.GetFileName(path).TrimStart('.');

            // Beside the profiles' own, and two of the same name from two directories.
            return ConfigurationFragment.Parse($"{kind}{(index + 1).ToString(CultureInfo.InvariantCulture)}-{(name.EndsWith(".config", StringComparison.Ordinal) ? name : name + ".config")}", File.ReadAllText(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KernelException($"The configuration fragment {path} cannot be read: {OneLine.Of(e)}", e) { Problem = KernelProblem.NotFound };
        }
    }

    private static KernelSourceVersion? Guess(string debianVersion) =>
        Version.TryParse(debianVersion.Split('@')[0], out Version? version) ? new KernelSourceVersion(version.Major, version.Minor, 0, "") : null;
}
