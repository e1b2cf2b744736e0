using NuGet.Packaging;
using NuGet.Versioning;

namespace Uml.CI;

/// <summary>A folder that NuGet keeps packages in: the global packages folder, or a fallback folder.</summary>
internal sealed class PackageFolder(string root) : PackageOrigin
{
    private readonly VersionFolderPathResolver _paths = new(root);

    public override string Title => $"the packages folder {root}";

    public override string Remedy => $"delete it from {root} and pull again";

    public override string Location => root;

    public override Task<IReadOnlyList<OfferedVersion>> VersionsAsync(string id, CancellationToken cancellationToken)
    {
        List<OfferedVersion> versions = [];
        string parent = _paths.GetVersionListPath(id);
        try
        {
            foreach (string directory in Directory.Exists(parent) ? Directory.EnumerateDirectories(parent) : [])
            {
                if (NuGetVersion.TryParse(Path.GetFileName(directory), out NuGetVersion? version) && Has(id, version))
                    versions.Add(new OfferedVersion(version, IsListed: true));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PackageOriginException(OneLine.Of(e), e);
        }

        return Task.FromResult<IReadOnlyList<OfferedVersion>>(versions);
    }

    /// <summary>Whether it has the whole package: NuGet writes the metadata last.</summary>
    public bool Has(string id, NuGetVersion version) =>
        File.Exists(_paths.GetNupkgMetadataPath(id, version)) && File.Exists(_paths.GetPackageFilePath(id, version));

    public override async Task<string?> FetchAsync(string id, NuGetVersion version, string path, IProgress<KernelProgress>? progress, CancellationToken cancellationToken)
    {
        progress?.Report(new KernelProgress($"taking {id} {version} from {Title}"));
        try
        {
            await using FileStream source = File.OpenRead(_paths.GetPackageFilePath(id, version));
            await using FileStream target = File.Create(path);
            await source.CopyToAsync(target, cancellationToken);
            string hashFile = _paths.GetHashPath(id, version);
            return File.Exists(hashFile) ? (await File.ReadAllTextAsync(hashFile, cancellationToken)).Trim() : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PackageOriginException(OneLine.Of(e), e);
        }
    }
}
