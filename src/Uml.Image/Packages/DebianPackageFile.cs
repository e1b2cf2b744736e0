using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;

namespace Uml.CI;

/// <summary>A Debian package in a file.</summary>
/// <param name="Path">The file, as an absolute path.</param>
/// <param name="Control">What it says of itself.</param>
internal sealed record DebianPackageFile(string Path, ControlParagraph Control)
{
    public string Name => Control["Package"];

    public string Version => Control["Version"];

    public string Architecture => Control["Architecture"];

    /// <summary>Reads the description of a package.</summary>
    /// <exception cref="KernelException">It is no package, or not one for this machine.</exception>
    public static async Task<DebianPackageFile> ReadAsync(HostTools host, string path, CancellationToken cancellationToken)
    {
        string full = System.IO.Path.GetFullPath(path);
        if (Directory.Exists(full) || !File.Exists(full))
            throw new KernelException($"{path} is not a file: name a package (.deb) that exists.") { Problem = KernelProblem.NotFound };
        try
        {
            ExternalResult shown = await new ExternalProgram(host.Find("dpkg-deb", "dpkg", path)) { Arguments = ["--field", full], EndsWithParent = true }.RunAsync(cancellationToken);
            ControlParagraph? control = ControlParagraph.Parse(shown.StandardOutput).FirstOrDefault();
            if (control is null || control["Package"].Length == 0 || control["Version"].Length == 0)
                throw new KernelException($"{path} says neither its name nor its version: build it again, for instance with dpkg-deb --build.") { Problem = KernelProblem.InvalidReference };
            return control["Architecture"] is "amd64" or "all"
                ? new DebianPackageFile(full, control)
                : throw new KernelException($"{path} is for {control["Architecture"]}: guests are amd64, so give a package for amd64 or all.") { Problem = KernelProblem.InvalidReference };
        }
        catch (ExternalProgramException e)
        {
            string said = e.StandardError.Split('\n', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault() ?? e.Message;
            throw new KernelException($"{path} is no Debian package: {said.Trim()}; give a .deb file.", e) { Problem = KernelProblem.InvalidReference };
        }
        catch (FormatException e)
        {
            throw new KernelException($"{path} is no Debian package: {e.Message}; give a .deb file.", e) { Problem = KernelProblem.InvalidReference };
        }
    }

    /// <summary>The packages a .changes file names that run here, each checked against the sums in it.</summary>
    /// <param name="path">The .changes file; the packages are beside it.</param>
    /// <exception cref="KernelException">It cannot be read, names none, or one is missing or another than it says.</exception>
    public static ImmutableArray<string> ReadChanges(string path)
    {
        ControlParagraph? changes;
        try
        {
            changes = ControlParagraph.Parse(File.ReadAllText(path)).FirstOrDefault();
        }
        catch (Exception e) when (e is FormatException or IOException or UnauthorizedAccessException)
        {
            throw new KernelException($"{path} is no .changes file: {OneLine.Of(e).TrimEnd('.')}; give the one dpkg-buildpackage wrote.", e) { Problem = KernelProblem.InvalidReference };
        }

        // SHA-256 size name
        (string Sum, long Size, string Name)[] listed =
        [
            .. (changes?["Checksums-Sha256"] ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                .Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Where(l => l.Length == 3 && long.TryParse(l[1], NumberStyles.None, CultureInfo.InvariantCulture, out _))
                .Select(l => (l[0], long.Parse(l[1], CultureInfo.InvariantCulture), l[2])),
        ];
        if (listed.Length == 0)
            throw new KernelException($"{path} is no .changes file: it has no field Checksums-Sha256; give the one dpkg-buildpackage wrote.") { Problem = KernelProblem.InvalidReference };
        ImmutableArray<string>.Builder packages = ImmutableArray.CreateBuilder<string>();
        foreach ((string sum, long size, string name) in listed.Where(l => l.Name.EndsWith("_amd64.deb", StringComparison.Ordinal) || l.Name.EndsWith("_all.deb", StringComparison.Ordinal)))
        {
            if (name.Contains('/', StringComparison.Ordinal))
                throw new KernelException($"{path} names a file outside of its directory: \"{name}\"; give the .changes file dpkg-buildpackage wrote.") { Problem = KernelProblem.InvalidReference };
            if (name.Contains("-dbgsym_", StringComparison.Ordinal))
                continue;
            string file = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!, name);
            if (!File.Exists(file))
                throw new KernelException($"{path} names {name}, which is not beside it: put it there, or name the packages you have.") { Problem = KernelProblem.NotFound };
            if (new FileInfo(file).Length != size || !string.Equals(Sha256(file), sum, StringComparison.OrdinalIgnoreCase))
                throw new KernelException($"{name} is not what {path} says: its size or SHA-256 is another; build the package again.") { Problem = KernelProblem.InvalidReference };
            packages.Add(file);
        }

        return packages.Count > 0 ? packages.ToImmutable() : throw new KernelException($"{path} names no package for amd64 or all: give that of a binary build.") { Problem = KernelProblem.InvalidReference };
    }

    /// <summary>The paragraph of an index for this package.</summary>
    /// <param name="fileName">The file's name below the index's directory.</param>
    public string ToIndex(string fileName)
    {
        ControlParagraph entry = new();
        foreach ((string name, string value) in Control)
            entry.Set(name, value);
        return entry.Set("Filename", "./" + fileName).Set("Size", new FileInfo(Path).Length.ToString(CultureInfo.InvariantCulture)).Set("SHA256", Sha256(Path)).ToString();
    }

    /// <summary>A name for the file that no program reads anything into: an epoch has a colon.</summary>
    public string PlainName => string.Concat($"{Name}_{Version}_{Architecture}.deb".Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or '+' ? c : '.'));

    private static string Sha256(string path)
    {
        using FileStream file = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }
}
