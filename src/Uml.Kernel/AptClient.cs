using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Uml.CI;

/// <summary>The signed description of a suite.</summary>
/// <param name="Date">When it was made.</param>
/// <param name="Sha256">What it is; everything in the suite is named in it.</param>
internal sealed record AptRelease(DateTimeOffset Date, string Sha256);

/// <summary>
/// The host's own apt, working in a directory of its own: configuration, proxies, keyrings and credentials are the host's,
/// state and cache are not, so that an ordinary user can run it and the host notices nothing.
/// </summary>
internal sealed partial class AptClient
{
    private readonly HostTools _host;
    private readonly string _reference;
    private readonly string _alternative;
    private readonly string _aptGet;
    private readonly string _dpkgDeb;
    private readonly string _directory;
    private readonly string _configuration;
    private readonly IProgress<KernelProgress>? _progress;
    private bool _ignoreExpiry;

    public AptClient(HostTools host, string reference, string directory, IProgress<KernelProgress>? progress, string alternative = HostTools.Alternative)
    {
        _host = host;
        _reference = reference;
        _alternative = alternative;
        _directory = directory;
        _progress = progress;
        _aptGet = host.Find("apt-get", "apt", reference, alternative);
        _dpkgDeb = host.Find("dpkg-deb", "dpkg", reference, alternative);
        _configuration = Path.Combine(directory, "apt.conf");
    }

    private string SourceFile => Path.Combine(_directory, "uml.sources");

    /// <summary>One package that can be downloaded.</summary>
    public sealed record Package(string Name, string Version, long Size);

    /// <summary>Reads the host's sources and what is known of them.</summary>
    public async Task<ImmutableArray<AptSource>> FindArchivesAsync(CancellationToken cancellationToken)
    {
        string? mirror = _host.Variable(DebianArchive.MirrorVariable);
        if (!string.IsNullOrWhiteSpace(mirror))
            return DebianArchive.Choose(mirror, [], [], File.Exists, _reference, _alternative);

        string aptConfig = _host.Find("apt-config", "apt", _reference, _alternative);
        ExternalResult where;
        try
        {
            where = await RunAsync(aptConfig, ["shell", "LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d"], null, cancellationToken);
        }
        catch (ExternalProgramException e)
        {
            throw new KernelException($"{_reference} cannot be fetched: {e.Message}; mend apt's configuration (apt-config dump), or {_alternative}.", e) { Problem = KernelProblem.Unavailable };
        }

        List<string> files = [];
        foreach (string line in where.StandardOutput.Split('\n'))
        {
            int equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0)
                continue;
            string path = line[(equals + 1)..].Trim('\'');
            if (line.StartsWith("LIST", StringComparison.Ordinal) && File.Exists(path))
                files.Add(path);
            else if (line.StartsWith("PARTS", StringComparison.Ordinal) && Directory.Exists(path))
                files.AddRange(Directory.EnumerateFiles(path).Where(f => f.EndsWith(".list", StringComparison.Ordinal) || f.EndsWith(".sources", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        }

        List<AptSource> sources = [];
        foreach (string file in files)
        {
            try
            {
                sources.AddRange(AptSource.Parse(file, await File.ReadAllTextAsync(file, cancellationToken)));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // A source only root may read, with a password in it, say: the others may do.
                _progress?.Report(new KernelProgress($"leaving out {file}: {OneLine.Of(e)}", IsWarning: true));
            }
        }

        ExternalResult targets = await RunAsync(
            _aptGet, ["indextargets", "--format", "$(REPO_URI)|$(ORIGIN)|$(LABEL)", "Created-By: Packages"], null, cancellationToken, throws: false);
        DebianArchive.Release[] releases =
        [
            .. targets.StandardOutput.Split('\n')
                .Select(l => l.Split('|'))
                .Where(l => l.Length == 3 && l[1].Length > 0 && !l[1].StartsWith("$(", StringComparison.Ordinal))
                .Select(l => new DebianArchive.Release(l[0], l[1], l[2]))
                .Distinct(),
        ];
        return DebianArchive.Choose(null, sources, releases, File.Exists, _reference, _alternative);
    }

    /// <summary>Whether the index is used although it is past its date.</summary>
    public bool IgnoresExpiry => _ignoreExpiry;

    /// <summary>Fetches no more of a suite than its signed description.</summary>
    public async Task<AptRelease> ReadReleaseAsync(AptSource archive, string suite, CancellationToken cancellationToken)
    {
        // An index that no archive has: the description is fetched and checked all the same.
        await UpdateAsync(archive, suite, cancellationToken, target: "None");
        string file = Directory.EnumerateFiles(Path.Combine(_directory, "state", "lists"), "*Release").Order(StringComparer.Ordinal).FirstOrDefault()
            ?? throw new KernelException($"{_reference} cannot be fetched: apt-get said it read the index of {suite}, but there is none; look at the host's apt configuration.");
        string? date = File.ReadLines(file).FirstOrDefault(l => l.StartsWith("Date:", StringComparison.Ordinal))?["Date:".Length..].Trim();
        if (!DateTimeOffset.TryParse(date?.Replace("UTC", "GMT", StringComparison.Ordinal), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out DateTimeOffset time))
            throw new KernelException($"{_reference} cannot be fetched: the index of {suite} has no date; use another mirror.") { Problem = KernelProblem.Unavailable };
        return new AptRelease(time, KernelStore.HashOf(file));
    }

    /// <summary>Fetches the index of a suite.</summary>
    public async Task UpdateAsync(AptSource archive, string suite, CancellationToken cancellationToken, string target = "Packages")
    {
        if (!KeepsIndexes)
            UnixFiles.DeleteTree(Path.Combine(_directory, "state"));
        foreach (string directory in (string[])["state/lists/partial", "cache/archives/partial", "empty", "debs"])
            Directory.CreateDirectory(Path.Combine(_directory, directory));
        await File.WriteAllTextAsync(Path.Combine(_directory, "status"), "", cancellationToken);
        await File.WriteAllTextAsync(SourceFile, archive.ToStanza(suite, target) + OfDirectory(), cancellationToken);
        _ignoreExpiry = false;
        await File.WriteAllTextAsync(_configuration, Configuration(), cancellationToken);

        string from = string.Join(' ', archive.Uris.Select(WithoutPassword));
        _progress?.Report(new KernelProgress($"reading the index of {suite} from {from}"));
        try
        {
            try
            {
                await AptGetAsync(["-o", "APT::Update::Error-Mode=any", "update"], null, cancellationToken);
            }
            catch (ExternalProgramException e) when (OnlyExpired(e.StandardError))
            {
                _progress?.Report(new KernelProgress(
                    $"the index of {suite} at {from} is past its Valid-Until date; using it all the same, as its signature is good", IsWarning: true));
                _ignoreExpiry = true;
                await File.WriteAllTextAsync(_configuration, Configuration(), cancellationToken);
                await AptGetAsync(["-o", "APT::Update::Error-Mode=any", "update"], null, cancellationToken);
            }
        }
        catch (ExternalProgramException e)
        {
            throw new KernelException($"{_reference} cannot be fetched from {from}: {WhyUpdateFailed(e, suite)}", e) { Problem = HasNoSuite(e) ? KernelProblem.NotFound : KernelProblem.Unavailable };
        }

        // A source that only looks like Debian's is found out here, before anything of it is used.
        foreach (string release in Directory.EnumerateFiles(Path.Combine(_directory, "state", "lists"), "*Release"))
        {
            string? origin = File.ReadLines(release).FirstOrDefault(l => l.StartsWith("Origin:", StringComparison.Ordinal))?["Origin:".Length..].Trim();
            if (origin is not ("Debian" or "Debian Backports"))
                throw new KernelException($"{_reference} cannot be fetched from {from}: that archive says it is '{origin ?? "nobody"}', not Debian; set {DebianArchive.MirrorVariable} to the address of a Debian mirror.");
        }
    }

    /// <summary>What the index has of a package.</summary>
    public async Task<Package> FindPackageAsync(string name, string suite, CancellationToken cancellationToken)
    {
        ExternalResult result = await AptGetAsync(["download", "--print-uris", name], null, cancellationToken, throws: false);

        // 'URI' file_version_arch.deb size hash
        foreach (string line in result.StandardOutput.Split('\n'))
        {
            string[] words = line[(line.LastIndexOf('\'') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (line.StartsWith('\'') && words.Length >= 2 && words[0].Split('_') is { Length: 3 } parts && parts[0] == name
                && long.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out long size))
                return new Package(name, Uri.UnescapeDataString(parts[1]), size);
        }

        throw new KernelException(
            HasNoPackage(result)
                ? $"{_reference} cannot be fetched: the suite {suite} has no package {name} for amd64; use another suite, such as debian:sid."
                : $"{_reference} cannot be fetched: {Errors(result.StandardError)}.")
        { Problem = HasNoPackage(result) ? KernelProblem.NotFound : KernelProblem.Unavailable };
    }

    /// <summary>Downloads packages; apt checks them against the signed index.</summary>
    public async Task DownloadAsync(IReadOnlyList<Package> packages, CancellationToken cancellationToken)
    {
        long total = packages.Sum(p => p.Size);
        string stage = "downloading " + string.Join(", ", packages.Select(p => $"{p.Name} {p.Version}"));
        _progress?.Report(new KernelProgress(stage, 0, total));
        long last = 0;
        try
        {
            await AptGetAsync(
                ["-o", "APT::Status-Fd=1", "download", .. packages.Select(p => p.Name)],
                line =>
                {
                    // dlstatus:ITEM:PERCENT:TEXT
                    string[] words = line.Split(':');
                    if (words.Length < 3 || words[0] != "dlstatus" || !double.TryParse(words[2], NumberStyles.Float, CultureInfo.InvariantCulture, out double percent))
                        return;
                    long done = (long)(total * Math.Clamp(percent, 0, 100) / 100);
                    if (done <= last)
                        return;
                    last = done;
                    _progress?.Report(new KernelProgress(stage, done, total));
                },
                cancellationToken);
        }
        catch (ExternalProgramException e)
        {
            throw new KernelException($"{_reference} cannot be fetched: {Errors(e.StandardError)}; try again, or see to the network and the free space in {_directory}.", e) { Problem = KernelProblem.Unavailable };
        }
    }

    /// <summary>Unpacks a downloaded package and returns its version.</summary>
    public async Task<string> UnpackAsync(string name, string destination, CancellationToken cancellationToken)
    {
        string file = Directory.EnumerateFiles(Path.Combine(_directory, "debs"), name + "_*.deb").SingleOrDefault()
            ?? throw new KernelException($"{_reference} cannot be fetched: apt-get said it downloaded {name}, but there is no such file; look at the host's apt configuration.");
        _progress?.Report(new KernelProgress($"unpacking {name}"));
        try
        {
            Directory.CreateDirectory(destination);
            ExternalResult version = await RunAsync(_dpkgDeb, ["-f", file, "Version"], null, cancellationToken);
            await RunAsync(_dpkgDeb, ["-x", file, destination], null, cancellationToken);
            File.Delete(file);
            return version.StandardOutput.Trim();
        }
        catch (ExternalProgramException e)
        {
            throw new KernelException($"{_reference} cannot be unpacked: {OneLine.Of(e)}; see to the free space in {_directory}.", e) { Problem = KernelProblem.Unavailable };
        }
    }

    private string Configuration()
    {
        // Read after the host's own configuration (-c), so what stands here holds. Hooks are the host's business with its
        // own state; pins and the default release would hide a suite the host does not follow.
        StringBuilder text = new();
        foreach (string option in (string[])["APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success",
            "APT::Default-Release", "APT::Architectures", "DPkg::Post-Invoke", "DPkg::Pre-Install-Pkgs", "APT::Status-Fd", "quiet"])
            text.Append("#clear ").Append(option).Append(";\n");
        Set("APT::Architecture", "amd64");
        Set("APT::Architectures::", "amd64");
        Set("Dir::State", Path.Combine(_directory, "state"));
        Set("Dir::State::lists", "lists");
        Set("Dir::State::status", Path.Combine(_directory, "status"));
        Set("Dir::Cache", Path.Combine(_directory, "cache"));
        Set("Dir::Cache::archives", "archives");
        Set("Dir::Cache::pkgcache", KeepsIndexes ? "pkgcache.bin" : "");
        Set("Dir::Cache::srcpkgcache", KeepsIndexes ? "srcpkgcache.bin" : "");
        Set("Dir::Log", Path.Combine(_directory, "empty"));
        Set("Dir::Etc::sourcelist", SourceFile);
        Set("Dir::Etc::sourceparts", Path.Combine(_directory, "empty"));
        Set("Dir::Etc::preferences", PackageDirectory is null ? Path.Combine(_directory, "empty", "none") : PreferencesFile);
        Set("Dir::Etc::preferencesparts", Path.Combine(_directory, "empty"));

        // Only root's apt changes its user for the download, and that user has no way into this directory.
        Set("APT::Sandbox::User", "root");
        Set("APT::Get::AllowUnauthenticated", "false");
        Set("Acquire::AllowInsecureRepositories", "false");
        Set("Acquire::Languages", "none");
        Set("Acquire::PDiffs", "false");
        Set("Acquire::Retries", "3");
        text.Append(_host.AptConfiguration);
        if (_ignoreExpiry)
            Set("Acquire::Check-Valid-Until", "false");
        return text.ToString();

        void Set(string name, string value)
        {
            // apt has no escapes within quotes.
            if (value.AsSpan().ContainsAny('"', '\n'))
                throw new KernelException($"{_reference} cannot be fetched: apt cannot work in {_directory}, whose path has a quote or a line end in it; set UML_CACHE to another directory.");
            text.Append(name).Append(" \"").Append(value).Append("\";\n");
        }
    }

    private Task<ExternalResult> AptGetAsync(string[] arguments, Action<string>? onOutput, CancellationToken cancellationToken, bool throws = true) =>
        RunAsync(_aptGet, ["-c", _configuration, "-qq", .. arguments], onOutput, cancellationToken, throws);

    private async Task<ExternalResult> RunAsync(
        string program, string[] arguments, Action<string>? onOutput, CancellationToken cancellationToken, bool throws = true)
    {
        return await new ExternalProgram(program)
        {
            Arguments = [.. arguments],
            WorkingDirectory = Directory.Exists(Path.Combine(_directory, "debs")) ? Path.Combine(_directory, "debs") : _directory,
            Environment = ImmutableDictionary<string, string?>.Empty.Add("LC_ALL", "C.UTF-8").Add("LANGUAGE", null).Add("TMPDIR", _directory),
            OnOutput = onOutput,
            EndsWithParent = true,
            ThrowsOnFailure = throws,
        }.RunAsync(cancellationToken);
    }

    private static bool OnlyExpired(string standardError)
    {
        string[] errors = [.. ErrorLines(standardError)];
        return errors.Length > 0 && errors.All(e => e.StartsWith("Release file for", StringComparison.Ordinal) && e.Contains("is expired", StringComparison.Ordinal));
    }

    private static bool HasNoPackage(ExternalResult result) =>
        result.ExitCode == 0 || result.StandardError.Contains("Unable to locate package", StringComparison.Ordinal);

    private static bool HasNoSuite(ExternalProgramException e) =>
        (e.StandardError + e.StandardOutput).Contains("does not have a Release file", StringComparison.Ordinal);

    private string WhyUpdateFailed(ExternalProgramException e, string suite)
    {
        string errors = Errors(e.StandardError.Length > 0 ? e.StandardError : e.StandardOutput);
        if (errors.Contains("NO_PUBKEY", StringComparison.Ordinal) || errors.Contains("is not signed", StringComparison.Ordinal) || errors.Contains("couldn't be verified", StringComparison.Ordinal))
            return $"its signature does not match the keys of this host ({errors}); install or upgrade the package 'debian-archive-keyring'.";
        if (HasNoSuite(e))
            return $"it has no suite {suite}; write an existing one, such as debian:sid.";
        if (errors.Contains("not valid yet", StringComparison.Ordinal))
            return $"its index is from the future ({errors}); set this host's clock.";
        return $"{errors}; see to the network, the proxy (apt's own settings are used) and the free space in {_directory}.";
    }

    private static string Errors(string standardError)
    {
        string[] errors = [.. ErrorLines(standardError)];
        string text = errors.Length > 0 ? string.Join(" | ", errors.Take(3)) : string.Join(" | ", standardError.Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(3));
        return text.Length == 0 ? "apt-get failed without a word" : text.TrimEnd('.');
    }

    private static IEnumerable<string> ErrorLines(string standardError) =>
        standardError.Split('\n').Where(l => l.StartsWith("E: ", StringComparison.Ordinal) || l.StartsWith("W: GPG error", StringComparison.Ordinal)).Select(l => l[3..].Trim());

    private static string WithoutPassword(string uri)
    {
        int start = uri.IndexOf("://", StringComparison.Ordinal);
        int at = uri.IndexOf('@', StringComparison.Ordinal);
        int slash = start < 0 ? -1 : uri.IndexOf('/', start + 3);
        return start >= 0 && at > start && (slash < 0 || at < slash) ? uri[..(start + 3)] + uri[(at + 1)..] : uri;
    }
}
