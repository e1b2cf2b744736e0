using System.Runtime.CompilerServices;
using System.Runtime.Versioning;
using System.Text;
using System.Text.Json;
using NuGet.Common;
using NuGet.Frameworks;
using NuGet.Packaging;
using NuGet.Packaging.Core;
using NuGet.Packaging.Licenses;
using NuGet.Packaging.Rules;
using NuGet.Versioning;

namespace Uml.CI;

/// <summary>How a kernel is packed.</summary>
public sealed record KernelPackOptions
{
    /// <summary>Where the packages go; made if it is not there.</summary>
    public required string OutputDirectory { get; init; }

    /// <summary>The package's ID; null for that of the kernel's profiles (<see cref="KernelReference.DefaultPackageId"/>).</summary>
    public string? Id { get; init; }

    /// <summary>
    /// Tells packages of one kernel version apart, from 1 on: <c>7.3.4.1</c> comes after <c>7.3.4</c>. Zero for the first one.
    /// </summary>
    public int Revision { get; init; }

    /// <summary>Whether the debug symbols are packed too, where the kernel has them.</summary>
    public bool Symbols { get; init; } = true;

    /// <summary>
    /// A tarball to copy beside the packages: the kernel's source, which its licence wants to be published with it
    /// (<see cref="KernelStore.FindSource"/>). Null for none.
    /// </summary>
    public string? Source { get; init; }

    /// <summary>Told what happens.</summary>
    public IProgress<KernelProgress>? Progress { get; init; }
}

/// <summary>
/// Packs a kernel that was built here into a NuGet package: the executable with its modules, configuration, System.map, the
/// record of its build and what it was built with, each with its SHA-256; and the debug symbols into a second one. The same
/// kernel makes the same packages.
/// </summary>
public static class KernelPackageWriter
{
    /// <summary>The directory of a package that holds the kernel.</summary>
    internal const string Folder = "kernel";

    internal const string ManifestName = "manifest.json";

    /// <summary>What follows the ID of a kernel's package in that of its symbols.</summary>
    public const string SymbolsSuffix = ".Symbols";

    private const string DebugName = "linux.debug";

    /// <summary>https://spdx.org/licenses/Linux-syscall-note.html; the kernel's own COPYING says it in these words.</summary>
    private const string License = "GPL-2.0-only WITH Linux-syscall-note";

    // What the store adds to a kernel's directory is its own business.
    private static readonly string[] s_ofTheStore = ["kernel.json", ManifestName, "lib/", DebugName];

    /// <summary>Packs the kernel in a directory: one of the store, or what <c>uml kernel build --output</c> has written.</summary>
    /// <returns>The paths of the packages.</returns>
    /// <exception cref="KernelException">The directory holds no kernel that can be packed, or the packages cannot be written.</exception>
    public static async Task<IReadOnlyList<string>> WriteAsync(string kernelDirectory, KernelPackOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(kernelDirectory);
        ArgumentNullException.ThrowIfNull(options);
        string directory = Path.TrimEndingDirectorySeparator(Path.GetFullPath(kernelDirectory));
        KernelRecord record = ReadRecord(directory);
        KernelImage image = ReadImage(directory);
        if (image.Release != record.Release)
            throw Bad(directory, $"its executable is Linux {image.Release}, and {KernelRecord.FileName} says {record.Release}");
        SdkAssemblies.Require($"Packing {directory}");
        try
        {
            return await Task.Run(() => Write(directory, record, image, options, cancellationToken), cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KernelException($"The kernel in {directory} cannot be packed into {options.OutputDirectory}: {OneLine.Of(e)}", e);
        }
    }

    /// <summary>Reads the record in a kernel's directory.</summary>
    internal static KernelRecord ReadRecord(string directory)
    {
        string path = Path.Combine(directory, KernelRecord.FileName);
        try
        {
            using FileStream file = File.OpenRead(path);
            return JsonSerializer.Deserialize(file, KernelJson.Default.KernelRecord) is { Format: KernelRecord.FormatVersion } record
                ? record
                : throw Bad(directory, $"its {KernelRecord.FileName} is of a form that this program does not know");
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw Bad(directory, $"it has no {KernelRecord.FileName}, the record of its build: build it with `uml kernel build`");
        }
        catch (JsonException e)
        {
            throw Bad(directory, $"its {KernelRecord.FileName} cannot be read ({OneLine.Of(e).TrimEnd('.')})");
        }
    }

    private static KernelImage ReadImage(string directory)
    {
        string path = Path.Combine(directory, "linux");
        if (!File.Exists(path))
            throw Bad(directory, "it has no executable \"linux\"");
        try
        {
            return KernelImage.Read(path);
        }
        catch (ElfException e)
        {
            throw Bad(directory, $"its executable {e.Message}");
        }
    }

    private static KernelException Bad(string directory, string problem) => new($"The kernel in {directory} cannot be packed: {problem}.");

    // Types of NuGet's client stand in this method and in those it calls, which SdkAssemblies has made ready by now.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static List<string> Write(string directory, KernelRecord record, KernelImage image, KernelPackOptions options, CancellationToken cancellationToken)
    {
        foreach (string name in (string[])["config", "System.map", "COPYING"])
        {
            if (!File.Exists(Path.Combine(directory, name)))
                throw Bad(directory, $"{name} is missing in it");
        }

        if (!NuGetVersion.TryParse(record.Version + (options.Revision > 0 ? $".{options.Revision}" : ""), out NuGetVersion? version))
            throw Bad(directory, $"its version '{record.Version}' is none that a package can have");
        string id = options.Id ?? KernelReference.PackageIdOf(record.Profiles.Count == 0 ? [KernelProfile.Base] : record.Profiles);
        if (options.Id is null && record.Fragments.Any(f => f.Name == "set.config" || f.Name.StartsWith("own", StringComparison.Ordinal)))
            throw Bad(directory, $"it has options beside those of its profiles, and as {id} it would pass for one that has not: give its package an ID of its own (--id)");
        if (!PackageIdValidator.IsValidPackageId(id) || id.Length > PackageIdValidator.MaxPackageIdLength - SymbolsSuffix.Length)
            throw new KernelException($"'{id}' is no valid package ID: use letters, digits, and dots between them.");
        if (!image.IsStatic)
            options.Progress?.Report(new KernelProgress($"{record.Release} is linked dynamically: it runs only where the C library is as new as this host's (CONFIG_STATIC_LINK=y makes it run anywhere)", IsWarning: true));

        Directory.CreateDirectory(options.OutputDirectory);
        string[] files =
        [
            .. Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories)
                .Select(f => Path.GetRelativePath(directory, f))
                .Where(f => !s_ofTheStore.Any(s => s.EndsWith('/') ? f.StartsWith(s, StringComparison.Ordinal) : f == s) && !f.StartsWith("linux-", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal),
        ];
        string profiles = record.Profiles.Count == 0 ? "base" : string.Join(", ", record.Profiles);
        string summary = $"Linux {record.Release} as User-mode Linux, profile {profiles}";
        List<string> written = [WritePackage(directory, id, version, record, files, $"{summary}: a kernel that runs as an ordinary process, for tests.", Readme(record, id, version.ToNormalizedString(), profiles), options, cancellationToken)];
        if (options.Symbols && File.Exists(Path.Combine(directory, DebugName)))
            written.Add(WritePackage(directory, id + SymbolsSuffix, version, record, [DebugName, "COPYING"], $"Debug symbols of {summary}.", SymbolsReadme(id, version.ToNormalizedString()), options, cancellationToken));
        if (options.Source is { } source)
            written.Add(CopySource(source, record, options));
        return written;
    }

    private static string CopySource(string source, KernelRecord record, KernelPackOptions options)
    {
        // "linux-source-7.3 7.3~rc7-1~exp1" says more than the tarball's own name, which every version of the package has.
        string extension = Path.GetFileName(source) is var name && name.IndexOf(".tar", StringComparison.Ordinal) is >= 0 and var at ? name[at..] : "";
        string target = Path.Combine(options.OutputDirectory, record.Source.Name.Replace(' ', '_').Replace('/', '_'));
        if (!target.EndsWith(extension, StringComparison.Ordinal))
            target += extension;
        options.Progress?.Report(new KernelProgress($"copying {Path.GetFileName(target)}"));
        if (KernelStore.HashOf(source) != record.Source.Sha256)
            throw new KernelException($"{source} is not the source that the kernel was built from: its SHA-256 is not the {record.Source.Sha256} of {KernelRecord.FileName}.");
        string temporary = $"{target}.{Guid.NewGuid():N}.tmp";
        try
        {
            File.Copy(source, temporary);
            File.Move(temporary, target, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }

        return Path.GetFullPath(target);
    }

    private static string WritePackage(
        string directory, string id, NuGetVersion version, KernelRecord record, string[] files, string description, string readme, KernelPackOptions options, CancellationToken cancellationToken)
    {
        string name = $"{id}.{version.ToNormalizedString()}.nupkg";
        options.Progress?.Report(new KernelProgress($"packing {name}"));
        var builder = new PackageBuilder(deterministic: true, NullLogger.Instance)
        {
            Id = id,
            Version = version,
            Title = id,
            Description = description,
            LicenseMetadata = new LicenseMetadata(LicenseType.Expression, License, NuGetLicenseExpression.Parse(License), null, LicenseMetadata.EmptyVersion),
            Readme = "README.md",
            ProjectUrl = new Uri("https://docs.kernel.org/virt/uml/user_mode_linux_howto_v2.html"),
            Copyright = "The Linux kernel's authors",
            DevelopmentDependency = true,
        };
        builder.Authors.Add("The Linux kernel's authors");
        foreach (string tag in (string[])["linux", "kernel", "uml", "user-mode-linux", .. record.Profiles.Select(p => "uml-profile-" + p)])
            builder.Tags.Add(tag);

        Dictionary<string, string> sums = new(StringComparer.Ordinal);
        foreach (string file in files)
        {
            cancellationToken.ThrowIfCancellationRequested();
            string path = Path.Combine(directory, file);
            sums[file] = KernelStore.HashOf(path);
            builder.Files.Add(new PhysicalPackageFile { SourcePath = path, TargetPath = $"{Folder}/{file}" });
        }

        byte[] manifest = Encoding.UTF8.GetBytes(JsonSerializer.Serialize(new ManifestDocument { Files = sums }, KernelJson.Default.ManifestDocument) + "\n");
        builder.Files.Add(new MadeFile($"{Folder}/{ManifestName}", manifest));
        builder.Files.Add(new MadeFile("README.md", Encoding.UTF8.GetBytes(readme)));

        // Aside first: a feed that is a directory must not see half a package.
        string target = Path.Combine(options.OutputDirectory, name);
        string temporary = Path.Combine(options.OutputDirectory, $".{name}.{Guid.NewGuid():N}.tmp");
        try
        {
            using (FileStream stream = new(temporary, FileMode.CreateNew, FileAccess.ReadWrite))
                builder.Save(stream);
            Check(temporary, name);
            cancellationToken.ThrowIfCancellationRequested();
            File.Move(temporary, target, overwrite: true);
        }
        catch (PackagingException e)
        {
            // Modules whose names differ in case alone, say, which a package cannot hold.
            throw new KernelException($"{name} cannot be written: {OneLine.Of(e)}", e);
        }
        finally
        {
            File.Delete(temporary);
        }

        return Path.GetFullPath(target);
    }

    /// <summary>What <c>dotnet pack</c> would complain of.</summary>
    private static void Check(string path, string name)
    {
        using PackageArchiveReader reader = new(path);
        PackagingLogMessage[] complaints = [.. RuleSet.PackageCreationRuleSet.SelectMany(rule => rule.Validate(reader))];
        if (complaints.Length > 0)
            throw new KernelException($"{name} cannot be written, as it is no sound package: {string.Join(" | ", complaints.Select(c => $"{c.Code} {c.Message}"))}");
    }

    private static string Readme(KernelRecord record, string id, string version, string profiles)
    {
        string patches = record.Patches.Count == 0 ? "none" : string.Join(", ", record.Patches.Select(p => $"`{Folder}/patches/{p.Name}`"));
        string source = record.Source.Name + (record.Source.Commit is { } commit ? $", commit {commit}" : "") + (record.Source.Modified ? " with changes" : "")
            + (record.Source.Sha256 is { } sha ? $" (SHA-256 {sha})" : "");
        return $"""
            # {id} {version}

            Linux {record.Release} built as User-mode Linux: the kernel as an ordinary process. Profile: {profiles}.

            ```sh
            uml run --kernel {KernelReference.NuGet(id, version)} -- uname -a
            ```

            | | |
            |---|---|
            | source | {source} |
            | patches | {patches} |
            | configuration | `{Folder}/config`, from the fragments in `{Folder}/fragments` |
            | compiler | {record.Compiler} |
            | linker | {record.Linker} |
            | date in it | {record.SourceDateEpoch} (SOURCE_DATE_EPOCH) |

            The Linux kernel is free software under the GNU General Public License, version 2 (`{Folder}/COPYING`). Its complete source
            is the one named above, with these patches, configuration and the build's record (`{Folder}/{KernelRecord.FileName}`); whoever publishes this
            package publishes that source beside it. Built again from them with the same compiler, it has the same bytes.

            """;
    }

    private static string SymbolsReadme(string id, string version) => $"""
        # {id}{SymbolsSuffix} {version}

        Debug symbols of the kernel in {id} {version}: `{Folder}/{DebugName}`, for gdb and addr2line. Licence: `{Folder}/COPYING`.

        """;

    /// <summary>A file of a package that is on no disk. (The client's own reads a stream once, and wants it twice.)</summary>
    private sealed class MadeFile(string path, byte[] content) : IPackageFile
    {
        public string Path => path;

        public string EffectivePath => path;

        public FrameworkName TargetFramework => null!;

        public NuGetFramework NuGetFramework => null!;

        public DateTimeOffset LastWriteTime => DateTimeOffset.UnixEpoch;

        public Stream GetStream() => new MemoryStream(content, writable: false);
    }
}
