using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>Finds where the host gets Debian's main archive from.</summary>
internal static class DebianArchive
{
    public const string MirrorVariable = "UML_DEBIAN_MIRROR";

    // Only used to recognise sources on a host whose apt has not read its lists yet; newer names are recognised by their keyring.
    private static readonly HashSet<string> s_suites = new(StringComparer.Ordinal)
    {
        "oldoldstable", "oldstable", "stable", "testing", "unstable", "experimental", "sid", "rc-buggy",
        "buster", "bullseye", "bookworm", "trixie", "forky", "duke",
    };

    private static readonly string[] s_suffixes = ["-updates", "-backports", "-backports-sloppy", "-proposed-updates"];

    private static readonly string[] s_keyrings =
        ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

    /// <summary>What the host's apt lists say about an archive.</summary>
    public sealed record Release(string RepositoryUri, string Origin, string Label);

    /// <summary>
    /// The archives to try, best first: the one the user names, or else those the host's apt is configured with.
    /// </summary>
    /// <param name="mirror">The value of <see cref="MirrorVariable"/>.</param>
    /// <param name="sources">The host's sources.</param>
    /// <param name="releases">What is known of them, where apt has read their lists.</param>
    /// <param name="fileExists">Asks for a keyring.</param>
    /// <param name="reference">For the error.</param>
    /// <param name="alternative">What else the user can do.</param>
    public static ImmutableArray<AptSource> Choose(
        string? mirror, IEnumerable<AptSource> sources, IReadOnlyList<Release> releases, Func<string, bool> fileExists, string reference, string alternative = HostTools.Alternative)
    {
        string? keyring = s_keyrings.FirstOrDefault(fileExists);
        if (!string.IsNullOrWhiteSpace(mirror))
        {
            if (!Uri.TryCreate(mirror.Trim(), UriKind.Absolute, out _) || mirror.Trim().Any(c => char.IsWhiteSpace(c) || char.IsControl(c)))
                throw new KernelException($"{reference} cannot be fetched: {MirrorVariable} is '{mirror.ReplaceLineEndings(" ")}', which is no URI; give it the address of a Debian mirror.");
            if (keyring is null)
                throw new KernelException($"{reference} cannot be fetched: the keys of Debian's archive are missing; install the package 'debian-archive-keyring'.") { Problem = KernelProblem.Unavailable };
            return
            [
                new AptSource
                {
                    Types = ["deb"],
                    Uris = [mirror.Trim()],
                    Suites = ["sid"],
                    Components = ["main"],
                    Options = ImmutableDictionary.Create<string, string>(StringComparer.OrdinalIgnoreCase).Add("Signed-By", keyring),
                },
            ];
        }

        ImmutableArray<AptSource> chosen =
        [
            .. sources
                .Select(s => (Source: s, Score: Score(s, releases)))
                .Where(s => s.Score > 0)
                .OrderByDescending(s => s.Score)
                .Select(s => WithWholeKeyring(s.Source, keyring))
                .DistinctBy(s => string.Join(' ', s.Uris.Select(Normalise)), StringComparer.Ordinal),
        ];
        return chosen.IsEmpty
            ? throw new KernelException(
                $"{reference} cannot be fetched: this host's apt has no source for Debian's archive; set {MirrorVariable} to the address of a Debian mirror"
                + $" (and install the package 'debian-archive-keyring'), or {alternative}.")
            { Problem = KernelProblem.Unavailable }
            : chosen;
    }

    /// <summary>How sure it is that a source is Debian's main archive; zero when it is not.</summary>
    private static int Score(AptSource source, IReadOnlyList<Release> releases)
    {
        if (!source.Types.Contains("deb") || source.Suites.All(s => s.EndsWith('/')))
            return 0;
        if (source.Uris.Any(u => u.StartsWith("cdrom:", StringComparison.Ordinal)) || !source.Components.Contains("main"))
            return 0;

        // Debian's security archive has the same origin and keyring, but none of the suites wanted here.
        if (source.Uris.Any(u => Segments(u).Any(s => s.StartsWith("debian-security", StringComparison.Ordinal))))
            return 0;
        ImmutableArray<string> suites = [.. source.Suites.Where(s => !s.Contains("security", StringComparison.Ordinal) && !s.Contains('/', StringComparison.Ordinal))];
        if (suites.IsEmpty)
            return 0;

        ImmutableArray<Release> known = [.. releases.Where(r => source.Uris.Any(u => Normalise(u) == Normalise(r.RepositoryUri)))];
        if (known.Any(r => r.Origin == "Debian" && r.Label is "Debian" or "Debian Backports"))
            return 8 + (suites.Any(IsPlainSuite) ? 1 : 0);
        if (!known.IsEmpty)
            return 0;

        bool debianKeyring = source.SignedBy?.Contains("debian-archive-", StringComparison.Ordinal) == true;
        if (source.SignedBy is not null && !debianKeyring && source.SignedBy.Contains('/', StringComparison.Ordinal))
            return 0;
        bool debianSuite = suites.Any(IsDebianSuite);
        bool debianPath = source.Uris.All(u => Segments(u).Contains("debian", StringComparer.Ordinal));
        if (!debianKeyring && !(debianSuite && debianPath))
            return 0;
        return 1 + (debianKeyring ? 4 : 0) + (debianPath ? 1 : 0) + (suites.Any(IsPlainSuite) ? 1 : 0);
    }

    /// <summary>The keyring of one release does not know the keys of the others; the whole one stands beside it.</summary>
    private static AptSource WithWholeKeyring(AptSource source, string? keyring) =>
        keyring is not null && source.SignedBy is { } by && by.StartsWith("/usr/share/keyrings/debian-archive-", StringComparison.Ordinal)
            ? source with { Options = source.Options.SetItem("Signed-By", keyring) }
            : source;

    private static bool IsPlainSuite(string suite) => s_suites.Contains(suite);

    private static bool IsDebianSuite(string suite) =>
        s_suites.Contains(suite) || s_suffixes.Any(x => suite.EndsWith(x, StringComparison.Ordinal) && s_suites.Contains(suite[..^x.Length]));

    private static string Normalise(string uri) => uri.TrimEnd('/');

    private static string[] Segments(string uri) => uri.Split('/', StringSplitOptions.RemoveEmptyEntries);
}
