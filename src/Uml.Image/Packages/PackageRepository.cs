using System.Collections.Immutable;
using System.Text;

namespace Uml.CI;

/// <summary>What a guest without a network needs to install packages: the files and an index of them, in one flat directory.</summary>
internal sealed class PackageRepository : IDisposable
{
    private static readonly TimeSpan KeepFor = TimeSpan.FromDays(30);

    private readonly TemporaryDirectory _directory;

    private PackageRepository(TemporaryDirectory directory) => _directory = directory;

    /// <summary>A directory with <c>repo/</c>, which has the packages and <c>Packages</c>; whatever else goes with it can be put beside that.</summary>
    public string Directory => _directory.Path;

    /// <summary>What each package that was asked for is installed as.</summary>
    public ImmutableArray<Choice> Choices { get; private set; } = [];

    /// <summary>A package that was asked for.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Version">The version under test; empty where it cannot be had.</param>
    /// <param name="OlderVersion">The suite's version, where that is older and can be had; null otherwise.</param>
    /// <param name="NoUpgrade">Why there is no older version.</param>
    /// <param name="Problem">Why it cannot be installed at all; null when it can.</param>
    /// <param name="InImage">The version the image has of it; null for none.</param>
    public sealed record Choice(string Name, string Version, string? OlderVersion, string NoUpgrade, string? Problem, string? InImage = null);

    /// <summary>Collects what packages need on top of an image of their suite.</summary>
    /// <param name="host">The host.</param>
    /// <param name="image">The image they will be installed in.</param>
    /// <param name="given">Packages in files: those to install, and others they may need.</param>
    /// <param name="names">Names of the packages to install, of the files or of the suite.</param>
    /// <param name="recommends">Whether what they recommend is installed.</param>
    /// <param name="progress">Told what is going on.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="KernelException">The archive or the tools cannot be used.</exception>
    public static async Task<PackageRepository> PrepareAsync(
        HostTools host, RootImage image, IReadOnlyList<DebianPackageFile> given, IReadOnlyList<string> names, bool recommends,
        IProgress<KernelProgress>? progress, CancellationToken cancellationToken)
    {
        string suite = image.Reference.Suite ?? throw new KernelException($"{image.Reference} is not the image of a distribution: packages come from its suite; write debian:SUITE.") { Problem = KernelProblem.InvalidReference };
        string cache = Path.Combine(new ImageStore(null, host).Root, "packages");
        string work = Path.Combine(cache, $"{image.Reference.Scheme}-{suite}");
        System.IO.Directory.CreateDirectory(work);
        string status = await ReadStatusAsync(host, image, cancellationToken);
        TemporaryDirectory directory = await TemporaryDirectory.CreateAsync(Path.Combine(cache, "tmp"), cancellationToken);
        try
        {
            // What is given goes before what the suite has, in the choice here as in the guest.
            string own = Path.Combine(directory.Path, "given"), repo = Path.Combine(directory.Path, "repo");
            await WriteAsync(own, given, cancellationToken);
            var repository = new PackageRepository(directory);
            var files = new Dictionary<string, DebianPackageFile>(StringComparer.Ordinal);
            using (FileLock mine = await FileLock.TakeAsync(work + ".lock", () => progress?.Report(new KernelProgress($"waiting for another process that reads the index of {suite}")), cancellationToken))
            {
                AptClient apt = new(host, $"The packages of {suite}", work, progress) { KeepsIndexes = true, PackageDirectory = own };
                await UpdateAsync(apt, suite, cancellationToken);
                await apt.UseStatusAsync(status, cancellationToken);
                var choices = ImmutableArray.CreateBuilder<Choice>();
                Dictionary<string, string> there = InstalledIn(status);
                foreach (string name in names)
                    choices.Add(await ChooseAsync(host, apt, given, name, recommends, files, cancellationToken) with { InImage = there.GetValueOrDefault(name) });
                repository.Choices = choices.ToImmutable();
                await WriteAsync(repo, files.Values, cancellationToken);
                Forget(apt.ArchiveDirectory);
            }

            UnixFiles.DeleteTree(own);
            return repository;
        }
        catch
        {
            directory.Dispose();
            throw;
        }
    }

    /// <summary>dpkg's status of an image.</summary>
    /// <exception cref="KernelException">It has none, or cannot be read.</exception>
    public static async Task<string> ReadStatusAsync(HostTools host, RootImage image, CancellationToken cancellationToken)
    {
        string program = HostPrograms.Find(host, "unsquashfs")
            ?? throw new KernelException($"{image.Reference} cannot be read: the program unsquashfs is not installed; install the package '{SquashfsWriter.Package}'.") { Problem = KernelProblem.Unavailable };
        ExternalResult read = await new ExternalProgram(program) { Arguments = ["-cat", image.Path, "var/lib/dpkg/status"], ThrowsOnFailure = false, EndsWithParent = true }.RunAsync(cancellationToken);
        return read.ExitCode == 0 && read.StandardOutput.Contains("Package:", StringComparison.Ordinal)
            ? read.StandardOutput
            : throw new KernelException($"{image.Reference} has no packages of Debian in it ({read.StandardError.Trim().Split('\n')[0]}): use the image of a distribution, such as debian:trixie.") { Problem = KernelProblem.InvalidReference };
    }

    /// <summary>The packages that are installed according to dpkg's status, with their versions.</summary>
    internal static Dictionary<string, string> InstalledIn(string status)
    {
        var installed = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (ControlParagraph package in ControlParagraph.Parse(status).Where(p => p["Status"].EndsWith(" installed", StringComparison.Ordinal)))
            installed[package["Package"]] = package["Version"];
        return installed;
    }

    /// <inheritdoc/>
    public void Dispose() => _directory.Dispose();

    private static async Task UpdateAsync(AptClient apt, string suite, CancellationToken cancellationToken)
    {
        KernelException? first = null;
        foreach (AptSource archive in await apt.FindArchivesAsync(cancellationToken))
        {
            try
            {
                await apt.UpdateAsync(archive, suite, cancellationToken);
                return;
            }
            catch (KernelException e)
            {
                first ??= e;
            }
        }

        throw first!;
    }

    private static async Task<Choice> ChooseAsync(
        HostTools host, AptClient apt, IReadOnlyList<DebianPackageFile> given, string name, bool recommends, Dictionary<string, DebianPackageFile> files, CancellationToken cancellationToken)
    {
        string? released = await apt.FindVersionAsync(name, cancellationToken);
        string? version = given.FirstOrDefault(g => g.Name == name)?.Version;
        if ((version ?? released) is not { } wanted)
            return new Choice(name, "", null, "", $"there is no package {name} in the suite, nor was one given as a file");
        try
        {
            await AddAsync(wanted);
        }
        catch (KernelException e)
        {
            return new Choice(name, wanted, null, "", e.Message);
        }

        if (version is null)
            return new Choice(name, wanted, null, "it is the suite's own version: give a newer one as a file", null);
        if (released is null)
            return new Choice(name, wanted, null, "the suite has no such package", null);
        if (!await IsOlderAsync(host, released, version, cancellationToken))
            return new Choice(name, wanted, null, $"the suite's version {released} is not older", null);
        try
        {
            await AddAsync(released);
            return new Choice(name, wanted, released, "", null);
        }
        catch (KernelException e)
        {
            return new Choice(name, wanted, null, $"the suite's version {released} cannot be installed: {e.Message}", null);
        }

        async Task AddAsync(string ofVersion)
        {
            foreach (string file in await apt.DownloadClosureAsync([$"{name}={ofVersion}"], recommends, cancellationToken))
            {
                string key = Path.GetFileName(file);
                if (!files.ContainsKey(key))
                    files.Add(key, await DebianPackageFile.ReadAsync(host, file, cancellationToken));
            }
        }
    }

    private static async Task<bool> IsOlderAsync(HostTools host, string version, string than, CancellationToken cancellationToken) =>
        (await new ExternalProgram(host.Find("dpkg", "dpkg", "The package")) { Arguments = ["--compare-versions", version, "lt", than], ThrowsOnFailure = false, EndsWithParent = true }.RunAsync(cancellationToken)).ExitCode == 0;

    /// <summary>Makes a directory with packages and their index.</summary>
    internal static async Task WriteAsync(string directory, IEnumerable<DebianPackageFile> packages, CancellationToken cancellationToken)
    {
        System.IO.Directory.CreateDirectory(directory);
        StringBuilder index = new();
        foreach (DebianPackageFile package in packages)
        {
            string target = Path.Combine(directory, package.PlainName);
            if (!File.Exists(target))
                File.Copy(package.Path, target);
            index.Append(package.ToIndex(package.PlainName)).Append('\n');
        }

        await File.WriteAllTextAsync(Path.Combine(directory, "Packages"), index.ToString(), cancellationToken);
    }

    // apt leaves the time a package was published as the file's own; that of the last status change is when it was fetched.
    private static void Forget(string archives)
    {
        foreach (FileInfo file in new DirectoryInfo(archives).EnumerateFiles("*.deb"))
        {
            if (DateTime.UtcNow - (file.CreationTimeUtc > file.LastWriteTimeUtc ? file.CreationTimeUtc : file.LastWriteTimeUtc) > KeepFor)
                file.Delete();
        }
    }
}
