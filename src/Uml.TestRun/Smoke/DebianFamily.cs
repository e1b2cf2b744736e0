using System.Collections.Immutable;
using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>Debian's packages, with dpkg, apt and systemd.</summary>
internal sealed partial class DebianFamily(HostTools host) : IPackageFamily
{
    private static readonly string[] s_guestFiles = ["smoke.sh", "files.pl"];

    /// <inheritdoc/>
    public LeftoverRules Leftovers { get; } = new(
        // What the tools that install keep for themselves, and what a running system writes. What a web server shows is the administrator's.
        Ignored: [
            "/var/lib/dpkg/", "/var/lib/apt/", "/var/cache/", "/var/lib/systemd/", "/var/lib/ucf/", "/var/lib/private", "/var/backups/", "/var/lib/dbus/", "/var/lib/pam/",
            "/var/log/journal", "/var/log/apt/", "/var/log/dpkg.log", "/var/log/alternatives.log", "/var/log/btmp", "/var/log/wtmp", "/var/log/wtmp.db", "/var/log/lastlog", "/var/log/faillog", "/var/log/private", "/var/log/fontconfig.log",
            "/var/lib/wtmpdb", "/var/lib/lastlog", "/root/", "/etc/machine-id", "/etc/resolv.conf", "/etc/.pwd.lock", "/etc/mtab",
            "/etc/apt/", "/etc/ld.so.cache", "/etc/rc0.d", "/etc/rc1.d", "/etc/rc2.d", "/etc/rc3.d", "/etc/rc4.d", "/etc/rc5.d", "/etc/rc6.d", "/etc/rcS.d",
            "/usr/share/info/dir", "/usr/share/mime/", "/usr/share/applications/mimeinfo.cache", "/usr/share/glib-2.0/schemas/gschemas.compiled",
            "/var/www", "/var/lib/python/", "/var/lib/emacsen-common", "/var/lib/sgml-base", "/var/lib/xml-core", "/var/lib/update-rc.d"],
        // Accounts stay: nobody knows whose files they still own. Who wrote to these files is asked for by their content.
        Rewritten: [
            "/etc/passwd", "/etc/passwd-", "/etc/group", "/etc/group-", "/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/subuid", "/etc/subuid-", "/etc/subgid", "/etc/subgid-",
            "/etc/shells", "/etc/shells.tmp", "/etc/inetd.conf", "/etc/pam.d/common-account", "/etc/pam.d/common-auth", "/etc/pam.d/common-password", "/etc/pam.d/common-session", "/etc/pam.d/common-session-noninteractive",
            "/etc/ssl/certs/ca-certificates.crt", "/etc/environment", "/etc/nsswitch.conf"],
        FirstUserId: 1000);

    /// <inheritdoc/>
    public async Task<PackageSelection> SelectAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        var names = new List<string>();
        var files = new Dictionary<string, DebianPackageFile>(StringComparer.Ordinal);
        var notes = new List<string>();
        foreach (string argument in arguments)
        {
            if (argument.Length == 0)
                throw new ArgumentException("a package's name is empty: name a file, a directory, a .changes file or a package");
            if (argument.EndsWith(".changes", StringComparison.Ordinal))
            {
                if (!File.Exists(argument))
                    throw new KernelException($"{argument} does not exist: name a .changes file that does.") { Problem = KernelProblem.NotFound };
                await AddAsync(DebianPackageFile.ReadChanges(argument));
            }
            else if (Directory.Exists(argument))
            {
                string[] found = [.. Directory.EnumerateFiles(argument, "*.deb").Order(StringComparer.Ordinal)];
                if (found.Length == 0)
                    throw new KernelException($"the directory {argument} has no package (.deb) in it: name one that has.") { Problem = KernelProblem.NotFound };
                await AddAsync(found);
            }
            else if (argument.EndsWith(".deb", StringComparison.Ordinal) || argument.Contains('/', StringComparison.Ordinal))
            {
                await AddAsync([argument]);
            }
            else if (PackageName().IsMatch(argument))
            {
                names.Add(argument);
            }
            else
            {
                throw new ArgumentException($"\"{argument}\" is neither a file nor the name of a package: names are small letters, digits, '+', '-' and '.'");
            }
        }

        return new PackageSelection([.. names.Distinct(StringComparer.Ordinal)], [.. files.Values], [.. notes]);

        async Task AddAsync(IEnumerable<string> paths)
        {
            foreach (string path in paths)
            {
                DebianPackageFile file = await DebianPackageFile.ReadAsync(host, path, cancellationToken);
                if (files.TryGetValue(file.Name, out DebianPackageFile? other) && other.Path != file.Path)
                    throw new ArgumentException($"the package {file.Name} was given twice: {other.Path} and {file.Path}; give one of them");
                files[file.Name] = file;
                names.Add(file.Name);
            }
        }
    }

    /// <inheritdoc/>
    public async Task<PreparedSuite> PrepareAsync(PackageSelection selection, string suite, bool recommends, IProgress<KernelProgress>? progress, CancellationToken cancellationToken)
    {
        var root = GuestRoot.Distribution(suite.Contains(':', StringComparison.Ordinal) ? suite : $"debian:{suite}#systemd");
        RootImage image = await new ImageStore(null, host).ResolveAsync(root.Reference!, new ImageResolveOptions { Progress = progress }, cancellationToken);
        PackageRepository repository = await PackageRepository.PrepareAsync(host, image, selection.Files, selection.Names, recommends, progress, cancellationToken);
        try
        {
            foreach (string file in s_guestFiles)
            {
                using Stream source = typeof(DebianFamily).Assembly.GetManifestResourceStream("smoke/" + (file == "smoke.sh" ? "debian.sh" : file))!;
                await using FileStream target = File.Create(Path.Combine(repository.Directory, file));
                await source.CopyToAsync(target, cancellationToken);
            }

            return new PreparedSuite(
                root.Reference!.Suite!, root, repository, repository.Directory,
                [.. repository.Choices.Select(c => new SmokeTarget(c.Name, c.Version, c.OlderVersion, c.NoUpgrade, c.Problem, c.InImage))]);
        }
        catch
        {
            repository.Dispose();
            throw;
        }
    }

    [GeneratedRegex("^[a-z0-9][a-z0-9+.-]+$", RegexOptions.CultureInvariant)]
    private static partial Regex PackageName();
}
