using System.Diagnostics;
using System.IO.Compression;
using System.Text;

namespace Uml.CI;

/// <summary>Archives become images, and what is not to be trusted does not.</summary>
public sealed class ImportTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static TarText Small() => new TarText()
        .Add("./", '5', mode: 0x1ed)
        .Add("./bin/", '5', mode: 0x1ed)
        .Add("./bin/tool", content: "#!/bin/sh\n", mode: 0x9ed, user: 0, group: 50)
        .Add("./bin/again", '1', link: "./bin/tool")
        .Add("./link", '2', link: "../../../etc/passwd")
        .Add("./null", '3', mode: 0x1b6, major: 1, minor: 3)
        .Add("./pipe", '6', mode: 0x180, user: 1000, group: 1000);

    [Theory]
    [InlineData("plain")]
    [InlineData("gzip")]
    [InlineData("xz")]
    [InlineData("zstd")]
    public async Task An_archive_is_an_image_however_it_is_compressed(string compression)
    {
        using var scratch = new Scratch();
        byte[] tar = Small().ToArray();
        await File.WriteAllBytesAsync(scratch["root.tar"], tar, Cancel);
        string file = scratch["root.tar"];
        if (compression == "gzip")
        {
            await using var zipped = new GZipStream(File.Create(file = scratch["gzipped"]), CompressionLevel.Fastest);
            await zipped.WriteAsync(tar, Cancel);
        }
        else if (compression != "plain")
        {
            await new ExternalProgram(Tools.Find(compression)) { Arguments = ["-q", "-k", file] }.RunAsync(Cancel);
            file += compression == "xz" ? ".xz" : ".zst";
        }

        RootImage image = await scratch.Store.ImportAsync(file, "small", cancellationToken: Cancel);
        Assert.Equal("image:small", image.Reference.ToString());
        Assert.Equal(6, image.Record.Entries);
        Assert.Equal(10, image.Record.ContentSize);
        string listing = await ListAsync(image.Path);
        Assert.Contains("-rwsr-xr-x 0/50", listing, StringComparison.Ordinal);
        Assert.Contains("crw-rw-rw- 0/0                   1,  3 2001-09-09 01:46 squashfs-root/null", listing, StringComparison.Ordinal);
        Assert.Contains("squashfs-root/link -> ../../../etc/passwd", listing, StringComparison.Ordinal);
        Assert.Contains("prw------- 1000/1000", listing, StringComparison.Ordinal);
        Assert.StartsWith("drwxr-xr-x 0/0 ", listing.TrimStart('\n'), StringComparison.Ordinal);
        Assert.Contains("1970-01-01 00:00 squashfs-root\n", listing, StringComparison.Ordinal);
        Assert.Equal(image.Record.Sha256, scratch.Store.Find(image.Reference)!.Record.Sha256);
        Assert.Empty(scratch.Remains());
    }

    [Fact]
    public async Task The_same_archive_makes_the_same_bytes_and_is_stored_once()
    {
        using var scratch = new Scratch();
        await File.WriteAllBytesAsync(scratch["a.tar"], Small().ToArray(), Cancel);
        RootImage first = await scratch.Store.ImportAsync(scratch["a.tar"], "one", cancellationToken: Cancel);
        await Task.Delay(1100, Cancel);
        RootImage second = await scratch.Store.ImportAsync(scratch["a.tar"], "two", cancellationToken: Cancel);
        Assert.Equal(first.Record.Sha256, second.Record.Sha256);
        Assert.Equal(["image:one", "image:two"], Assert.Single(scratch.Store.List()).References);
    }

    [Fact]
    public async Task Attributes_lie_beside_the_image_but_for_those_of_other_machines()
    {
        using var scratch = new Scratch();
        byte[] capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff];
        byte[] tar = new TarText()
            .Pax(("SCHILY.xattr.security.capability", capability), ("SCHILY.xattr.security.selinux", "label\0"u8.ToArray()))
            .Add("bin-ping", mode: 0x1ed)
            .Pax(("LIBARCHIVE.xattr.user.note", Encoding.ASCII.GetBytes(Convert.ToBase64String("hi"u8))))
            .Add("note")
            .ToArray();
        await File.WriteAllBytesAsync(scratch["a.tar"], tar, Cancel);
        RootImage image = await scratch.Store.ImportAsync(scratch["a.tar"], "caps", cancellationToken: Cancel);
        byte[] list = await File.ReadAllBytesAsync(image.AttributesPath!, Cancel);
        Assert.Equal([8, 0, 0, 0, .. "bin-ping"u8, 19, 0, 0, 0, .. "security.capability"u8, 20, 0, 0, 0, .. capability, 4, 0, 0, 0, .. "note"u8, 9, 0, 0, 0, .. "user.note"u8, 2, 0, 0, 0, .. "hi"u8], list);
    }

    public static TheoryData<string, byte[], string> Refused()
    {
        byte[] good = Small().ToArray();
        byte[] damaged = [.. good];
        damaged[1024 + 20] ^= 0x55;
        return new TheoryData<string, byte[], string>
        {
            { "a parent", new TarText().Add("a/../../x").ToArray(), "its name leads out of the root" },
            { "an absolute name", new TarText().Add("/etc/passwd").ToArray(), "its name leads out of the root" },
            { "a pax name", new TarText().Pax(("path", "../up"u8.ToArray())).Add("harmless").ToArray(), "its name leads out of the root" },
            { "a long name", new TarText().Add("././@LongLink", 'L', "x/../../" + new string('a', 200)).Add("harmless").ToArray(), "its name leads out of the root" },
            { "a hard link", new TarText().Add("x", '1', link: "../../etc/shadow").ToArray(), "hard link to ../../etc/shadow" },
            { "an absolute hard link", new TarText().Add("x", '1', link: "/etc/shadow").ToArray(), "hard link to /etc/shadow" },
            { "an unknown type", new TarText().Add("x", 'Z').ToArray(), "unknown type 'Z'" },
            { "nothing", [], "is empty" },
            { "no entries", new byte[1024], "holds no files" },
            { "only the root", new TarText().Add("./", '5').ToArray(), "holds no files" },
            { "a cut header", good[..(512 + 100)], "ends in the middle" },
            { "a cut file", new TarText().Add("x", content: new string('x', 2000)).WithoutEnd()[..1500], "ends in the middle of x" },
            { "a damaged header", damaged, "damaged header" },
            { "something else", Encoding.ASCII.GetBytes(new string('?', 4096)), "is no tar archive" },
        };
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task What_cannot_be_trusted_is_refused_in_one_line_and_nothing_stays(string what, byte[] archive, string words)
    {
        using var scratch = new Scratch();
        await File.WriteAllBytesAsync(scratch["bad.tar"], archive, Cancel);
        KernelException e = await Assert.ThrowsAsync<KernelException>(() => scratch.Store.ImportAsync(scratch["bad.tar"], "bad", cancellationToken: Cancel));
        Assert.Contains(words, e.Message, StringComparison.Ordinal);
        Assert.Contains("image:bad", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
        Assert.True(scratch.Store.List().Count == 0 && scratch.Store.Find(ImageReference.Parse("image:bad")) is null, what);
        Assert.Empty(scratch.Remains());
    }

    [Theory]
    [InlineData("xz")]
    [InlineData("zstd")]
    [InlineData("gzip")]
    public async Task A_cut_compressed_archive_is_refused(string compression)
    {
        using var scratch = new Scratch();
        byte[] noise = new byte[300_000];
        new Random(1).NextBytes(noise);
        await File.WriteAllBytesAsync(scratch["root.tar"], new TarText().Add("x", content: Convert.ToBase64String(noise)).ToArray(), Cancel);
        await new ExternalProgram(Tools.Find(compression)) { Arguments = ["-q", "-k", scratch["root.tar"]] }.RunAsync(Cancel);
        string file = Directory.GetFiles(scratch.Path, "root.tar?*").Single(f => !f.EndsWith(".tar", StringComparison.Ordinal));
        byte[] whole = await File.ReadAllBytesAsync(file, Cancel);
        await File.WriteAllBytesAsync(file, whole[..(whole.Length / 2)], Cancel);
        KernelException e = await Assert.ThrowsAsync<KernelException>(() => scratch.Store.ImportAsync(file, "cut", cancellationToken: Cancel));
        Assert.DoesNotContain('\n', e.Message);
        Assert.Empty(scratch.Store.List());
        Assert.Empty(scratch.Remains());
    }

    [Fact]
    public async Task Without_the_tool_its_package_is_named()
    {
        using var scratch = new Scratch();
        await File.WriteAllBytesAsync(scratch["a.tar"], Small().ToArray(), Cancel);
        Directory.CreateDirectory(scratch["bin"]);
        var store = new ImageStore(scratch["store"], new HostTools { Variable = name => name == "PATH" ? scratch["bin"] : Environment.GetEnvironmentVariable(name) });
        if (File.Exists("/usr/sbin/sqfstar") || File.Exists("/sbin/sqfstar"))
            Assert.Skip("sqfstar is in a directory that is always looked at");
        KernelException e = await Assert.ThrowsAsync<KernelException>(() => store.ImportAsync(scratch["a.tar"], "x", cancellationToken: Cancel));
        Assert.Contains("install the package 'squashfs-tools'", e.Message, StringComparison.Ordinal);
        Assert.Equal(KernelProblem.Unavailable, e.Problem);
    }

    [Fact]
    public async Task A_writer_that_fails_is_heard()
    {
        using var scratch = new Scratch();
        ImageReference reference = ImageReference.Parse("image:broken");
        var e = await Assert.ThrowsAsync<KernelException>(() => scratch.Store.CreateAsync(
            reference, new ImageRecord(), DateTimeOffset.UnixEpoch,
            async (stream, token) =>
            {
                await stream.WriteAsync(Small().ToArray().AsMemory(0, 700), token);
                throw new KernelException("the layer has another digest");
            },
            cancellationToken: Cancel));
        Assert.Equal("the layer has another digest", e.Message);
        Assert.Empty(scratch.Remains());
        Assert.Empty(scratch.Store.List());
    }

    private static async Task<string> ListAsync(string image) =>
        (await new ExternalProgram(Tools.Find("unsquashfs")) { Arguments = ["-lln", image], Environment = System.Collections.Immutable.ImmutableDictionary<string, string?>.Empty.Add("TZ", "UTC") }.RunAsync(Cancel)).StandardOutput;
}
