using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>Images of Debian, made by mmdebstrap from where the host's own apt gets its packages.</summary>
internal sealed partial class DistributionImages(HostTools host)
{
    private const string Bootstrap = "mmdebstrap";

    // Another one for each change of what is done here and in SquashfsWriter that changes the bytes.
    private const string Maker = "2";

    // The tree is made in memory, in a namespace of its own: whatever ends the build ends both, and nothing is left that an
    // ordinary user could not remove, such as files of subordinate users.
    private const string Script = """
        set -e
        mount -t tmpfs -o "size=$UML_SIZE,mode=755" uml "$UML_WORK"
        TMPDIR="$UML_WORK"; export TMPDIR
        exec "$@"
        """;

    // What came from the host or tells the day of the build. A first boot fills an empty machine-id. Not /tmp: without its configuration
    // there, what mmdebstrap cleans afterwards is the state of the host's apt.
    private const string Clean = """
        set -e
        cd "$1"
        rm -f etc/apt/sources.list etc/apt/sources.list.d/* etc/apt/apt.conf.d/99mmdebstrap etc/apt/trusted.gpg.d/uml-*
        rm -f etc/hostname etc/resolv.conf var/lib/dbus/machine-id var/cache/ldconfig/aux-cache
        rm -rf var/log/apt/* var/log/bootstrap.log var/log/alternatives.log var/log/dpkg.log var/log/journal/* var/cache/apt/archives/*.deb
        rm -f var/cache/debconf/*-old var/lib/dpkg/*-old
        echo uml > etc/hostname
        : > etc/resolv.conf
        [ ! -e etc/machine-id ] || : > etc/machine-id
        printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\tuml\n' > etc/hosts
        chmod 644 etc/hostname etc/resolv.conf etc/hosts
        [ ! -e etc/machine-id ] || chmod 444 etc/machine-id
        """;

    /// <summary>What is needed and missing, with the remedy; null when nothing is.</summary>
    public async Task<string?> ProblemAsync(CancellationToken cancellationToken)
    {
        if (HostPrograms.Find(host, Bootstrap) is null)
            return $"the program {Bootstrap} is not installed; install the package '{Bootstrap}'";
        return SquashfsWriter.Find(host) is null
            ? $"the program sqfstar is not installed; install the package '{SquashfsWriter.Package}'"
            : await UserNamespaces.ProblemAsync(host, cancellationToken);
    }

    /// <summary>Makes one.</summary>
    /// <param name="reference">Distribution, suite, recipe, packages.</param>
    /// <param name="temporary">An empty directory that is removed afterwards.</param>
    /// <param name="image">The file to write.</param>
    /// <param name="progress">Told what is going on.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<(ImageRecord Record, byte[] Attributes)> MakeAsync(
        ImageReference reference, string temporary, string image, IProgress<KernelProgress>? progress, CancellationToken cancellationToken)
    {
        if (reference.Scheme != "debian")
            throw new KernelException($"{reference} cannot be made: only images of Debian can so far; write debian:SUITE.") { Problem = KernelProblem.InvalidReference };
        if (await ProblemAsync(cancellationToken) is { } problem)
            throw new KernelException($"{reference} cannot be made on this host: {problem}.") { Problem = KernelProblem.Unavailable };
        string suite = reference.Suite!;
        ImageRecipe recipe = ImageRecipe.Load(reference.Recipe!);
        string aptDirectory = Path.Combine(temporary, "apt");
        Directory.CreateDirectory(aptDirectory);
        AptClient apt = new(host, reference.ToString(), aptDirectory, progress);
        (AptSource archive, AptRelease release) = await FindAsync(apt, suite, cancellationToken);

        string[] packages = [.. recipe.Packages.Concat(reference.Packages).Distinct().Order(StringComparer.Ordinal)];
        var inputs = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["maker"] = Maker,
            ["tools"] = $"{Bootstrap} {await VersionAsync(Bootstrap, cancellationToken)}, {SquashfsWriter.Program} {await VersionAsync(SquashfsWriter.Program, cancellationToken)}",
            ["suite"] = suite,
            ["release"] = release.Sha256,
            ["date"] = release.Date.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture),
            ["variant"] = recipe.Variant,
            ["packages"] = string.Join(' ', packages),
        };
        string key = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', inputs.Select(i => $"{i.Key}={i.Value}")))));

        string tar = Path.Combine(temporary, "root.tar");
        await BootstrapAsync(reference, recipe.Variant, packages, archive, release, temporary, tar, apt.IgnoresExpiry, progress, cancellationToken);
        (long content, long entries, byte[] attributes) = await ImageStore.PackAsync(host, reference.ToString(), tar, image, release.Date, progress, cancellationToken);
        File.Delete(tar);
        return (
            new ImageRecord
            {
                Origin = $"Debian {suite} of {release.Date:yyyy-MM-dd}",
                Inputs = inputs,
                Key = key,
                ContentSize = content,
                Entries = entries,
                Created = DateTimeOffset.UtcNow,
            },
            attributes);
    }

    private static async Task<(AptSource Archive, AptRelease Release)> FindAsync(AptClient apt, string suite, CancellationToken cancellationToken)
    {
        KernelException? first = null;
        foreach (AptSource archive in await apt.FindArchivesAsync(cancellationToken))
        {
            try
            {
                return (archive, await apt.ReadReleaseAsync(archive, suite, cancellationToken));
            }
            catch (KernelException e)
            {
                first ??= e;
            }
        }

        throw first!;
    }

    private async Task BootstrapAsync(
        ImageReference reference, string variant, string[] packages, AptSource archive, AptRelease release, string temporary, string tar, bool ignoreExpiry,
        IProgress<KernelProgress>? progress, CancellationToken cancellationToken)
    {
        string work = Path.Combine(temporary, "work");
        Directory.CreateDirectory(work);
        string sources = Path.Combine(temporary, "uml.sources");
        await File.WriteAllTextAsync(sources, archive.ToStanza(reference.Suite!), cancellationToken);
        string clean = Path.Combine(temporary, "clean.sh");
        await File.WriteAllTextAsync(clean, Clean, cancellationToken);
        string[] words =
        [
            .. UserNamespaces.Prefix(HostPrograms.Find(host, "unshare")!),
            "/bin/sh", "-c", Script, "sh",
            HostPrograms.Find(host, Bootstrap)!, "--mode=unshare", $"--variant={variant}", "--format=tar", "--architectures=amd64",
            "--aptopt=Acquire::Languages \"none\"", "--aptopt=Acquire::Retries \"3\"",
            .. ignoreExpiry ? (string[])["--aptopt=Acquire::Check-Valid-Until \"false\""] : [],
            .. (await ProxiesAsync(cancellationToken)).Select(p => "--aptopt=" + p),
            .. packages.Length > 0 ? (string[])["--include=" + string.Join(',', packages)] : [],
            $"--customize-hook=sh '{clean.Replace("'", "'\\''", StringComparison.Ordinal)}' \"$1\"",
            reference.Suite!, tar, sources,
        ];
        progress?.Report(new KernelProgress($"making {reference} with {Bootstrap}"));
        try
        {
            await new ExternalProgram(words[0])
            {
                Arguments = [.. words[1..]],
                WorkingDirectory = temporary,
                EndsWithParent = true,
                Environment = ImmutableDictionary<string, string?>.Empty
                    .Add("SOURCE_DATE_EPOCH", release.Date.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture))
                    .Add("LC_ALL", "C.UTF-8").Add("LANGUAGE", null).Add("TMPDIR", temporary).Add("APT_CONFIG", null)
                    .Add("PATH", $"{host.Variable("PATH")}:/usr/sbin:/sbin")
                    .Add("UML_WORK", work).Add("UML_SIZE", WorkSize()),
                OnError = line =>
                {
                    // I: installing essential packages...
                    if (line.StartsWith("I: ", StringComparison.Ordinal) && line.EndsWith("...", StringComparison.Ordinal) && !line.Contains('/', StringComparison.Ordinal))
                        progress?.Report(new KernelProgress($"{reference}: {line[3..].TrimEnd('.')}"));
                },
            }.RunAsync(cancellationToken);
        }
        catch (ExternalProgramException e)
        {
            throw new KernelException($"{reference} cannot be made: {Why(e.StandardError + "\n" + e.StandardOutput)}; see to the names of the packages, the network and the free space in {temporary}.", e)
            {
                Problem = e.StandardError.Contains("Unable to locate package", StringComparison.Ordinal) || e.StandardError.Contains("has no installation candidate", StringComparison.Ordinal) ? KernelProblem.NotFound : KernelProblem.Unavailable,
            };
        }
    }

    // mmdebstrap's apt reads no configuration of the host; without its proxies it may reach nothing.
    private async Task<IEnumerable<string>> ProxiesAsync(CancellationToken cancellationToken)
    {
        ExternalResult dump = await new ExternalProgram(host.Find("apt-config", "apt", "apt")) { Arguments = ["dump", "Acquire"], ThrowsOnFailure = false, EndsWithParent = true }.RunAsync(cancellationToken);
        return [.. (dump.StandardOutput + host.AptConfiguration).Split('\n').Select(l => l.Trim()).Where(IsOfTransport)];
    }

    private static bool IsOfTransport(string line)
    {
        string name = line.Split(' ')[0];
        return (name.StartsWith("Acquire::http", StringComparison.OrdinalIgnoreCase) || name.StartsWith("Acquire::ftp", StringComparison.OrdinalIgnoreCase)) && line.EndsWith("\";", StringComparison.Ordinal) && !line.EndsWith(" \"\";", StringComparison.Ordinal);
    }

    private async Task<string> VersionAsync(string program, CancellationToken cancellationToken)
    {
        ExternalResult result = await new ExternalProgram(HostPrograms.Find(host, program)!) { Arguments = [program == Bootstrap ? "--version" : "-version"], ThrowsOnFailure = false, EndsWithParent = true }.RunAsync(cancellationToken);
        return VersionNumber().Match(result.StandardOutput + result.StandardError).Value;
    }

    [GeneratedRegex(@"\d+(\.\d+)+", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex VersionNumber();

    private static string WorkSize()
    {
        long available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        return string.Create(CultureInfo.InvariantCulture, $"{Math.Max(1024, available / (1024 * 1024) * 3 / 4)}m");
    }

    private static string Why(string output)
    {
        string[] lines = [.. output.Split('\n').Select(l => l.Trim()).Where(l => l.Length > 0)];
        string[] errors = [.. lines.Where(l => l.StartsWith("E: ", StringComparison.Ordinal) && !l.Contains("mmdebstrap failed to run", StringComparison.Ordinal)).Select(l => l[3..]).Distinct().Take(3)];
        string[] said = errors.Length > 0 ? errors : [.. lines.TakeLast(3)];
        return (said.Length == 0 ? $"{Bootstrap} failed without a word" : string.Join(" | ", said)).TrimEnd('.');
    }
}
