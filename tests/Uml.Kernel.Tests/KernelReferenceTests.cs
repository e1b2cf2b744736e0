using Xunit;

namespace Uml.CI;

public sealed class KernelReferenceTests
{
    [Theory]
    [InlineData("debian:sid", KernelSource.Debian, "sid", "debian:sid")]
    [InlineData("debian:bookworm-backports", KernelSource.Debian, "bookworm-backports", "debian:bookworm-backports")]
    [InlineData("file:linux", KernelSource.File, "linux", "file:linux")]
    [InlineData("file:/a b/linux", KernelSource.File, "/a b/linux", "file:/a b/linux")]
    [InlineData("file:///boot/linux", KernelSource.File, "/boot/linux", "file:/boot/linux")]
    [InlineData("file:debian:sid", KernelSource.File, "debian:sid", "file:debian:sid")]
    [InlineData("./linux", KernelSource.File, "./linux", "file:./linux")]
    [InlineData("/x:y/linux", KernelSource.File, "/x:y/linux", "file:/x:y/linux")]
    [InlineData("out/ü/linux", KernelSource.File, "out/ü/linux", "file:out/ü/linux")]
    [InlineData("7.3", KernelSource.NuGet, "Uml.Kernel.Image@7.3", "7.3")]
    [InlineData("6.12.*", KernelSource.NuGet, "Uml.Kernel.Image@6.12", "6.12")]
    [InlineData("7.3.4", KernelSource.NuGet, "Uml.Kernel.Image@7.3.4", "7.3.4")]
    [InlineData("7.3-rc1", KernelSource.NuGet, "Uml.Kernel.Image@7.3-rc1", "7.3-rc1")]
    [InlineData("latest", KernelSource.NuGet, "Uml.Kernel.Image@*", "latest")]
    [InlineData("7.3#debug", KernelSource.NuGet, "Uml.Kernel.Image.Debug@7.3", "7.3#debug")]
    [InlineData("latest#fast", KernelSource.NuGet, "Uml.Kernel.Image@*", "latest")]
    [InlineData("nuget:uml.kernel.image@7.3.*", KernelSource.NuGet, "Uml.Kernel.Image@7.3", "7.3")]
    [InlineData("nuget:My.Kernel", KernelSource.NuGet, "My.Kernel@*", "nuget:My.Kernel@*")]
    [InlineData("nuget:My.Kernel@[7.2, 7.4)", KernelSource.NuGet, "My.Kernel@[7.2,7.4)", "nuget:My.Kernel@[7.2,7.4)")]
    [InlineData("nuget:Uml.Kernel.Image@[7.2,)", KernelSource.NuGet, "Uml.Kernel.Image@[7.2,)", "nuget:Uml.Kernel.Image@[7.2,)")]
    [InlineData("nuget:Uml.Kernel.Images@7", KernelSource.NuGet, "Uml.Kernel.Images@7", "nuget:Uml.Kernel.Images@7")]
    [InlineData("nuget:Uml.Kernel.Image.DebugKunit@7.3", KernelSource.NuGet, "Uml.Kernel.Image.DebugKunit@7.3", "7.3#debug,kunit")]
    [InlineData("latest#debug,kunit", KernelSource.NuGet, "Uml.Kernel.Image.DebugKunit@*", "latest#debug,kunit")]
    [InlineData("nuget:Uml.Kernel.Image.debugKunit@7.3", KernelSource.NuGet, "Uml.Kernel.Image.debugKunit@7.3", "nuget:Uml.Kernel.Image.debugKunit@7.3")]
    [InlineData("debian-source:7.3", KernelSource.DebianSource, "7.3#fast", "debian-source:7.3#fast")]
    [InlineData("debian-source:6.12@trixie#debug,kunit", KernelSource.DebianSource, "6.12@trixie#debug,kunit", "debian-source:6.12@trixie#debug,kunit")]
    [InlineData("source:../linux", KernelSource.SourceTree, "../linux#fast", "source:../linux#fast")]
    [InlineData("source:/a#b/linux#smp", KernelSource.SourceTree, "/a#b/linux#smp", "source:/a#b/linux#smp")]
    public void Is_read_and_written_back(string text, KernelSource source, string value, string full)
    {
        KernelReference reference = KernelReference.Parse(text);
        Assert.Equal(source, reference.Source);
        Assert.Equal(value, reference.Value);
        Assert.Equal(full, reference.ToString());
        Assert.Equal(reference, KernelReference.Parse(reference.ToString()));
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("  ", "is empty")]
    [InlineData("debian:", "names no suite")]
    [InlineData("debian:Sid", "no valid Debian suite")]
    [InlineData("debian:../../etc", "no valid Debian suite")]
    [InlineData("debian:a..b", "no valid Debian suite")]
    [InlineData("debian:si d", "no valid Debian suite")]
    [InlineData("debian:-o", "no valid Debian suite")]
    [InlineData("debian:sid\nx", "control character")]
    [InlineData("file:", "names no file")]
    [InlineData("file:a\0b", "control character")]
    [InlineData("fedora:42", "unknown scheme 'fedora:'")]
    [InlineData("oci:registry/x", "unknown scheme 'oci:'")]
    [InlineData("sid", "write debian:sid for a Debian suite, or ./sid for a file")]
    [InlineData("7.2?", "not understood")]
    [InlineData("7.3#Debug", "not understood")]
    [InlineData("nuget:", "no valid package ID")]
    [InlineData("nuget:a/b@1", "no valid package ID")]
    [InlineData("nuget:../x", "no valid package ID")]
    [InlineData("nuget:x@", "no valid version")]
    [InlineData("nuget:x@seven", "no valid version 'seven'")]
    [InlineData("debian-source:", "no valid version")]
    [InlineData("debian-source:7", "no valid version '7'")]
    [InlineData("debian-source:7.3#", "no valid profile ''")]
    [InlineData("debian-source:7.3#fast,../x", "no valid profile '../x'")]
    [InlineData("source:", "names no source")]
    [InlineData("source:#fast", "names no source")]
    public void Says_what_is_wrong(string text, string problem)
    {
        Assert.False(KernelReference.TryParse(text, out _));
        KernelException e = Assert.Throws<KernelException>(() => KernelReference.Parse(text));
        Assert.Contains(problem, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void A_name_without_a_slash_is_a_path_when_the_file_exists()
    {
        string name = "uml-kernel-tests-" + Guid.NewGuid().ToString("N");
        File.WriteAllText(name, "");
        try
        {
            Assert.Equal("file:" + name, KernelReference.Parse(name).ToString());
        }
        finally
        {
            File.Delete(name);
        }

        Assert.False(KernelReference.TryParse(name, out _));
    }

    [Fact]
    public void Parts_are_at_hand()
    {
        KernelReference package = "nuget:My.Kernel@[7.2,7.4)";
        Assert.Equal(("My.Kernel", "[7.2,7.4)"), (package.PackageId, package.VersionRange));
        Assert.Empty(package.Profiles);
        KernelReference built = "source:linux#debug,kunit";
        Assert.Equal("linux", built.BuildSource);
        Assert.Equal(["debug", "kunit"], built.Profiles);
        Assert.Null(built.PackageId);
        Assert.Equal("Uml.Kernel.Image.DebugKunit", KernelReference.PackageIdOf("debug", "kunit"));
    }

    [Theory]
    [InlineData("file:linux", "file:/p/linux")]
    [InlineData("source:../linux#smp", "source:/linux#smp")]
    [InlineData("debian:sid", "debian:sid")]
    [InlineData("7.3", "7.3")]
    public void A_relative_path_is_taken_from_a_directory(string text, string expected) =>
        Assert.Equal(expected, KernelReference.Parse(text).From("/p").ToString());

    [Fact]
    public void Converts_from_a_string()
    {
        KernelReference reference = "debian:sid";
        Assert.Equal(KernelReference.Debian("sid"), reference);
        Assert.False(KernelReference.TryParse(null, out _));
    }
}
