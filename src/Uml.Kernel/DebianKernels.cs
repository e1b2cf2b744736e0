using System.IO.Compression;

namespace Uml.CI;

/// <summary>Kernels of Debian's package <c>user-mode-linux</c>.</summary>
internal sealed class DebianKernels(HostTools host) : IKernelProvider
{
    private const string PackageName = "user-mode-linux";

    public async Task<KernelDocument> ProvideAsync(KernelRequest request, CancellationToken cancellationToken)
    {
        KernelReference reference = request.Reference;
        string suite = reference.Value;
        AptClient apt = new(host, reference.ToString(), request.Temporary, request.Progress);
        AptClient.Package package = await FindPackageAsync(apt, suite, cancellationToken);
        if (request.Pin is { PackageVersion: { } pinned } pin && pinned != package.Version)
        {
            throw new KernelException(
                $"{reference} is pinned to {pin.Release} (package {pinned}), but the archive has {package.Version} now: pull it with --refresh to pin that one, or bring back the store that has the old one.");
        }

        await apt.DownloadAsync([package], cancellationToken);
        string unpacked = Path.Combine(request.Temporary, "unpacked");
        string version = await apt.UnpackAsync(PackageName, unpacked, cancellationToken);
        string built = request.Built;
        KernelImage image = TakeKernel(reference, unpacked, built);

        string? libraries = null;
        if (!await RunsAsync(image, Path.Combine(built, "linux"), cancellationToken))
        {
            if (request.StoreRoot.AsSpan().ContainsAny(":;$"))
                throw new KernelException($"{reference} has to bring its own C library, and LD_LIBRARY_PATH cannot name a directory with ':', ';' or '$' in it, such as {request.StoreRoot}; set UML_CACHE to another directory.");
            libraries = await FetchLibrariesAsync(apt, suite, image, request.Temporary, built, cancellationToken);
            await TryWithLibrariesAsync(reference, image, built, cancellationToken);
        }

        return KernelStore.Document(image, Path.Combine(built, "linux")) with
        {
            Origin = $"the package {PackageName} of Debian {suite}",
            PackageVersion = version,
            LibraryVersion = libraries,
            Modules = Directory.Exists(Path.Combine(built, "modules", image.Release)),
        };
    }

    private static async Task<AptClient.Package> FindPackageAsync(AptClient apt, string suite, CancellationToken cancellationToken)
    {
        KernelException? first = null;
        foreach (AptSource archive in await apt.FindArchivesAsync(cancellationToken))
        {
            try
            {
                await apt.UpdateAsync(archive, suite, cancellationToken);
                return await apt.FindPackageAsync(PackageName, suite, cancellationToken);
            }
            catch (KernelException e)
            {
                first ??= e;
            }
        }

        throw first!;
    }

    /// <summary>Moves what is needed out of the unpacked package.</summary>
    private static KernelImage TakeKernel(KernelReference reference, string unpacked, string built)
    {
        string executable = Path.Combine(unpacked, "usr", "bin", "linux.uml");
        if (!File.Exists(executable))
            throw new KernelException($"{reference} cannot be used: its package has no usr/bin/linux.uml; use another suite, such as debian:sid.");
        KernelImage image;
        try
        {
            image = KernelImage.Read(executable);
        }
        catch (ElfException e)
        {
            throw new KernelException($"{reference} cannot be used: its usr/bin/linux.uml {e.Message}; use another suite, such as debian:sid.", e);
        }

        File.Move(executable, Path.Combine(built, "linux"));
        foreach (string parent in (string[])["usr/lib", "lib"])
        {
            string modules = Path.Combine(unpacked, parent, "uml", "modules", image.Release);
            if (!Directory.Exists(modules) || Directory.Exists(Path.Combine(built, "modules")))
                continue;
            Directory.CreateDirectory(Path.Combine(built, "modules"));
            Directory.Move(modules, Path.Combine(built, "modules", image.Release));
        }

        string configuration = Path.Combine(unpacked, "usr", "share", "doc", PackageName, "config.gz");
        if (File.Exists(configuration))
        {
            using GZipStream zipped = new(File.OpenRead(configuration), CompressionMode.Decompress);
            using FileStream plain = File.Create(Path.Combine(built, "config"));
            zipped.CopyTo(plain);
        }

        UnixFiles.DeleteTree(unpacked);
        return image;
    }

    /// <summary>Fetches the suite's own C library, and keeps of it what the kernel loads.</summary>
    private static async Task<string> FetchLibrariesAsync(
        AptClient apt, string suite, KernelImage image, string temporary, string built, CancellationToken cancellationToken)
    {
        AptClient.Package[] packages =
        [
            await apt.FindPackageAsync("libc6", suite, cancellationToken),
            await apt.FindPackageAsync("libgcc-s1", suite, cancellationToken),
        ];
        await apt.DownloadAsync(packages, cancellationToken);
        string unpacked = Path.Combine(temporary, "libraries");
        List<string> versions = [];
        foreach (AptClient.Package package in packages)
            versions.Add($"{package.Name} {await apt.UnpackAsync(package.Name, unpacked, cancellationToken)}");

        string library = Path.Combine(built, "lib");
        Directory.CreateDirectory(library);
        HashSet<string> taken = new(StringComparer.Ordinal);
        Queue<string> wanted = new([Path.GetFileName(image.Interpreter!), HostLibraries.UnwindLibrary, .. image.Needed]);
        while (wanted.TryDequeue(out string? name))
        {
            if (!taken.Add(name))
                continue;
            string file = ((string[])["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib64", "lib64"])
                .Select(d => Path.Combine(unpacked, d, name)).FirstOrDefault(File.Exists)
                ?? throw new KernelException($"debian:{suite} cannot be used: it needs the library {name}, which is neither on this host nor in the suite's libc6; use another suite.");
            File.Copy(file, Path.Combine(library, name));
            using FileStream opened = File.OpenRead(file);
            foreach (string next in ElfImage.Read(opened).Needed)
                wanted.Enqueue(next);
        }

        UnixFiles.DeleteTree(unpacked);
        return string.Join(", ", versions);
    }

    /// <summary>The kernel runs on the host's C library: by what it asks for, and then by trying.</summary>
    private static async Task<bool> RunsAsync(KernelImage image, string executable, CancellationToken cancellationToken) =>
        HostLibraries.WhyNot(image.Interpreter, image.RequiredGlibc, image.Needed) is null
        && (await VersionAsync(executable, null, cancellationToken)).ExitCode == 0;

    private static async Task TryWithLibrariesAsync(KernelReference reference, KernelImage image, string built, CancellationToken cancellationToken)
    {
        string copy = Path.Combine(Path.GetDirectoryName(built)!, "try");
        ElfImage.CopyWithInterpreter(Path.Combine(built, "linux"), copy, Path.Combine(built, "lib", Path.GetFileName(image.Interpreter!)));
        ExternalResult result = await VersionAsync(copy, Path.Combine(built, "lib"), cancellationToken);
        File.Delete(copy);
        if (result.ExitCode != 0)
        {
            string words = string.Join(" | ", result.StandardError.Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(3));
            throw new KernelException($"{reference} does not run on this host, not even with its own C library (status {result.ExitCode}: {words}); use an older suite, such as debian:bookworm.") { Problem = KernelProblem.Unavailable };
        }
    }

    /// <summary>Starts the kernel just to say its version. Directly: a shell in between would run on this libc too.</summary>
    private static Task<ExternalResult> VersionAsync(string executable, string? library, CancellationToken cancellationToken) => new ExternalProgram(executable)
    {
        Arguments = ["--version"],
        Environment = System.Collections.Immutable.ImmutableDictionary<string, string?>.Empty.Add("LD_LIBRARY_PATH", library),
        ThrowsOnFailure = false,
    }.RunAsync(cancellationToken);
}
