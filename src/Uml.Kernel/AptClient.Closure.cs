using System.Collections.Immutable;
using System.Text;

namespace Uml.CI;

/// <content>What an installation needs, for a system that is not this one.</content>
internal sealed partial class AptClient
{
    /// <summary>Whether indexes and packages stay for the next use of the directory; whoever says so keeps others out of it.</summary>
    public bool KeepsIndexes { get; init; }

    /// <summary>A directory with a file Packages whose packages go before those of any archive; null for none.</summary>
    public string? PackageDirectory { get; init; }

    /// <summary>Where downloaded packages are kept.</summary>
    public string ArchiveDirectory => Path.Combine(_directory, "cache", "archives");

    private string PreferencesFile => Path.Combine(_directory, "preferences");

    /// <summary>Makes the system, for which packages are chosen from now on, that of a dpkg status file.</summary>
    public Task UseStatusAsync(string status, CancellationToken cancellationToken) =>
        File.WriteAllTextAsync(Path.Combine(_directory, "status"), status, cancellationToken);

    /// <summary>The newest version an archive has of a package, the directory's own left out; null for none.</summary>
    public async Task<string?> FindVersionAsync(string name, CancellationToken cancellationToken)
    {
        // name | version | URI suite/component architecture Packages
        ExternalResult result = await RunAsync(
            _host.Find("apt-cache", "apt", _reference), ["-c", _configuration, "madison", name], null, cancellationToken, throws: false);
        return result.StandardOutput.Split('\n')
            .Select(l => l.Split('|', StringSplitOptions.TrimEntries))
            .Where(l => l.Length == 3 && l[0] == name && !l[2].StartsWith("file:", StringComparison.Ordinal) && l[2].EndsWith(" Packages", StringComparison.Ordinal))
            .Select(l => l[1]).FirstOrDefault();
    }

    /// <summary>Downloads what installing packages would bring in. Files that are there already are checked and kept.</summary>
    /// <param name="packages">Packages, as NAME or NAME=VERSION.</param>
    /// <param name="recommends">Whether recommended packages are part of it.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>The files, those of <see cref="PackageDirectory"/> included.</returns>
    /// <exception cref="KernelException">They cannot be installed together, or not be had.</exception>
    public async Task<ImmutableArray<string>> DownloadClosureAsync(IReadOnlyList<string> packages, bool recommends, CancellationToken cancellationToken)
    {
        string names = string.Join(", ", packages);
        string[] common = ["-o", "Debug::NoLocking=1", "-o", $"APT::Install-Recommends={(recommends ? "1" : "0")}", "-o", "APT::Install-Suggests=0", "--assume-yes", "--allow-downgrades", "install"];
        try
        {
            // 'URI' file size hash, of all that are not in the cache: it is shown an empty one.
            string nothing = Path.Combine(_directory, "cache", "nothing");
            Directory.CreateDirectory(Path.Combine(nothing, "partial"));
            ExternalResult listed = await AptGetAsync([.. common, "-o", $"Dir::Cache::archives={nothing}/", "--print-uris", .. packages], null, cancellationToken);
            ImmutableArray<(string Uri, string File)> wanted =
            [
                .. listed.StandardOutput.Split('\n').Where(l => l.StartsWith('\'') && l.IndexOf('\'', 1) > 0)
                    .Select(l => (Uri: l[1..l.IndexOf('\'', 1)], Words: l[(l.IndexOf('\'', 1) + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries)))
                    .Where(l => l.Words.Length > 0 && l.Words[0].EndsWith(".deb", StringComparison.Ordinal))
                    .Select(l => (l.Uri, l.Words[0])),
            ];
            if (wanted.Any(w => !w.Uri.StartsWith("file:", StringComparison.Ordinal) && !File.Exists(Path.Combine(ArchiveDirectory, w.File))))
            {
                _progress?.Report(new KernelProgress($"downloading {names} and what that needs, {wanted.Length} {(wanted.Length == 1 ? "package" : "packages")}"));
                await AptGetAsync([.. common, "--download-only", .. packages], null, cancellationToken);
            }

            string[] files =
            [
                .. wanted.Select(w => w.Uri.StartsWith("file:", StringComparison.Ordinal) ? Uri.UnescapeDataString(w.Uri["file:".Length..]) : Path.Combine(ArchiveDirectory, w.File)),
            ];
            return files.FirstOrDefault(f => !File.Exists(f)) is { } missing
                ? throw new KernelException($"{names} cannot be provided: apt-get said it downloaded {Path.GetFileName(missing)}, but there is no such file; look at the host's apt configuration.") { Problem = KernelProblem.Unavailable }
                : [.. files];
        }
        catch (ExternalProgramException e)
        {
            throw new KernelException($"{names} cannot be provided: {WhyNoClosure(e)}", e)
            {
                Problem = HasNoPackage(new ExternalResult(e.ExitCode, e.StandardOutput, e.StandardError)) ? KernelProblem.NotFound : KernelProblem.Unavailable,
            };
        }
    }

    /// <summary>The reason apt gives in the middle of its explanations.</summary>
    internal static string WhyNoClosure(string standardOutput, string standardError)
    {
        string[] unmet =
        [
            .. standardOutput.Split('\n').Select(l => l.Trim())
                .Where(l => (l.Contains(" : Depends:", StringComparison.Ordinal) || l.Contains(" : PreDepends:", StringComparison.Ordinal) || l.Contains(" : Conflicts:", StringComparison.Ordinal) || l.Contains(" : Breaks:", StringComparison.Ordinal)))
                .Select(l => l.Replace(" : ", ": ", StringComparison.Ordinal)),
        ];
        return unmet.Length > 0 ? string.Join("; ", unmet.Take(3)) : Errors(standardError);
    }

    private static string WhyNoClosure(ExternalProgramException e) => WhyNoClosure(e.StandardOutput, e.StandardError);

    private string OfDirectory()
    {
        if (PackageDirectory is null)
            return "";
        File.WriteAllText(PreferencesFile, "Package: *\nPin: origin \"\"\nPin-Priority: 1001\n");
        string path = string.Join('/', PackageDirectory.Split('/').Select(Uri.EscapeDataString));
        return new StringBuilder("\nTypes: deb\nURIs: file:").Append(path).Append("\nSuites: ./\nTrusted: yes\nTargets: Packages\n").ToString();
    }
}
