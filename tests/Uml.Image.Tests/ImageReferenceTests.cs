namespace Uml.CI;

public sealed class ImageReferenceTests
{
    [Theory]
    [InlineData("debian:trixie", "debian:trixie", ImageSource.Distribution)]
    [InlineData("debian:trixie#minimal", "debian:trixie", ImageSource.Distribution)]
    [InlineData("debian:bookworm#systemd", "debian:bookworm#systemd", ImageSource.Distribution)]
    [InlineData("debian:sid#minimal:hello,g++", "debian:sid#minimal:g++,hello", ImageSource.Distribution)]
    [InlineData("image:web-1.2", "image:web-1.2", ImageSource.Named)]
    [InlineData("file:/a/b.squashfs", "file:/a/b.squashfs", ImageSource.File)]
    [InlineData("file:///a/b.squashfs", "file:/a/b.squashfs", ImageSource.File)]
    [InlineData("./b.squashfs", "file:./b.squashfs", ImageSource.File)]
    [InlineData("oci:docker.example/debian:12", "oci:docker.example/debian:12", ImageSource.Oci)]
    [InlineData("docker-archive:x.tar", "docker-archive:x.tar", ImageSource.Oci)]
    public void What_is_written_is_read_and_read_again(string text, string canonical, ImageSource source)
    {
        ImageReference reference = ImageReference.Parse(text);
        Assert.Equal(source, reference.Source);
        Assert.Equal(canonical, reference.ToString());
        Assert.Equal(reference, ImageReference.Parse(canonical));
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("debian:", "debian:SUITE")]
    [InlineData("debian:Trixie", "debian:SUITE")]
    [InlineData("debian:../x", "debian:SUITE")]
    [InlineData("debian:trixie#nosuch", "there are minimal, systemd")]
    [InlineData("debian:trixie#minimal:", "debian:SUITE#RECIPE")]
    [InlineData("debian:trixie#minimal:a b", "debian:SUITE#RECIPE")]
    [InlineData("debian:trixie#minimal:--help", "debian:SUITE#RECIPE")]
    [InlineData("image:../up", "no valid name")]
    [InlineData("image:", "no valid name")]
    [InlineData("fedora:41", "unknown scheme 'fedora:'")]
    [InlineData("nosuchfile", "neither a file nor a reference")]
    [InlineData("a\nb", "control character")]
    public void What_makes_no_sense_is_said_in_one_line(string text, string words)
    {
        KernelException e = Assert.Throws<KernelException>(() => ImageReference.Parse(text));
        Assert.Contains(words, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
        Assert.Equal(KernelProblem.InvalidReference, e.Problem);
    }

    [Fact]
    public void Packages_are_added_to_distributions_only()
    {
        ImageReference reference = ImageReference.Distribution("debian:trixie#systemd", "nginx-light", "curl", "curl");
        Assert.Equal("debian:trixie#systemd:curl,nginx-light", reference.ToString());
        Assert.Equal("trixie", reference.Suite);
        Assert.Equal("systemd", reference.Recipe);
        Assert.Equal(["curl", "nginx-light"], reference.Packages);
        Assert.Contains("only the image of a distribution", Assert.Throws<KernelException>(() => ImageReference.Parse("image:web").With(["curl"])).Message, StringComparison.Ordinal);
    }
}
