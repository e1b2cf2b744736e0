using System.Diagnostics;
using System.Formats.Tar;
using System.Text;
using Xunit;

namespace Uml.CI;

public sealed class MergedRootTests : ImageTest
{
    [Fact]
    public async Task Owners_modes_times_links_devices_and_capabilities_are_kept()
    {
        // As setcap writes it, with a byte that is no text. (A byte that ends a line would be too much for the reader below.)
        byte[] capability = [1, 0, 0, 2, 0x80, 4, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0, 0, 0];
        byte[] tar = await TarAsync(Layout(new LayerBuilder()
            .Directory("./", mode: 0x1C0)
            .Directory("etc/")
            .File("etc/b", "content", mode: 0x9ED, user: 1000, group: 65534, time: 1_234_567_890)
            .HardLink("etc/a", "etc/b")
            .Symlink("etc/link", "/anywhere/../else")
            .Device("null", 1, 3)
            .Add("pipe", '6')
            .Pax(("SCHILY.xattr.security.capability", capability), ("mtime", "1600000000.123456789"u8.ToArray()), ("uid", "3000000"u8.ToArray()))
            .File("ping", "x")
            .Pax(("path", Encoding.UTF8.GetBytes("long/" + new string('n', 200) + "/ü")))
            .File("short", "y")));
        Dictionary<string, TarEntry> root = Read(tar);

        Assert.Equal(["", "etc", "etc/a", "etc/b", "etc/link", "long", "long/" + new string('n', 200), "long/" + new string('n', 200) + "/ü", "null", "ping", "pipe"], root.Keys);
        Assert.Equal((UnixFileMode)0x1C0, root[""].Mode);
        Assert.Equal((UnixFileMode)0x9ED, root["etc/a"].Mode);
        Assert.Equal((1000, 65534), (root["etc/a"].Uid, root["etc/a"].Gid));
        Assert.Equal(1_234_567_890, root["etc/a"].ModificationTime.ToUnixTimeSeconds());
        Assert.Equal("content", Text(root["etc/a"]));
        Assert.Equal((TarEntryType.HardLink, "./etc/a"), (root["etc/b"].EntryType, root["etc/b"].LinkName));
        Assert.Equal((TarEntryType.SymbolicLink, "/anywhere/../else"), (root["etc/link"].EntryType, root["etc/link"].LinkName));
        PosixTarEntry device = Assert.IsType<PosixTarEntry>(root["null"], exactMatch: false);
        Assert.Equal((TarEntryType.CharacterDevice, 1, 3), (device.EntryType, device.DeviceMajor, device.DeviceMinor));
        Assert.Equal(TarEntryType.Fifo, root["pipe"].EntryType);
        Assert.Equal(3_000_000, root["ping"].Uid);
        Assert.Equal("1600000000.123456789", ((PaxTarEntry)root["ping"]).ExtendedAttributes["mtime"]);
        Assert.True(tar.AsSpan().IndexOf([.. "SCHILY.xattr.security.capability="u8, .. capability, (byte)'\n']) > 0);
    }

    [Fact]
    public async Task Orders_to_overlayfs_are_not_an_image_s_to_give()
    {
        byte[] tar = await TarAsync(Layout(new LayerBuilder().Pax(("SCHILY.xattr.trusted.overlay.redirect", "/etc"u8.ToArray()), ("SCHILY.xattr.user.a", "kept"u8.ToArray())).Directory("d")));
        Assert.Equal(-1, tar.AsSpan().IndexOf("overlay"u8));
        Assert.True(tar.AsSpan().IndexOf("SCHILY.xattr.user.a=kept"u8) > 0);
    }

    [Fact]
    public async Task Layers_hide_replace_and_add()
    {
        ImageBuilder image = new ImageBuilder()
            .Layer(new LayerBuilder().File("gone", "1").File("dir/old", "1").File("dir/both", "1").File("whole/sub/x", "1").File("file", "1")
                .Symlink("bin", "usr/bin").Directory("usr/bin").File("becomes/dir/x", "1").File("opaque/a", "1").File("opaque/keep/a", "1").File("kept", "1").HardLink("kept2", "kept"))
            .Layer(new LayerBuilder().File(".wh.gone", "").File("dir/both", "2").File("dir/new", "2").File(".wh.whole", "").File("bin/tool", "2")
                .File("becomes", "2").File("opaque/b", "2").File("opaque/keep/b", "2").File("opaque/.wh..wh..opq", "").File(".wh.kept", ""))
            // A whiteout says nothing of its own layer, before or after.
            .Layer(new LayerBuilder().File("file", "3").File(".wh.file", "").File(".wh.dir", "").File("dir/three", "3").File(".wh.never-there", "").Directory(".wh..wh.plnk/"))
            .Build();
        Dictionary<string, TarEntry> root = await MergeAsync(Layout(image));

        Assert.Equal(
            ["", "becomes", "bin", "dir", "dir/three", "file", "kept2", "opaque", "opaque/b", "opaque/keep", "opaque/keep/b", "usr", "usr/bin", "usr/bin/tool"],
            root.Keys);
        Assert.Equal("3", Text(root["file"]));
        Assert.Equal("2", Text(root["becomes"]));
        // The content of a hidden name stays with the other one.
        Assert.Equal((TarEntryType.RegularFile, "1"), (root["kept2"].EntryType, Text(root["kept2"])));
    }

    [Fact]
    public async Task The_same_image_gives_the_same_bytes_in_whatever_order_its_layer_is()
    {
        byte[] one = await TarAsync(Layout(new ImageBuilder().Layer(new LayerBuilder().File("a", "1").File("b/c", "2").File("b/d", "3")).Build(), "one"));
        byte[] two = await TarAsync(Layout(new ImageBuilder().Layer(new LayerBuilder().File("b/d", "3").File("b/c", "2").File("a", "1")).Build(), "two"));
        Assert.Equal(one, two);
        Assert.Equal(one, await TarAsync(Layout(new ImageBuilder().Layer(new LayerBuilder().File("a", "1")).Layer(new LayerBuilder().File("b/c", "2").File("b/d", "3")).Build(), "three")));
    }

    [Theory]
    [InlineData("--format=gnu")]
    [InlineData("--format=pax --sparse-version=0.0")]
    [InlineData("--format=pax --sparse-version=0.1")]
    [InlineData("--format=pax --sparse-version=1.0")]
    [InlineData("--format=v7")]
    [InlineData("--format=ustar")]
    public async Task What_tar_writes_is_read(string format)
    {
        byte[] sparse = new byte[3 << 20];
        string words = string.Join(' ', Enumerable.Range(0, 2000));
        for (int i = 0; i < 30; i++)
            Encoding.ASCII.GetBytes($"piece {i} {words[..(100 * i)]}").CopyTo(sparse, i * 96 << 10);
        Directory.CreateDirectory(this["tree"]);
        using (FileStream holes = File.Create(Path.Combine(this["tree"], "holes")))
        {
            holes.SetLength(sparse.Length);
            for (int i = 0; i < 30; i++)
            {
                holes.Position = i * 96 << 10;
                holes.Write(sparse, i * 96 << 10, 8 << 10);
            }
        }

        await File.WriteAllTextAsync(Path.Combine(this["tree"], "plain"), words, Token);
        string name = format.Contains("v7", StringComparison.Ordinal) || format.Contains("ustar", StringComparison.Ordinal) ? new string('n', 90) : new string('n', 180);
        await File.WriteAllTextAsync(Path.Combine(this["tree"], name), "long", Token);
        bool isSparse = !name.EndsWith(new string('n', 90), StringComparison.Ordinal) || name.Length > 90;
        using (Process tar = Process.Start("tar", [.. format.Split(' '), .. isSparse ? ["-S"] : Array.Empty<string>(), "-C", this["tree"], "-cf", this["layer.tar"], "."]))
        {
            await tar.WaitForExitAsync(Token);
            Assert.Equal(0, tar.ExitCode);
        }

        byte[] layer = await File.ReadAllBytesAsync(this["layer.tar"], Token);
        Assert.Equal(isSparse, layer.Length < 2 << 20);
        Dictionary<string, TarEntry> root = await MergeAsync(Layout(new ImageBuilder().Layer(LayerBuilder.Gzip(layer), layer).Build()));
        Assert.Equal(["", "holes", name, "plain"], root.Keys);
        Assert.Equal(words, Text(root["plain"]));
        Assert.Equal("long", Text(root[name]));
        using MemoryStream read = new();
        await root["holes"].DataStream!.CopyToAsync(read, Token);
        Assert.Equal(sparse, read.ToArray());
    }

    [Theory]
    [InlineData("application/vnd.oci.image.layer.v1.tar", "cat")]
    [InlineData("application/vnd.oci.image.layer.v1.tar+gzip", "gzip")]
    [InlineData("application/vnd.oci.image.layer.v1.tar+zstd", "zstd")]
    [InlineData("application/vnd.docker.image.rootfs.diff.tar.gzip", "gzip")]
    public async Task Every_packing_is_read(string type, string program)
    {
        byte[] layer = new LayerBuilder().File("f", new string('x', 300_000)).Tar();
        await File.WriteAllBytesAsync(this["plain"], layer, Token);
        using (Process pack = Process.Start("sh", ["-c", $"{program} < '{this["plain"]}' > '{this["packed"]}'"]))
        {
            await pack.WaitForExitAsync(Token);
            Assert.Equal(0, pack.ExitCode);
        }

        Dictionary<string, TarEntry> root = await MergeAsync(Layout(new ImageBuilder().Layer(await File.ReadAllBytesAsync(this["packed"], Token), layer, type).Build()));
        Assert.Equal(300_000, root["f"].Length);
    }

    [Fact]
    public async Task The_configuration_says_how_to_run_it()
    {
        ImageBuilder image = new ImageBuilder().Layer(new LayerBuilder().File("f", ""));
        image.Run["Env"] = new System.Text.Json.Nodes.JsonArray("PATH=/bin", "A=b=c", "EMPTY=");
        image.Run["User"] = "nobody:nogroup";
        image.Run["WorkingDir"] = "/srv";
        image.Run["Entrypoint"] = new System.Text.Json.Nodes.JsonArray("/bin/app", "--serve");
        image.Run["Cmd"] = new System.Text.Json.Nodes.JsonArray("80");
        using OciImage opened = await OciImage.OpenAsync(OciReference.Parse(Layout(image.Build())), Store, Options(), Token);
        Assert.Equal(["PATH=/bin", "A=b=c", "EMPTY="], opened.Config.Environment);
        Assert.Equal(("nobody:nogroup", "/srv"), (opened.Config.User, opened.Config.WorkingDirectory));
        Assert.Equal(["/bin/app", "--serve", "80"], opened.Config.CommandLine);
    }
}
