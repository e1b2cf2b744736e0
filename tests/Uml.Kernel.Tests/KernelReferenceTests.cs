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
    public void Converts_from_a_string()
    {
        KernelReference reference = "debian:sid";
        Assert.Equal(KernelReference.Debian("sid"), reference);
        Assert.False(KernelReference.TryParse(null, out _));
    }
}
