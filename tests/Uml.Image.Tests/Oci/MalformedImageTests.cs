using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace Uml.CI;

public sealed class MalformedImageTests : ImageTest
{
    public static TheoryData<string, string> Escapes => new()
    {
        { "../etc/passwd", "its file '../etc/passwd' leads out of the root: its name has .. in it" },
        { "etc/../../passwd", "leads out of the root" },
        { "./..", "leads out of the root" },
        { "/etc/passwd", "its file '/etc/passwd' leads out of the root: its name is absolute" },
        { "../.wh.passwd", "its whiteout '../.wh.passwd' leads out of the root" },
        { "etc/.wh...", "is a whiteout of nothing in its directory" },
        { ".wh..", "is a whiteout of nothing in its directory" },
        { "etc/.wh.", "is a whiteout of nothing in its directory" },
        { "/.wh.etc", "leads out of the root" },
        { ".wh.a/b", "is below a whiteout" },
        { "a\u001b[2Jb/../c", @"'a\u{1b}[2Jb/../c'" },
    };

    [Theory]
    [MemberData(nameof(Escapes))]
    public async Task Names_that_lead_out_of_the_root_are_refused(string name, string words)
    {
        KernelException refusal = await RefusedAsync(Layout(new LayerBuilder().File("etc/ok", "").File(name, "evil")), words);
        Assert.Contains("layer 1 of 1 (sha256:", refusal.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(Store, "..", "passwd")));
    }

    [Theory]
    [InlineData("/etc/passwd", "its hard link 'l' leads out of the root: its target is absolute, '/etc/passwd'")]
    [InlineData("../../etc/passwd", "its hard link 'l' leads out of the root: its target has .. in it")]
    [InlineData("nowhere", "is a hard link to 'nowhere', which does not exist")]
    [InlineData("dir", "is a hard link to the directory 'dir'")]
    [InlineData("l", "is a hard link to 'l', which does not exist")]
    [InlineData("out/passwd", "goes through the symbolic link 'out' of the same layer")]
    public async Task Hard_links_out_of_the_root_or_to_nothing_are_refused(string target, string words) =>
        await RefusedAsync(Layout(new LayerBuilder().Directory("dir").Symlink("out", "/etc").HardLink("l", target)), words);

    [Fact]
    public async Task Nothing_is_written_through_a_symbolic_link_of_the_same_layer() =>
        await RefusedAsync(Layout(new LayerBuilder().Symlink("out", "/etc").File("out/passwd", "evil")), "its file 'out/passwd' goes through the symbolic link 'out' of the same layer");

    [Theory]
    [InlineData("../../etc", "leads out of the root through a symbolic link")]
    [InlineData("out", "goes through symbolic links without an end")]
    [InlineData("file", "which is no directory")]
    public async Task A_symbolic_link_of_a_lower_layer_leads_nowhere_else_either(string target, string words) =>
        await RefusedAsync(Layout(new ImageBuilder().Layer(new LayerBuilder().Symlink("out", target).File("file", "")).Layer(new LayerBuilder().File("out/passwd", "evil")).Build()), words);

    [Fact]
    public async Task An_absolute_symbolic_link_of_a_lower_layer_is_one_within_the_root()
    {
        Dictionary<string, TarEntry> root = await MergeAsync(Layout(new ImageBuilder()
            .Layer(new LayerBuilder().Symlink("out", "/etc").File("etc/passwd", "root")).Layer(new LayerBuilder().File("out/passwd", "new")).Build()));
        Assert.Equal("new", Text(root["etc/passwd"]));
    }

    [Fact]
    public async Task What_is_in_a_layer_twice_is_refused_unless_it_is_a_directory()
    {
        await RefusedAsync(Layout(new LayerBuilder().File("a", "1").File("./a", "2")), "its file './a' is in the layer twice");
        await RefusedAsync(Layout(new LayerBuilder().File("a/b", "1").Symlink("a", "/etc")), "its symbolic link 'a' is in the layer twice");
        await RefusedAsync(Layout(new LayerBuilder().File("a", "1").File("a/b", "2")), "which is no directory");
        Assert.Equal(["", "d"], (await MergeAsync(Layout(new LayerBuilder().Directory("d").Directory("./d/"), "twice"))).Keys);
    }

    [Fact]
    public async Task Names_and_headers_that_make_no_sense_are_refused()
    {
        await RefusedAsync(Layout(new LayerBuilder().File("caf\u00e9", "latin 1")), "a name that is not UTF-8");
        await RefusedAsync(Layout(new LayerBuilder().Symlink("l", "caf\u00e9")), "a link's target that is not UTF-8");
        await RefusedAsync(Layout(new LayerBuilder().Pax(("path", "a\0b"u8.ToArray())).File("x", "")), "a zero byte");
        await RefusedAsync(Layout(new LayerBuilder().Pax(("path", new byte[5000])).File("x", "")), "a name of 5000 bytes");
        await RefusedAsync(Layout(new LayerBuilder().Pax(("path", Encoding.ASCII.GetBytes(new string('n', 300)))).File("x", "")), "no file system takes");
        await RefusedAsync(Layout(new LayerBuilder().Add("v", 'V')), "unknown type 'V'");
        await RefusedAsync(Layout(new LayerBuilder().Add("x", 'x', "99999 path=a\n").File("f", "")), "malformed pax header");
        await RefusedAsync(Layout(new LayerBuilder().Add("x", 'x', "", declared: 1L << 32).File("f", "")), "a header of 4294967296 bytes");
        await RefusedAsync(Layout(new LayerBuilder().File("f", "").Raw(Enumerable.Repeat((byte)'x', 512).ToArray())), "checksum");
        await RefusedAsync(Layout(new LayerBuilder().Pax(("GNU.sparse.major", "1"u8.ToArray()), ("GNU.sparse.minor", "0"u8.ToArray()), ("GNU.sparse.realsize", "10"u8.ToArray())).File("f", "1\n5\n9\n" + new string('\0', 506))), "malformed sparse map");
    }

    [Fact]
    public async Task Documents_and_layers_with_another_digest_are_refused()
    {
        ImageBuilder image = new ImageBuilder().Layer(new LayerBuilder().File("a", "content")).Build();
        string config = image.Blobs.Keys.First(k => k != image.ManifestDigest && k != image.LayerDigests[0]);
        foreach ((string digest, string what) in new[] { (image.ManifestDigest, "the manifest"), (config, "the configuration"), (image.LayerDigests[0], "layer 1 of 1") })
        {
            ImageBuilder spoilt = new ImageBuilder().Layer(new LayerBuilder().File("a", "content")).Build();
            spoilt.Blobs[digest] = [.. image.Blobs[digest][..^1], (byte)~image.Blobs[digest][^1]];
            await RefusedAsync(Layout(spoilt, what), $"{what} ({digest[..19]}) is damaged: its content has another digest");
            spoilt.Blobs[digest] = [.. image.Blobs[digest], 0];
            await RefusedAsync(Layout(spoilt, what), $"{what} ({digest[..19]}) has {image.Blobs[digest].Length + 1} bytes instead of {image.Blobs[digest].Length}");
            File.Delete(Path.Combine(this[what], "blobs", "sha256", digest[7..]));
            await RefusedAsync("oci:" + this[what], $"the blob {digest[..19]} is missing");
        }
    }

    [Fact]
    public async Task A_layer_that_is_not_the_configuration_s_is_refused()
    {
        ImageBuilder image = new ImageBuilder().Layer(new LayerBuilder().File("a", "content"));
        image.DiffIds[0] = ImageBuilder.DigestOf("other"u8.ToArray());
        await RefusedAsync(Layout(image.Build()), "unpacks to something else than the configuration says");
        image.DiffIds.Add(image.DiffIds[0]);
        await RefusedAsync(Layout(image.Build()), "its manifest has 1 layers and its configuration 2");
    }

    [Theory]
    [InlineData(10)]
    [InlineData(300)]
    [InlineData(2000)]
    public async Task Compressed_data_that_is_cut_short_is_refused(int cut)
    {
        byte[] noise = new byte[10_000];
        new Random(1).NextBytes(noise);
        byte[] tar = new LayerBuilder().File("a", Encoding.Latin1.GetString(noise)).Tar();
        await RefusedAsync(Layout(new ImageBuilder().Layer(LayerBuilder.Gzip(tar)[..^cut], tar).Build()), "cut short");
        ImageBuilder zstd = new ImageBuilder().Layer(await ZstdAsync(tar, cut), tar).Build();
        await RefusedAsync(Layout(zstd, "zstd"), "layer 1 of 1");
    }

    [Fact]
    public async Task Unknown_packings_are_refused()
    {
        byte[] tar = new LayerBuilder().File("a", "").Tar();
        foreach ((string name, byte[] magic) in new[] { ("xz", new byte[] { 0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0 }), ("bzip2", "BZh91A"u8.ToArray()), ("lz4", [4, 0x22, 0x4D, 0x18, 0, 0]) })
            await RefusedAsync(Layout(new ImageBuilder().Layer([.. magic, .. tar], tar).Build(), name), $"packed with {name}");
        await RefusedAsync(Layout(new ImageBuilder().Layer([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF], tar).Build(), "broken"), "its compressed data is damaged");
        await RefusedAsync(Layout(new ImageBuilder().Layer("no archive at all"u8.ToArray(), tar).Build(), "none"), "layer 1 of 1");
        await RefusedAsync(Layout(new ImageBuilder().Layer(tar, tar, "application/vnd.oci.image.layer.v1.tar+encrypted").Build(), "type"), "of the unknown type 'application/vnd.oci.image.layer.v1.tar+encrypted'");
        await RefusedAsync(Layout(new ImageBuilder().Layer(await ZstdAsync(tar, 0), tar).Build(), "tool"), "install the package 'zstd'", Options(("PATH", "/nowhere")));
    }

    [Fact]
    public async Task Ten_gigabytes_in_ten_megabytes_are_refused_before_they_are_unpacked()
    {
        // One file, which its header gives away.
        await RefusedAsync(Layout(new LayerBuilder().Add("bomb", '0', declared: 10L << 30)), "unpacks to more than 8.0 GiB with 'bomb' (10.0 GiB) in it");

        // Many files, no one of them large.
        LayerBuilder many = new();
        for (int i = 0; i < 40; i++)
            many.File($"f{i}", new string('\0', 1 << 20));
        await RefusedAsync(Layout(many, "many"), "unpacks to more than 32.0 MiB", Options() with { Limits = new OciLimits { MinFree = 1, MaxBytes = 32 << 20 } });

        // Behind the archive's end, where no header says anything.
        await File.WriteAllBytesAsync(this["bomb"], [], Token);
        using (FileStream bomb = File.Create(this["bomb"]))
        {
            using GZipStream gzip = new(bomb, CompressionLevel.Fastest);
            byte[] zeros = new byte[1 << 20];
            for (int i = 0; i < 1200; i++)
                gzip.Write(zeros);
        }

        byte[] packed = await File.ReadAllBytesAsync(this["bomb"], Token);
        await RefusedAsync(Layout(new ImageBuilder().Layer(packed, []).Build(), "tail"), "unpacks to more than 32.0 MiB", Options() with { Limits = new OciLimits { MinFree = 1, MaxBytes = 32 << 20 } });

        await RefusedAsync(Layout(new LayerBuilder().Pax(("GNU.sparse.size", "99999999999"u8.ToArray()), ("GNU.sparse.map", "0,1"u8.ToArray())).File("holes", "x"), "sparse"), "unpacks to more than 8.0 GiB with 'holes'");
        await RefusedAsync(Layout(new LayerBuilder().File("a", "").File("b", "").File("c", ""), "files"), "more than 2 files", Options() with { Limits = new OciLimits { MinFree = 1, MaxEntries = 2 } });
        await RefusedAsync(Layout(new LayerBuilder().File("a", "x"), "full"), "left", Options() with { Limits = new OciLimits { MinFree = 1L << 60 } });
    }

    [Fact]
    public async Task Documents_that_make_no_sense_are_refused()
    {
        LayerBuilder layer = new LayerBuilder().File("a", "");
        ImageBuilder Build(Action<JsonObject>? spoil, Action<ImageBuilder>? change = null)
        {
            ImageBuilder built = new ImageBuilder().Layer(layer);
            change?.Invoke(built);
            return built.Build(spoil);
        }

        int number = 0;
        async Task RefusesAsync(string words, Action<JsonObject>? spoil, Action<ImageBuilder>? change = null) => await RefusedAsync(Layout(Build(spoil, change), $"i{number++}"), words);
        await RefusesAsync("no image: its configuration's type is 'application/vnd.example+json'", null, i => i.ConfigType = "application/vnd.example+json");
        await RefusesAsync("it is an image for linux/arm64, and guests here are linux/amd64", null, i => i.Architecture = "arm64");
        await RefusesAsync("its manifest has no configuration", m => m.Remove("config"));
        await RefusesAsync("'layers' is not what it has to be", m => m["layers"] = "none");
        await RefusesAsync("is no JSON object", m => m["layers"] = new JsonArray(1));
        await RefusesAsync("has no valid size", m => m["layers"]![0]!["size"] = -1);
        await RefusesAsync("has a malformed digest, '../../etc'", m => m["layers"]![0]!["digest"] = "../../etc");
        await RefusesAsync("has no media type", m => ((JsonObject)m["layers"]![0]!).Remove("mediaType"));
        await RefusesAsync("are larger than 8.0 GiB", m => m["layers"]![0]!["size"] = 9L << 30);
        await RefusesAsync("calls itself", m => m["mediaType"] = ImageBuilder.IndexType);
        await RefusesAsync("a manifest with manifests in it", m => m["manifests"] = new JsonArray());
        await RefusesAsync("first schema", m => m["schemaVersion"] = 1);
        await RefusesAsync("without a name or value, 'BROKEN'", null, i => i.Run["Env"] = new JsonArray("BROKEN"));
        await RefusesAsync("something other than text", null, i => i.Run["Cmd"] = new JsonArray(1));

        ImageBuilder image = Build(null);
        image.Blobs[ImageBuilder.DigestOf("[]"u8.ToArray())] = "[]"u8.ToArray();
        string directory = image.WriteLayout(this["list"], ImageBuilder.Descriptor("[]"u8.ToArray(), ImageBuilder.ManifestType));
        await RefusedAsync("oci:" + directory, "the manifest is no JSON object");
        await File.WriteAllTextAsync(Path.Combine(directory, "index.json"), "{", Token);
        await RefusedAsync("oci:" + directory, "index.json is not valid JSON");
        await File.WriteAllBytesAsync(Path.Combine(directory, "index.json"), new byte[5 << 20], Token);
        await RefusedAsync("oci:" + directory, "its index.json is larger than 4.0 MiB");
        await File.WriteAllTextAsync(Path.Combine(directory, "oci-layout"), """{"imageLayoutVersion":"2.0.0"}""", Token);
        await RefusedAsync("oci:" + directory, "version '2.0.0'");
        await RefusedAsync("oci:" + this["nowhere"], "there is no such directory");
    }

    [Fact]
    public async Task The_image_for_this_platform_is_chosen()
    {
        ImageBuilder arm = new ImageBuilder { Architecture = "arm64" }.Layer(new LayerBuilder().File("arm", "")).Build();
        ImageBuilder own = new ImageBuilder().Layer(new LayerBuilder().File("amd", "")).Build();
        foreach ((string digest, byte[] content) in arm.Blobs)
            own.Blobs[digest] = content;
        JsonObject Of(ImageBuilder image, string? platform) => ImageBuilder.Descriptor(image.Manifest, ImageBuilder.ManifestType, platform);
        JsonObject IndexOf(byte[] content)
        {
            own.Blobs[ImageBuilder.DigestOf(content)] = content;
            return ImageBuilder.Descriptor(content, ImageBuilder.IndexType);
        }

        JsonObject both = IndexOf(ImageBuilder.Index(Of(arm, "linux/arm64/v8"), Of(arm, "unknown/unknown"), Of(own, "linux/amd64")));
        Assert.Contains("amd", (await MergeAsync("oci:" + own.WriteLayout(this["both"], both))).Keys);
        Assert.Contains("amd", (await MergeAsync("oci:" + own.WriteLayout(this["nested"], IndexOf(ImageBuilder.Index(IndexOf(ImageBuilder.Index(both))))))).Keys);
        await RefusedAsync("oci:" + own.WriteLayout(this["arm"], IndexOf(ImageBuilder.Index(Of(arm, "linux/arm64/v8"), Of(arm, "windows/amd64")))), "there is no image for linux/amd64 in it, only for linux/arm64/v8, windows/amd64");
        await RefusedAsync("oci:" + own.WriteLayout(this["deep"], IndexOf(ImageBuilder.Index(IndexOf(ImageBuilder.Index(IndexOf(ImageBuilder.Index(IndexOf(ImageBuilder.Index(both))))))))), "leads through more than 4 others");
        await RefusedAsync("oci:" + own.WriteLayout(this["empty"], IndexOf(ImageBuilder.Index())), "the index has no image in it");
    }

    [Fact]
    public async Task An_index_that_leads_back_to_itself_is_refused()
    {
        // Digests make it impossible, as long as they are checked; the resolver does not rely on that.
        OciDigest digest = OciDigest.TryParse("sha256:" + new string('0', 64))!.Value;
        byte[] content = ImageBuilder.Bytes(new JsonObject
        {
            ["manifests"] = new JsonArray(new JsonObject { ["mediaType"] = ImageBuilder.IndexType, ["digest"] = digest.ToString(), ["size"] = 1 }),
        });
        OciDocument document = new(content, ImageBuilder.IndexType, digest);
        OciFaultException refusal = await Assert.ThrowsAsync<OciFaultException>(
            () => new OciResolver(new OciLimits(), (_, _, _) => Task.FromResult(document)).ResolveAsync(document, Token));
        Assert.Contains("leads back to itself", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_tag_chooses_among_the_images_of_a_layout()
    {
        ImageBuilder one = new ImageBuilder().Layer(new LayerBuilder().File("one", "")).Build();
        ImageBuilder two = new ImageBuilder().Layer(new LayerBuilder().File("two", "")).Build();
        foreach ((string digest, byte[] content) in one.Blobs)
            two.Blobs[digest] = content;
        string reference = "oci:" + two.WriteLayout(
            this["tags"], ImageBuilder.Descriptor(one.Manifest, ImageBuilder.ManifestType, name: "1"), ImageBuilder.Descriptor(two.Manifest, ImageBuilder.ManifestType, name: "2"));
        Assert.Contains("one", (await MergeAsync(reference + ":1")).Keys);
        Assert.Contains("two", (await MergeAsync(reference + ":2")).Keys);
        await RefusedAsync(reference, "several images in it; add a colon and a tag (it has '1', '2')");
        await RefusedAsync(reference + ":3", "there is no image '3' in it; it has '1', '2'");
    }

    [Fact]
    public async Task An_archive_of_docker_save_is_read_packed_or_not_and_its_layers_checked()
    {
        ImageBuilder image = new ImageBuilder().Layer(new LayerBuilder().File("a", "1")).Layer(new LayerBuilder().File("b", "2").File(".wh.a", "")).Build();
        string path = image.WriteDockerArchive(this["app.tar"]);
        Assert.Equal(["", "b"], (await MergeAsync("docker-archive:" + path)).Keys);
        Assert.Equal(["", "b"], (await MergeAsync("docker-archive:" + path + ":example/app:1")).Keys);
        await RefusedAsync("docker-archive:" + path + ":example/app:2", "it has 'example/app:1'");
        await File.WriteAllBytesAsync(this["app.tar.gz"], LayerBuilder.Gzip(await File.ReadAllBytesAsync(path, Token)), Token);
        Assert.Equal(["", "b"], (await MergeAsync("docker-archive:" + this["app.tar.gz"])).Keys);

        byte[] bytes = await File.ReadAllBytesAsync(path, Token);
        bytes[bytes.AsSpan().IndexOf("b\0\0\0"u8)] = (byte)'c';
        await File.WriteAllBytesAsync(this["spoilt.tar"], bytes, Token);
        await RefusedAsync("docker-archive:" + this["spoilt.tar"], "layer 2 of 2");
        await File.WriteAllBytesAsync(this["cut.tar"], bytes[..^5000], Token);
        await RefusedAsync("docker-archive:" + this["cut.tar"], "");
        await File.WriteAllBytesAsync(this["other.tar"], new LayerBuilder().File("a", "").Tar(), Token);
        await RefusedAsync("docker-archive:" + this["other.tar"], "no archive of docker save: it has no manifest.json");
        await RefusedAsync("docker-archive:" + this["nowhere.tar"], "there is no such file");
    }

    [Fact]
    public async Task Ended_in_the_middle_nothing_is_left()
    {
        using CancellationTokenSource stop = new();
        LayerBuilder layer = new();
        for (int i = 0; i < 50; i++)
            layer.File($"f{i}", new string('x', 100_000));
        OciOptions options = Options() with { Progress = new Hook(p => { if (p.Stage.StartsWith("unpacking", StringComparison.Ordinal)) stop.Cancel(); }) };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => OciImage.OpenAsync(OciReference.Parse(Layout(layer)), Store, options, stop.Token));
        Assert.Empty(Kept());
    }

    private string Layout(LayerBuilder layer, string name) => Layout(new ImageBuilder().Layer(layer).Build(), name);

    private async Task<byte[]> ZstdAsync(byte[] content, int cut)
    {
        string path = this[Guid.NewGuid().ToString("N")];
        await File.WriteAllBytesAsync(path, content, Token);
        using System.Diagnostics.Process zstd = System.Diagnostics.Process.Start("zstd", ["-q", path]);
        await zstd.WaitForExitAsync(Token);
        Assert.Equal(0, zstd.ExitCode);
        return (await File.ReadAllBytesAsync(path + ".zst", Token))[..^cut];
    }

    private sealed class Hook(Action<KernelProgress> on) : IProgress<KernelProgress>
    {
        public void Report(KernelProgress value) => on(value);
    }
}
