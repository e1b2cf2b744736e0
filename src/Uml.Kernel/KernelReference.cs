using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>Where the kernel of a <see cref="KernelReference"/> comes from.</summary>
public enum KernelSource
{
    /// <summary>The <c>user-mode-linux</c> package of a Debian suite.</summary>
    Debian,

    /// <summary>A kernel executable on this machine.</summary>
    File,

    /// <summary>A kernel in a NuGet package, from the feeds of the user's NuGet.Config.</summary>
    NuGet,

    /// <summary>Built here from Debian's <c>linux-source-VERSION</c> package.</summary>
    DebianSource,

    /// <summary>Built here from a kernel tree or a tarball on this machine.</summary>
    SourceTree,
}

/// <summary>
/// Names a kernel: <c>debian:SUITE</c>; a version (<c>7.3</c>, <c>6.12.*</c>, <c>latest</c>) with an optional
/// <c>#PROFILES</c>, or <c>nuget:ID@RANGE</c>; <c>debian-source:VERSION#PROFILES</c> or <c>source:DIRECTORY#PROFILES</c>;
/// <c>file:PATH</c>, or a plain path, which is anything with a slash in it or the name of an existing file.
/// </summary>
public sealed partial record KernelReference
{
    /// <summary>The package of kernels that a bare version stands for; those of a profile add its name.</summary>
    public const string DefaultPackageId = "Uml.Kernel.Image";

    /// <summary>The profile that is meant where none is named.</summary>
    public const string DefaultProfile = "fast";

    private const string Forms = "write debian:SUITE (such as debian:sid), a version (7.3, 6.12.*, latest), nuget:ID@VERSION, debian-source:VERSION, source:DIRECTORY, file:PATH, or a path with a slash in it";

    private KernelReference(KernelSource source, string value)
    {
        Source = source;
        Value = value;
    }

    /// <summary>Where the kernel comes from.</summary>
    public KernelSource Source { get; }

    /// <summary>
    /// What stands behind the scheme: the suite; the path as it was written; <c>ID@RANGE</c>; <c>VERSION#PROFILES</c>;
    /// <c>DIRECTORY#PROFILES</c>.
    /// </summary>
    public string Value { get; }

    /// <summary>The package's ID, for <see cref="KernelSource.NuGet"/>; otherwise null.</summary>
    public string? PackageId => Source == KernelSource.NuGet ? Value[..Value.IndexOf('@', StringComparison.Ordinal)] : null;

    /// <summary>
    /// The versions wanted, for <see cref="KernelSource.NuGet"/>; otherwise null. <c>7.3</c> means the newest 7.3.x, <c>*</c> the
    /// newest of all; anything in brackets is NuGet's notation of a range.
    /// </summary>
    public string? VersionRange => Source == KernelSource.NuGet ? Value[(Value.IndexOf('@', StringComparison.Ordinal) + 1)..] : null;

    /// <summary>What a kernel is built from: the version of Debian's package or the path as written; otherwise null.</summary>
    public string? BuildSource => IsBuilt ? Value[..Value.LastIndexOf('#')] : null;

    /// <summary>The profiles a kernel is built with, in their order, for the two kinds that are built here; otherwise empty.</summary>
    public ImmutableArray<string> Profiles => IsBuilt ? [.. Value[(Value.LastIndexOf('#') + 1)..].Split(',')] : [];

    /// <summary>The kernel is built on this machine.</summary>
    public bool IsBuilt => Source is KernelSource.DebianSource or KernelSource.SourceTree;

    /// <summary>What it stands for may change at any time, so that no lock file pins it: it is a file or a tree of this machine.</summary>
    public bool IsLocal => Source is KernelSource.File or KernelSource.SourceTree;

    /// <summary>A Debian suite or codename: <c>sid</c>, <c>trixie</c>, <c>stable</c>.</summary>
    public static KernelReference Debian(string suite) => Parse("debian:" + suite);

    /// <summary>A kernel executable on this machine.</summary>
    public static KernelReference File(string path) => Parse("file:" + path);

    /// <summary>A kernel in a NuGet package.</summary>
    /// <param name="id">The package.</param>
    /// <param name="range">Its versions, as <see cref="VersionRange"/> has them.</param>
    public static KernelReference NuGet(string id, string range = "*") => Parse($"nuget:{id}@{range}");

    /// <summary>Reads a reference.</summary>
    /// <exception cref="KernelException">The text is no reference; the message says why.</exception>
    public static KernelReference Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Read(text, out KernelReference? reference) is { } problem ? throw new KernelException(problem) { Problem = KernelProblem.InvalidReference } : reference!;
    }

    /// <summary>Reads a reference; false when the text is none.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out KernelReference? reference)
    {
        reference = null;
        return text is not null && Read(text, out reference) is null;
    }

    /// <summary>The same as <see cref="Parse"/>.</summary>
    public static implicit operator KernelReference(string text) => Parse(text);

    /// <summary>The same as <see cref="Parse"/>.</summary>
    public static KernelReference FromString(string text) => Parse(text);

    /// <summary>
    /// The same kernel seen from a directory: a relative path is taken from there, everything else stays as it is.
    /// </summary>
    /// <param name="directory">An absolute path.</param>
    public KernelReference From(string directory)
    {
        ArgumentNullException.ThrowIfNull(directory);
        return Source switch
        {
            KernelSource.File => new KernelReference(Source, Path.GetFullPath(Value, directory)),
            KernelSource.SourceTree => new KernelReference(Source, Path.GetFullPath(BuildSource!, directory) + "#" + string.Join(',', Profiles)),
            _ => this,
        };
    }

    /// <summary>
    /// The reference in the form it is best known by, which parses back to an equal one: packages of the default ID as a
    /// bare version.
    /// </summary>
    public override string ToString()
    {
        switch (Source)
        {
            case KernelSource.Debian:
                return "debian:" + Value;
            case KernelSource.File:
                return "file:" + Value;
            case KernelSource.DebianSource:
                return "debian-source:" + Value;
            case KernelSource.SourceTree:
                return "source:" + Value;
        }

        string id = PackageId!;
        string range = VersionRange!;
        IReadOnlyList<string> profiles = id == DefaultPackageId ? [] : ProfilesOf(id);
        bool isBare = (range == "*" || BareVersion().IsMatch(range)) && (id == DefaultPackageId || profiles.Count > 0);
        return isBare
            ? (range == "*" ? "latest" : range) + (profiles.Count == 0 ? "" : "#" + string.Join(',', profiles))
            : "nuget:" + Value;
    }

    /// <summary>The package of kernels built with a profile.</summary>
    /// <param name="profiles">Profiles in their order; empty and <see cref="DefaultProfile"/> are the default package.</param>
    internal static string PackageIdOf(params IEnumerable<string> profiles)
    {
        string[] names = [.. profiles];
        return names is [] or [DefaultProfile]
            ? DefaultPackageId
            : DefaultPackageId + "." + string.Concat(names.Select(n => char.ToUpperInvariant(n[0]) + n[1..]));
    }

    /// <summary>The profiles of a package's kernels; empty when its ID is not one of <see cref="PackageIdOf"/>.</summary>
    internal static IReadOnlyList<string> ProfilesOf(string id)
    {
        if (string.Equals(id, DefaultPackageId, StringComparison.OrdinalIgnoreCase))
            return [DefaultProfile];
        string[] names = id.StartsWith(DefaultPackageId + ".", StringComparison.OrdinalIgnoreCase)
            ? [.. Capitalized().Matches(id[(DefaultPackageId.Length + 1)..]).Select(m => m.Value.ToLowerInvariant())]
            : [];
        return names.Length > 0 && string.Equals(PackageIdOf(names), id, StringComparison.Ordinal) ? names : [];
    }

    /// <summary>Returns what is wrong with the text, or null and the reference.</summary>
    private static string? Read(string text, out KernelReference? reference)
    {
        reference = null;
        if (string.IsNullOrWhiteSpace(text))
            return $"The kernel reference is empty: {Forms}.";
        if (text.Contains('\0', StringComparison.Ordinal) || text.Contains('\n', StringComparison.Ordinal))
            return $"The kernel reference '{text.Replace('\0', '?').Replace('\n', ' ')}' has a control character in it: {Forms}.";

        if (text.StartsWith("file:", StringComparison.Ordinal))
        {
            // file:///boot/linux is what a URI-minded person writes.
            string path = text["file:".Length..];
            if (path.StartsWith("///", StringComparison.Ordinal))
                path = path[2..];
            if (path.Length == 0)
                return "The kernel reference 'file:' names no file: write file:PATH.";
            reference = new KernelReference(KernelSource.File, path);
            return null;
        }

        if (text.StartsWith("debian:", StringComparison.Ordinal))
        {
            string suite = text["debian:".Length..];
            if (suite.Length == 0)
                return "The kernel reference 'debian:' names no suite: write debian:sid, debian:trixie or debian:bookworm.";
            if (!IsSuite(suite))
                return $"The kernel reference '{text}' has no valid Debian suite: suites are lower-case names such as sid, trixie or bookworm.";
            reference = new KernelReference(KernelSource.Debian, suite);
            return null;
        }

        if (text.StartsWith("nuget:", StringComparison.Ordinal))
            return ReadPackage(text, out reference);
        if (text.StartsWith("debian-source:", StringComparison.Ordinal) || text.StartsWith("source:", StringComparison.Ordinal))
            return ReadBuilt(text, out reference);

        // Before a file of that name is looked for: what a project means must not depend on what lies around.
        if (Bare().Match(text) is { Success: true } bare)
        {
            string profile = bare.Groups["profile"].Value;
            reference = new KernelReference(
                KernelSource.NuGet, PackageIdOf(profile.Length == 0 ? [] : profile.Split(',')) + "@" + (text.StartsWith("latest", StringComparison.Ordinal) ? "*" : Shortest(bare.Groups["version"].Value)));
            return null;
        }

        // A scheme of another tool is told apart from a path before the file system is asked.
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        if (colon > 0 && (slash < 0 || colon < slash) && !System.IO.File.Exists(text))
            return $"The kernel reference '{text}' begins with an unknown scheme '{text[..colon]}:': {Forms}.";
        if (slash >= 0 || System.IO.File.Exists(text))
        {
            reference = new KernelReference(KernelSource.File, text);
            return null;
        }

        return IsSuite(text)
            ? $"The kernel reference '{text}' is neither a file nor a reference: write debian:{text} for a Debian suite, or ./{text} for a file."
            : $"The kernel reference '{text}' is not understood: {Forms}.";
    }

    private static string? ReadPackage(string text, out KernelReference? reference)
    {
        reference = null;
        string[] parts = text["nuget:".Length..].Split('@', 2);
        if (!PackageName().IsMatch(parts[0]))
            return $"The kernel reference '{text}' has no valid package ID: write nuget:ID@VERSION, such as nuget:{DefaultPackageId}@7.3.";
        string range = parts.Length == 1 ? "*" : parts[1].Replace(" ", "", StringComparison.Ordinal);
        if (range is not "*" && !BareVersion().IsMatch(range) && !BracketedRange().IsMatch(range))
            return $"The kernel reference '{text}' has no valid version '{(parts.Length == 1 ? "" : parts[1])}': write a version or the beginning of one (7.3, 7.3.4, 7.3.*), * for the newest, or a range such as [7.2,7.4).";

        // NuGet's IDs do not differ in case alone, and this one has a spelling.
        string id = parts[0].StartsWith(DefaultPackageId, StringComparison.OrdinalIgnoreCase) ? DefaultPackageId + parts[0][DefaultPackageId.Length..] : parts[0];
        reference = new KernelReference(KernelSource.NuGet, id + "@" + Shortest(range));
        return null;
    }

    private static string? ReadBuilt(string text, out KernelReference? reference)
    {
        reference = null;
        bool debian = text.StartsWith("debian-source:", StringComparison.Ordinal);
        string value = text[(text.IndexOf(':', StringComparison.Ordinal) + 1)..];
        int mark = value.LastIndexOf('#');
        string source = mark < 0 ? value : value[..mark];
        string profiles = mark < 0 ? DefaultProfile : value[(mark + 1)..];
        if (debian && !SourceVersion().IsMatch(source))
            return $"The kernel reference '{text}' has no valid version '{source}': write debian-source:7.3 for Debian's package linux-source-7.3, or debian-source:6.12@trixie for that of one suite.";
        if (source.Length == 0)
            return $"The kernel reference '{text}' names no source: write source:DIRECTORY, the directory or the tarball of a kernel's source.";
        if (profiles.Split(',').FirstOrDefault(p => !IsProfile(p)) is { } bad)
            return $"The kernel reference '{text}' has no valid profile '{bad}' behind its '#': profiles are lower-case names such as fast or debug, with commas between them.";
        reference = new KernelReference(debian ? KernelSource.DebianSource : KernelSource.SourceTree, source + "#" + profiles);
        return null;
    }

    /// <summary><c>6.12.*</c> says no more than <c>6.12</c>.</summary>
    private static string Shortest(string range) => range.EndsWith(".*", StringComparison.Ordinal) ? range[..^2] : range;

    private static bool IsSuite(string text) =>
        char.IsAsciiLetterLower(text[0]) && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.' or '+' or '_')
        && !text.Contains("..", StringComparison.Ordinal) && text.Length <= 64;

    private static bool IsProfile(string text) =>
        text.Length is > 0 and <= 64 && char.IsAsciiLetterLower(text[0]) && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');

    [GeneratedRegex(@"^(latest|(?<version>\d{1,6}(\.\d{1,6}){0,3}(\.\*|-[0-9A-Za-z.-]{1,32})?))(#(?<profile>[a-z][a-z0-9-]{0,63}(,[a-z][a-z0-9-]{0,63}){0,7}))?$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Bare();

    [GeneratedRegex(@"^\d{1,6}(\.\d{1,6}){0,3}(\.\*|-[0-9A-Za-z.-]{1,32})?$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex BareVersion();

    [GeneratedRegex(@"^[\[(][0-9A-Za-z.*-]*(,[0-9A-Za-z.*-]*)?[\])]$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex BracketedRange();

    [GeneratedRegex(@"^[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex PackageName();

    [GeneratedRegex("[A-Z][a-z0-9-]*", RegexOptions.CultureInvariant)]
    private static partial Regex Capitalized();

    [GeneratedRegex(@"^\d{1,6}\.\d{1,6}(@[a-z][a-z0-9+._-]{0,63})?$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex SourceVersion();
}
