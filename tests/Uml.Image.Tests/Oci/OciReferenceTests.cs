using Xunit;

namespace Uml.CI;

public sealed class OciReferenceTests
{
    [Theory]
    [InlineData("oci:example.org/team/app:1.2", "https://example.org/", "team/app", "1.2", null)]
    [InlineData("oci:example.org/app", "https://example.org/", "app", "latest", null)]
    [InlineData("oci:example.org:444/app", "https://example.org:444/", "app", "latest", null)]
    [InlineData("oci:http://example.org/app:x", "http://example.org/", "app", "x", null)]
    [InlineData("oci:https://127.0.0.1:5000/app:x", "https://127.0.0.1:5000/", "app", "x", null)]
    [InlineData("oci:http://registry/app:x", "http://registry/", "app", "x", null)]
    [InlineData("oci:127.0.0.1:5000/app:x", "http://127.0.0.1:5000/", "app", "x", null)]
    [InlineData("oci:[::1]:5000/app", "http://[::1]:5000/", "app", "latest", null)]
    [InlineData("oci:localhost/a/b/c", "http://localhost/", "a/b/c", "latest", null)]
    [InlineData("oci:localhost.example.org/a", "https://localhost.example.org/", "a", "latest", null)]
    [InlineData("oci:127.0.0.1.example.org/a", "https://127.0.0.1.example.org/", "a", "latest", null)]
    [InlineData("oci:example.org/app@sha256:0000000000000000000000000000000000000000000000000000000000000000", "https://example.org/", "app", null, "sha256:0000000000000000000000000000000000000000000000000000000000000000")]
    public void A_registry_s_image_is_read(string text, string registry, string repository, string? tag, string? digest)
    {
        OciReference reference = OciReference.Parse(text);
        Assert.Equal(OciSourceKind.Registry, reference.Kind);
        Assert.Equal(registry, reference.Registry!.ToString());
        Assert.Equal(repository, reference.Repository);
        Assert.Equal(tag, reference.Tag);
        Assert.Equal(digest, reference.Digest?.ToString());
        Assert.Equal(text, reference.ToString());
    }

    [Theory]
    [InlineData("oci:/srv/image:1", OciSourceKind.Layout, "/srv/image", "1")]
    [InlineData("oci:/srv/image", OciSourceKind.Layout, "/srv/image", null)]
    [InlineData("docker-archive:/srv/app.tar", OciSourceKind.DockerArchive, "/srv/app.tar", null)]
    public void A_path_is_read(string text, object kind, string path, string? tag)
    {
        OciReference reference = OciReference.Parse(text);
        Assert.Equal(kind, reference.Kind);
        Assert.Equal(path, reference.Path);
        Assert.Equal(tag, reference.Tag);
    }

    [Theory]
    [InlineData("oci:")]
    [InlineData("oci:debian:trixie")]
    [InlineData("oci:example.org/")]
    [InlineData("oci:example.org/App")]
    [InlineData("oci:example.org/app:bad tag")]
    [InlineData("oci:example.org/../app")]
    [InlineData("oci:example.org/app@sha256:12")]
    [InlineData("oci:example.org/app@md5:12")]
    [InlineData("oci:user@example.org/app")]
    [InlineData("oci:exa mple.org/app")]
    [InlineData("docker-archive:")]
    public void Nonsense_is_refused(string text)
    {
        KernelException refusal = Assert.Throws<KernelException>(() => OciReference.Parse(text));
        Assert.Equal(KernelProblem.InvalidReference, refusal.Problem);
        Assert.Contains(text.Length > 5 ? text : "names", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("16G", 16L << 30)]
    [InlineData("300M", 300L << 20)]
    [InlineData("123", 123)]
    public void The_largest_size_is_read_from_the_environment(string text, long bytes) =>
        Assert.Equal(bytes, OciLimits.From(new HostTools { Variable = _ => text }).MaxBytes);

    [Theory]
    [InlineData("G")]
    [InlineData("-1G")]
    [InlineData("9999999999T")]
    public void A_size_that_is_none_is_refused(string text) =>
        Assert.Throws<KernelException>(() => OciLimits.From(new HostTools { Variable = _ => text }));
}
