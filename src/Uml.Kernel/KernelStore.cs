using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Uml.CI;

/// <summary>
/// Where kernels are kept: <c>kernels/SHA256/{linux, lib/, modules/RELEASE/, kernel.json}</c> and, for each reference, a
/// file below <c>refs/</c>. Everything is built aside and moved into place in one step, so several processes may use a
/// store at once and none of them, killed at any moment, leaves half a kernel behind.
/// </summary>
public sealed partial class KernelStore
{
    private const int FormatVersion = 2;

    private readonly HostTools _host;
    private readonly string? _readOnlyRoot;

    /// <summary>
    /// Opens a store. By default it is at <c>$UML_CACHE</c>, else <c>$XDG_CACHE_HOME/uml</c>, else <c>~/.cache/uml</c>, and
    /// where that cannot be used, below the temporary directory.
    /// </summary>
    /// <exception cref="KernelException">There is no directory to keep kernels in.</exception>
    public KernelStore(string? directory = null)
        : this(directory, HostTools.Default)
    {
    }

    internal KernelStore(string? directory, HostTools host)
    {
        _host = host;
        if (directory is null)
        {
            StoreRoot.Choice choice = StoreRoot.Choose(
                host.Variable, host.Variable("HOME") ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile));
            Root = choice.Writable;
            _readOnlyRoot = choice.ReadOnly;
            Notice = choice.Notice;
        }
        else
        {
            Root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory));
            if (StoreRoot.ProblemWith(Root) is { } problem)
                throw new KernelException($"The kernel store {Root} {problem}; name another directory.");
        }

        TemporaryDirectory.SweepIfFree(TemporaryRoot);
    }

    /// <summary>The store's directory; it exists and can be written. Others may keep their caches below it.</summary>
    public string Root { get; }

    /// <summary>Why the store is not at its default place, in one line; null when it is.</summary>
    public string? Notice { get; }

    private string TemporaryRoot => Path.Combine(Root, "tmp");

    private string LockRoot => Path.Combine(Root, "locks");

    private IEnumerable<string> Roots => _readOnlyRoot is null ? [Root] : [Root, _readOnlyRoot];

    /// <summary>
    /// Turns a reference into a kernel that can be started, fetching it when the store does not have it. What the store
    /// has takes no network and a few file reads.
    /// </summary>
    /// <exception cref="KernelException">It cannot be; the message says why and what to do.</exception>
    public async Task<GuestKernel> ResolveAsync(
        KernelReference reference, KernelResolveOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reference);
        options ??= new KernelResolveOptions();
        cancellationToken.ThrowIfCancellationRequested();
        reference = reference.Source == KernelSource.SourceTree ? reference.From(Directory.GetCurrentDirectory()) : reference;
        if (!_host.IsX64)
            throw new KernelException($"{reference} cannot be used: User-mode Linux runs on x86-64 only, and this machine is none.") { Problem = KernelProblem.Unavailable };
        try
        {
            KernelLock pins = options.LockFile is null ? KernelLock.Empty : KernelLock.Load(options.LockFile);
            KernelLockEntry? pin = options.Refresh ? null : pins.Find(reference);
            // NuGet's own folder of packages needs no network.
            bool mayFetch = !options.Offline || reference.Source == KernelSource.NuGet;
            GuestKernel kernel;
            if (reference.Source == KernelSource.File)
            {
                kernel = ResolveFile(reference);
            }
            else
            {
                kernel = (options.Refresh ? null : Find(reference, pin))
                    ?? (mayFetch
                        ? await FetchAsync(reference, options, pin, cancellationToken)
                        : throw new KernelException(
                            pin is null
                                ? $"{reference} is not in the kernel store {Root} and the network may not be used: pull it first (uml kernel pull {reference})."
                                : $"{reference} is pinned to {pin.Release} ({pin.Sha256[..12]}), which is not in the kernel store {Root}, and the network may not be used: pull it first (uml kernel pull {reference}).")
                        { Problem = KernelProblem.Unavailable });
                if (HasChangedSince(reference))
                    kernel = await BuildChangedAsync(reference, kernel, options, cancellationToken);
            }

            if (options.LockFile is not null)
                await PinAsync(kernel, options.LockFile, options.Refresh, cancellationToken);
            return kernel;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KernelException($"{reference} cannot be provided from the kernel store {Root}: {OneLine.Of(e).TrimEnd('.')}; see to its free space and permissions, or set UML_CACHE to another directory.", e) { Problem = KernelProblem.Unavailable };
        }
    }

    /// <summary>The kernel a reference stands for if the store has it and it runs here; no network, no waiting.</summary>
    public GuestKernel? Find(KernelReference reference)
    {
        ArgumentNullException.ThrowIfNull(reference);
        return reference.Source switch
        {
            KernelSource.File => ResolveFile(reference),
            KernelSource.SourceTree => Find(reference.From(Directory.GetCurrentDirectory()), null),
            _ => Find(reference, null),
        };
    }

    private GuestKernel? Find(KernelReference reference, KernelLockEntry? pin)
    {
        foreach (string root in Roots)
        {
            ReferenceDocument? known = ReadJson(ReferencePath(root, reference), KernelJson.Default.ReferenceDocument);
            string? wanted = pin?.Sha256 ?? known?.Sha256;
            if (wanted is not { Length: 64 } || !wanted.All(char.IsAsciiHexDigitLower))
                continue;
            string directory = Path.Combine(root, "kernels", wanted);
            if (ReadKernel(directory) is not { } kernel || Runnable(reference, directory, kernel) is not { } found)
                continue;

            // Modules do not follow from the executable's hash.
            if (kernel.Modules && kernel.PackageId is not null && pin?.ContentHash is { } content && content != kernel.ContentHash)
                continue;

            NoteUse(directory);

            // The same kernel may have come here by another way.
            ReferenceDocument? own = known?.Sha256 == wanted ? known : null;
            return found with
            {
                PackageVersion = pin?.PackageVersion ?? own?.PackageVersion ?? found.PackageVersion,
                ContentHash = pin?.ContentHash ?? own?.ContentHash ?? found.ContentHash,
            };
        }

        return null;
    }

    /// <summary>Remembers, to the hour, that a kernel was asked for: what is not used goes first when the store is pruned.</summary>
    private static void NoteUse(string directory)
    {
        string path = Path.Combine(directory, "kernel.json");
        try
        {
            if (DateTime.UtcNow - File.GetLastWriteTimeUtc(path) > TimeSpan.FromHours(1))
                File.SetLastWriteTimeUtc(path, DateTime.UtcNow);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A store of somebody else's, which is pruned by them.
        }
    }

    /// <summary>The kernel in a directory of the store, or null when it does not run on this host.</summary>
    private static GuestKernel? Runnable(KernelReference reference, string directory, KernelDocument kernel)
    {
        string original = Path.Combine(directory, "linux");
        string? library = null;
        string executable = original;
        if (kernel.LibraryVersion is not null)
        {
            library = Path.Combine(directory, "lib");
            executable = PatchedPath(directory);
            if (!File.Exists(executable) && !TryPatch(directory, kernel))
                return null;
        }
        else if (HostLibraries.WhyNot(kernel.Interpreter, Parse(kernel.Glibc), kernel.Needed) is not null)
        {
            return null;
        }

        return Describe(reference, kernel, executable, kernel.Modules ? Path.Combine(directory, "modules", kernel.Release) : null, library);
    }

    private static GuestKernel Describe(KernelReference reference, KernelDocument kernel, string executable, string? modules, string? library) => new()
    {
        Reference = reference.ToString(),
        Release = kernel.Release,
        Banner = kernel.Banner,
        ExecutablePath = executable,
        Sha256 = kernel.Sha256,
        PackageVersion = kernel.PackageVersion,
        ContentHash = kernel.ContentHash,
        ModulesDirectory = modules,
        LibraryDirectory = library,
        ReadPaths = library is null ? HostLibraries.ReadPaths(executable, kernel.Interpreter, kernel.Needed) : [executable, library],
        Version = KernelImage.VersionOf(kernel.Release),
        IsSmp = kernel.Smp,
        IsStatic = kernel.Interpreter is null,
    };

    private GuestKernel ResolveFile(KernelReference reference)
    {
        string path = Path.GetFullPath(reference.Value);
        if (Directory.Exists(path))
            throw new KernelException($"{reference}: {path} is a directory; name the kernel executable in it.");
        if (Native.Identify(path, followLink: true) is not { } identity)
            throw new KernelException($"{reference}: {path} does not exist; name an existing kernel executable, or debian:sid.") { Problem = KernelProblem.NotFound };
        if (!Native.IsReadable(path))
            throw new KernelException($"{reference}: {path} cannot be read by this user; make it readable (chmod +r).");

        KernelDocument kernel = ReadFile(reference, path, identity);
        if (!Native.IsExecutable(path))
        {
            throw new KernelException(Native.IsMountedNoExec(Path.GetDirectoryName(path)!)
                ? $"{reference}: {path} is on a file system mounted noexec, from which nothing can be started; copy it elsewhere."
                : $"{reference}: {path} cannot be executed by this user; make it executable (chmod +x).");
        }

        if (HostLibraries.WhyNot(kernel.Interpreter, Parse(kernel.Glibc), kernel.Needed) is { } reason)
        {
            throw new KernelException(
                $"{reference}: {path} cannot run on this host: {reason}; use debian:SUITE, which brings its own C library, or build the kernel statically (CONFIG_STATIC_LINK=y).");
        }

        string directory = Path.GetDirectoryName(path)!;
        string? modules = new[]
        {
            Path.Combine(directory, "..", "lib", "uml", "modules", kernel.Release),
            Path.Combine(directory, "modules", kernel.Release),
            Path.Combine("/usr/lib/uml/modules", kernel.Release),
        }.Select(Path.GetFullPath).FirstOrDefault(Directory.Exists);
        // A kernel with options of somebody's own is run by its path in the store.
        if (Roots.Any(r => Path.GetDirectoryName(directory) == Path.Combine(r, "kernels")))
            NoteUse(directory);
        return Describe(reference, kernel, path, modules, null);
    }

    /// <summary>What a file is, from the last time it was read if it has not changed since.</summary>
    private KernelDocument ReadFile(KernelReference reference, string path, Native.FileIdentity identity)
    {
        string cache = Path.Combine(Root, "files", Hex(SHA256.HashData(Encoding.UTF8.GetBytes(path))) + ".json");
        string text = identity.ToString();
        if (ReadJson(cache, KernelJson.Default.FileDocument) is { } known && known.Path == path && known.Identity == text && known.Kernel.Format == FormatVersion)
            return known.Kernel;
        KernelDocument kernel;
        try
        {
            kernel = Document(KernelImage.Read(path), path);
        }
        catch (ElfException e)
        {
            throw new KernelException($"{reference}: {path} {e.Message}; name a kernel built with ARCH=um for x86-64, or debian:sid.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KernelException($"{reference}: {path} cannot be read: {OneLine.Of(e)}", e);
        }

        // A file that was being written while it was read is read again the next time.
        if (Native.Identify(path, followLink: true)?.ToString() == text)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(cache)!);
            AtomicFile.Write(cache, JsonSerializer.Serialize(new FileDocument { Path = path, Identity = text, Kernel = kernel }, KernelJson.Default.FileDocument));
        }

        return kernel;
    }

    private async Task<GuestKernel> FetchAsync(
        KernelReference reference, KernelResolveOptions options, KernelLockEntry? pin, CancellationToken cancellationToken)
    {
        if (Notice is not null)
            options.Progress?.Report(new KernelProgress(Notice, IsWarning: true));
        Directory.CreateDirectory(LockRoot);
        bool waited = false;
        using FileLock mine = await FileLock.TakeAsync(
            Path.Combine(LockRoot, NameOf(reference)),
            () =>
            {
                waited = true;
                options.Progress?.Report(new KernelProgress($"waiting for another process that is fetching {reference}"));
            },
            cancellationToken);

        // Whoever was waited for has just fetched it, a refresh included.
        if ((waited || !options.Refresh) && Find(reference, pin) is { } found)
            return found;

        if (reference.IsBuilt)
            return (await BuildLockedAsync(reference, new KernelBuildOptions { Refresh = options.Refresh, Progress = options.Progress }, cancellationToken)).Kernel;
        using TemporaryDirectory temporary = await TemporaryDirectory.CreateAsync(TemporaryRoot, cancellationToken);
        string built = Path.Combine(temporary.Path, "kernel");
        Directory.CreateDirectory(built);
        KernelRequest request = new(
            reference, pin, Root, temporary.Path, built, options.Progress,
            Path.GetFullPath(options.SettingsDirectory ?? Directory.GetCurrentDirectory()), options.Offline, options.Refresh);
        KernelDocument document = await ProviderOf(reference).ProvideAsync(request, cancellationToken);
        cancellationToken.ThrowIfCancellationRequested();
        if (!File.Exists(Path.Combine(built, "linux")))
            return await ReferAsync(reference, document, cancellationToken);
        options.Progress?.Report(new KernelProgress($"storing {document.Release}"));
        return await InstallAsync(reference, document, built, temporary.Path, cancellationToken);
    }

    private IKernelProvider ProviderOf(KernelReference reference) => reference.Source switch
    {
        KernelSource.Debian => new DebianKernels(_host),
        _ => new PackagedKernels(),
    };

    /// <summary>Describes what was built and moves it to its place; from here on it is found.</summary>
    /// <param name="reference">What it is to be found by; null when only its executable's path stands for it.</param>
    /// <param name="document">What it is.</param>
    /// <param name="built">The directory with it.</param>
    /// <param name="temporary">A directory on the same file system.</param>
    /// <param name="cancellationToken">Ends the wait for the store's lock.</param>
    private async Task<GuestKernel> InstallAsync(
        KernelReference? reference, KernelDocument document, string built, string temporary, CancellationToken cancellationToken)
    {
        Dictionary<string, string> files = [];
        foreach (string file in Directory.EnumerateFiles(built, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
            files[Path.GetRelativePath(built, file)] = HashOf(file);
        AtomicFile.Write(Path.Combine(built, "manifest.json"), JsonSerializer.Serialize(new ManifestDocument { Files = files }, KernelJson.Default.ManifestDocument));
        AtomicFile.Write(Path.Combine(built, "kernel.json"), JsonSerializer.Serialize(document, KernelJson.Default.KernelDocument));

        string target = Path.Combine(Root, "kernels", document.Sha256);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        if (document.LibraryVersion is not null)
            ElfImage.CopyWithInterpreter(Path.Combine(built, "linux"), Path.Combine(built, Path.GetFileName(PatchedPath(target))), LoaderPath(target, document));

        using FileLock store = await FileLock.TakeAsync(Path.Combine(LockRoot, "store"), null, cancellationToken);
        KernelDocument? present = ReadKernel(target);
        KernelReference name = reference ?? KernelReference.File(Path.Combine(target, "linux"));
        bool keep = present is not null && Runnable(name, target, present) is not null && ProblemsOf(target).Count == 0 && IsAsGood(target, present, document, files);
        if (!keep)
        {
            if (Directory.Exists(target))
                Directory.Move(target, Path.Combine(temporary, "replaced"));
            Directory.Move(built, target);
        }

        if (reference is not null)
            WriteReference(reference, document);
        return (reference is null ? Runnable(name, target, document) : Find(reference, pin: null))
            ?? throw new KernelException($"{name} was fetched, but cannot be found in {Root} again: verify the store's file system and pull it again.");
    }

    /// <summary>
    /// Whether what the store has under the same executable may stand for what has just come: the modules must be the same, and a
    /// package is its content, not only its executable.
    /// </summary>
    private static bool IsAsGood(string directory, KernelDocument present, KernelDocument document, Dictionary<string, string> files)
    {
        if (document.ContentHash is not null && present.ContentHash != document.ContentHash && (document.Modules || present.Modules))
            return false;
        Dictionary<string, string> there = ReadJson(Path.Combine(directory, "manifest.json"), KernelJson.Default.ManifestDocument)?.Files ?? [];
        return Modules(there).SetEquals(Modules(files)) && (!files.ContainsKey(KernelRecord.FileName) || there.ContainsKey(KernelRecord.FileName));

        static HashSet<(string Name, string Sha256)> Modules(Dictionary<string, string> all) =>
            [.. all.Where(f => f.Key.StartsWith("modules/", StringComparison.Ordinal)).Select(f => (f.Key, f.Value))];
    }

    /// <summary>From here on the reference means a kernel that the store has.</summary>
    private async Task<GuestKernel> ReferAsync(KernelReference reference, KernelDocument document, CancellationToken cancellationToken)
    {
        using FileLock store = await FileLock.TakeAsync(Path.Combine(LockRoot, "store"), null, cancellationToken);
        WriteReference(reference, document);
        return Find(reference, pin: null)
            ?? throw new KernelException($"{reference} is in {Root}, but cannot be found there again: verify the store's file system and pull it again.");
    }

    private void WriteReference(KernelReference reference, KernelDocument document)
    {
        string path = ReferencePath(Root, reference);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        ReferenceDocument content = new()
        {
            Reference = reference.ToString(),
            Sha256 = document.Sha256,
            PackageVersion = document.PackageVersion,
            ContentHash = document.ContentHash,
            Fetched = document.Fetched,
        };
        AtomicFile.Write(path, JsonSerializer.Serialize(content, KernelJson.Default.ReferenceDocument));
    }

    private async Task PinAsync(GuestKernel kernel, string lockFile, bool refresh, CancellationToken cancellationToken)
    {
        // Several builds of one solution may restore at once: reading, changing and writing is one step between them.
        Directory.CreateDirectory(LockRoot);
        string name = "pins-" + Hex(SHA256.HashData(Encoding.UTF8.GetBytes(Path.GetFullPath(lockFile))))[..16];
        using FileLock held = await FileLock.TakeAsync(Path.Combine(LockRoot, name), null, cancellationToken);
        KernelLock pins = KernelLock.Load(lockFile);
        KernelLockEntry? pin = pins.Entries.GetValueOrDefault(kernel.Reference);
        if (!refresh)
            pins.Verify(kernel);
        KernelLock with = pins.With(kernel);
        if (pin is null || (refresh && pin != with.Entries[kernel.Reference]))
            with.Save(lockFile);
    }

    /// <summary>Makes the copy that asks for the loader in this directory; false where the directory cannot be written.</summary>
    private static bool TryPatch(string directory, KernelDocument kernel)
    {
        string loader = LoaderPath(directory, kernel);
        string patched = PatchedPath(directory);
        string temporary = patched + "." + Guid.NewGuid().ToString("N") + ".tmp";
        if (!File.Exists(loader))
            return false;
        try
        {
            ElfImage.CopyWithInterpreter(Path.Combine(directory, "linux"), temporary, loader);
            File.Move(temporary, patched, overwrite: true);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ElfException)
        {
            File.Delete(temporary);
            return false;
        }
    }

    /// <summary>
    /// The copy with its own loader, named after the directory because the loader's path in it is absolute: a store that
    /// moves, or is seen at several places by several containers, has one for each.
    /// </summary>
    private static string PatchedPath(string directory) =>
        Path.Combine(directory, "linux-" + Hex(SHA256.HashData(Encoding.UTF8.GetBytes(directory)))[..8]);

    private static string LoaderPath(string directory, KernelDocument kernel) =>
        Path.Combine(directory, "lib", Path.GetFileName(kernel.Interpreter ?? "none"));

    /// <summary>Describes a kernel executable.</summary>
    internal static KernelDocument Document(KernelImage image, string path) => new()
    {
        Format = FormatVersion,
        Sha256 = HashOf(path),
        Size = new FileInfo(path).Length,
        Release = image.Release,
        Banner = image.Banner,
        Smp = image.IsSmp,
        Interpreter = image.Interpreter,
        Needed = [.. image.Needed],
        Glibc = image.RequiredGlibc?.ToString(),
        Fetched = DateTimeOffset.UtcNow,
    };

    private static KernelDocument? ReadKernel(string directory) =>
        ReadJson(Path.Combine(directory, "kernel.json"), KernelJson.Default.KernelDocument) is { Format: FormatVersion } kernel
        && new FileInfo(Path.Combine(directory, "linux")) is { Exists: true } linux && linux.Length == kernel.Size
            ? kernel
            : null;

    private static IEnumerable<(string Path, ReferenceDocument Document)> References(string root)
    {
        string directory = Path.Combine(root, "refs");
        if (!Directory.Exists(directory))
            yield break;
        foreach (string path in Directory.EnumerateFiles(directory, "*.json", SearchOption.AllDirectories))
        {
            if (ReadJson(path, KernelJson.Default.ReferenceDocument) is { } document)
                yield return (path, document);
        }
    }

    private static string ReferencePath(string root, KernelReference reference) => reference.Source == KernelSource.Debian
        ? Path.Combine(root, "refs", "debian", reference.Value + ".json")
        : Path.Combine(root, "refs", NameOf(reference) + ".json");

    /// <summary>A file name for the reference: readable where that is possible.</summary>
    private static string NameOf(KernelReference reference)
    {
        string text = reference.ToString();
        string plain = string.Concat(text.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' ? c : '-'));
        return reference.Source == KernelSource.Debian || plain == text
            ? plain
            : plain[..Math.Min(plain.Length, 80)] + "-" + Hex(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..12];
    }

    /// <summary>A file of the store, or null: a missing or damaged one means that the kernel is not there.</summary>
    private static T? ReadJson<T>(string path, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
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

    internal static string HashOf(string path)
    {
        using FileStream file = File.OpenRead(path);
        return Hex(SHA256.HashData(file));
    }

    /// <summary>Bytes of a directory's own files: not of those that links in it lead to, nor of those that vanish meanwhile.</summary>
    private static long SizeOf(string directory)
    {
        EnumerationOptions own = new() { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true };
        long size = 0;
        try
        {
            foreach (FileInfo file in new DirectoryInfo(directory).EnumerateFiles("*", own))
            {
                try
                {
                    size += file.Length;
                }
                catch (FileNotFoundException)
                {
                }
            }
        }
        catch (DirectoryNotFoundException)
        {
        }

        return size;
    }

    private static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    private static Version? Parse(string? version) => version is null ? null : Version.Parse(version);
}
