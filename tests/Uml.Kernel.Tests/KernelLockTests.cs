using Xunit;

namespace Uml.CI;

public sealed class KernelLockTests
{
    private static readonly string s_sha = new('a', 64);

    private static GuestKernel Kernel(string reference, string sha256, string release = "7.2.7") => new()
    {
        Reference = reference,
        Release = release,
        Banner = "",
        ExecutablePath = "/linux",
        Sha256 = sha256,
        PackageVersion = "7.2um1",
        ReadPaths = [],
        Version = new Version(7, 2),
        IsSmp = false,
        IsStatic = true,
    };

    [Fact]
    public void Is_written_and_read_back()
    {
        using Scratch scratch = new();
        string path = scratch[KernelLock.FileName];
        Assert.Same(KernelLock.Empty, KernelLock.Load(path));
        KernelLock.Empty.With(Kernel("file:./linux", new string('b', 64))).With(Kernel("debian:sid", s_sha)).Save(path);
        Assert.Equal(
            $$"""
            {
              "version": 1,
              "kernels": {
                "debian:sid": {
                  "release": "7.2.7",
                  "sha256": "{{s_sha}}",
                  "package": "7.2um1"
                },
                "file:./linux": {
                  "release": "7.2.7",
                  "sha256": "{{new string('b', 64)}}",
                  "package": "7.2um1"
                }
              }
            }

            """,
            File.ReadAllText(path));
        KernelLock again = KernelLock.Load(path);
        Assert.Equal(new KernelLockEntry("7.2.7", s_sha, "7.2um1"), again.Find("debian:sid"));
        Assert.Null(again.Without("debian:sid").Find("debian:sid"));
        Assert.Equal([path], Directory.GetFiles(scratch.Path));
    }

    [Fact]
    public void A_link_to_a_lock_file_stays_one()
    {
        using Scratch scratch = new();
        File.CreateSymbolicLink(scratch["link"], "real");
        KernelLock.Empty.With(Kernel("debian:sid", s_sha)).Save(scratch["link"]);
        Assert.Equal("real", new FileInfo(scratch["link"]).LinkTarget);
        Assert.NotNull(KernelLock.Load(scratch["real"]).Find("debian:sid"));
    }

    [Fact]
    public void Another_kernel_is_an_error()
    {
        KernelLock pins = KernelLock.Empty.With(Kernel("debian:sid", s_sha));
        pins.Verify(Kernel("debian:sid", s_sha));
        pins.Verify(Kernel("debian:trixie", new string('c', 64)));
        string message = Assert.Throws<KernelException>(() => pins.Verify(Kernel("debian:sid", new string('c', 64), "7.3.1"))).Message;
        Assert.Contains("7.3.1 (cccccccccccc)", message, StringComparison.Ordinal);
        Assert.Contains("7.2.7 (aaaaaaaaaaaa)", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{", "no valid JSON (line 1)")]
    [InlineData("null", "\"version\" is missing")]
    [InlineData("{\"version\": 2}", "\"version\" is 2")]
    [InlineData("{\"version\": 1, \"kernels\": {\"nonsense?\": {}}}", "no kernel reference")]
    [InlineData("{\"version\": 1, \"kernels\": {\"debian:sid\": null}}", "lacks a release or a SHA-256")]
    [InlineData("{\"version\": 1, \"kernels\": {\"debian:sid\": {\"release\": \"1\", \"sha256\": \"zz\"}}}", "lacks a release or a SHA-256")]
    public void Damage_is_told(string content, string problem)
    {
        using Scratch scratch = new();
        string path = scratch.Write(KernelLock.FileName, content);
        string message = Assert.Throws<KernelException>(() => KernelLock.Load(path)).Message;
        Assert.Contains(path, message, StringComparison.Ordinal);
        Assert.Contains(problem, message, StringComparison.Ordinal);
    }
}
