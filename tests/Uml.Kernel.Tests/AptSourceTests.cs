using System.Collections.Immutable;
using Xunit;

namespace Uml.CI;

public sealed class AptSourceTests
{
    private const string Keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

    [Fact]
    public void Stanzas_are_read()
    {
        AptSource[] sources = [.. AptSource.Parse("debian.sources", """
            # the main archive
            Types: deb deb-src
            # a comment within
            URIs: http://a.invalid/debian
             http://b.invalid/debian
            Suites: bookworm bookworm-updates
            Components: main contrib
            Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

            Enabled: no
            Types: deb
            URIs: http://off.invalid/debian
            Suites: sid
            Components: main


            types: deb
            uris: http://embedded.invalid/debian
            suites: sid
            components: main
            trusted: yes
            signed-by:
             -----BEGIN PGP PUBLIC KEY BLOCK-----
             .
             abc=
             -----END PGP PUBLIC KEY BLOCK-----
            """)];
        Assert.Equal(2, sources.Length);
        Assert.Equal(["http://a.invalid/debian", "http://b.invalid/debian"], sources[0].Uris);
        Assert.Equal(["bookworm", "bookworm-updates"], sources[0].Suites);
        Assert.Equal(Keyring, sources[0].SignedBy);
        Assert.Equal(
            "Types: deb\nURIs: http://embedded.invalid/debian\nSuites: trixie\nComponents: main\nArchitectures: amd64\nTargets: Packages\n"
            + "signed-by: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc=\n -----END PGP PUBLIC KEY BLOCK-----\ntrusted: yes\n",
            sources[1].ToStanza("trixie"));
    }

    [Fact]
    public void Lines_are_read()
    {
        AptSource[] sources = [.. AptSource.Parse("sources.list", """
            # deb http://off.invalid/debian sid main
            deb http://a.invalid/debian/ bookworm main contrib # trailing
            deb-src http://a.invalid/debian/ bookworm main
            deb [ arch=amd64,i386 signed-by=/a.gpg,/b.gpg lang=de ] https://b.invalid/debian sid main
            deb [arch=amd64 nonsense
            deb
            deb http://lonely.invalid
            deb	http://tab.invalid/debian	sid	main
            deb file:/srv/repo ./
            """)];
        Assert.Equal(["deb", "deb-src", "deb", "deb", "deb"], sources.Select(s => s.Types.Single()));
        Assert.Equal(["main", "contrib"], sources[0].Components);
        Assert.Equal("/a.gpg /b.gpg", sources[2].SignedBy);
        Assert.Equal("amd64 i386", sources[2].Options["Architectures"]);
        Assert.Equal(
            "Types: deb\nURIs: https://b.invalid/debian\nSuites: sid\nComponents: main\nArchitectures: amd64\nTargets: Packages\nsigned-by: /a.gpg /b.gpg\n",
            sources[2].ToStanza("sid"));
        Assert.Equal("http://tab.invalid/debian", sources[3].Uris.Single());
    }

    private static ImmutableArray<AptSource> Choose(string text, string? mirror = null, bool keyring = true, params DebianArchive.Release[] releases) =>
        DebianArchive.Choose(mirror, text.Contains("Types:", StringComparison.Ordinal) ? AptSource.ParseStanzas(text) : AptSource.ParseLines(text), releases, p => keyring && p == Keyring, "debian:sid");

    [Theory]
    [InlineData("deb http://m.invalid/debian bookworm main")]
    [InlineData("deb http://m.invalid/pub/debian/ stable main contrib")]
    [InlineData("deb http://m.invalid/archive/debian/20240101T000000Z sid main")]
    [InlineData("deb http://m.invalid/debian bookworm-updates main")]
    [InlineData("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://m.invalid/x someday main")]
    [InlineData("deb [trusted=yes] http://m.invalid/debian sid main")]
    public void Debians_archive_is_recognised_without_lists(string line) => Assert.Single(Choose(line));

    [Theory]
    [InlineData("deb http://archive.invalid/ubuntu noble main universe")]
    [InlineData("deb [signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg] http://archive.invalid/ubuntu noble main")]
    [InlineData("deb http://m.invalid/debian-security bookworm-security main")]
    [InlineData("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://m.invalid/debian-security bookworm-security main")]
    [InlineData("deb http://m.invalid/debian bookworm/updates main")]
    [InlineData("deb [signed-by=/etc/apt/keyrings/docker.asc] https://download.invalid/linux/debian bookworm stable")]
    [InlineData("deb [signed-by=/etc/apt/keyrings/x.gpg] https://packages.invalid/debian bookworm main")]
    [InlineData("deb https://packages.invalid/php bookworm main")]
    [InlineData("deb cdrom:[Debian GNU/Linux 12]/ bookworm main")]
    [InlineData("deb-src http://m.invalid/debian bookworm main")]
    [InlineData("deb http://m.invalid/debian bookworm contrib")]
    [InlineData("deb http://m.invalid/debian ./")]
    [InlineData("")]
    public void Others_are_not(string line)
    {
        KernelException e = Assert.Throws<KernelException>(() => Choose(line));
        Assert.Contains("UML_DEBIAN_MIRROR", e.Message, StringComparison.Ordinal);
        Assert.Contains("file:PATH", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_lists_say_outweighs_the_looks()
    {
        const string Sources = """
            deb http://looks-right.invalid/debian bookworm main
            deb http://odd.invalid/packages bookworm main
            """;
        ImmutableArray<AptSource> chosen = Choose(Sources, null, true,
            new DebianArchive.Release("http://looks-right.invalid/debian/", "Somebody", "Somebody"),
            new DebianArchive.Release("http://odd.invalid/packages/", "Debian", "Debian"));
        Assert.Equal("http://odd.invalid/packages", chosen.Single().Uris.Single());
        Assert.Throws<KernelException>(() => Choose("deb http://m.invalid/sec bookworm main", null, true,
            new DebianArchive.Release("http://m.invalid/sec", "Debian", "Debian-Security")));
    }

    [Fact]
    public void The_surest_comes_first_and_each_once()
    {
        ImmutableArray<AptSource> chosen = Choose("""
            deb http://b.invalid/debian bookworm-updates main
            deb http://b.invalid/debian/ bookworm main
            deb [signed-by=/usr/share/keyrings/debian-archive-bookworm-stable.gpg] http://a.invalid/debian bookworm main
            """);
        Assert.Equal(["http://a.invalid/debian", "http://b.invalid/debian/"], chosen.Select(c => c.Uris.Single()));

        // One release's key does not sign the others.
        Assert.Equal(Keyring, chosen[0].SignedBy);
    }

    [Fact]
    public void The_mirror_a_user_names_is_used()
    {
        AptSource source = Choose("", "https://m.invalid/debian").Single();
        Assert.Contains("URIs: https://m.invalid/debian\nSuites: sid\n", source.ToStanza("sid"), StringComparison.Ordinal);
        Assert.Equal(Keyring, source.SignedBy);
        Assert.Contains("debian-archive-keyring", Assert.Throws<KernelException>(() => Choose("", "https://m.invalid/debian", keyring: false)).Message, StringComparison.Ordinal);
        Assert.Contains("no URI", Assert.Throws<KernelException>(() => Choose("", "m.invalid")).Message, StringComparison.Ordinal);
        Assert.Contains("no URI", Assert.Throws<KernelException>(() => Choose("", "https://m.invalid/\nTrusted: yes")).Message, StringComparison.Ordinal);
    }
}
