using System.Net.Sockets;
using System.Text;
using Xunit;

namespace Uml.CI.Wire.Tests;

public sealed class TreeTests : IDisposable
{
    private readonly TreeSandbox _sandbox = new();

    public void Dispose() => _sandbox.Dispose();

    [Fact]
    public void A_tree_comes_back_as_it_was()
    {
        string from = _sandbox.MakeTree();
        byte[] stream = Tree.Pack(from);

        Assert.Empty(Tree.Unpack(stream, _sandbox["to"], keepSpecialBits: true));
        Assert.Equal(TreeSandbox.Describe(from), TreeSandbox.Describe(_sandbox["to"]));
        Assert.Equal(0, _sandbox.OpenDescriptors());
    }

    [Fact]
    public void Any_chunking_gives_the_same_stream_and_tree()
    {
        string from = _sandbox.MakeTree();
        byte[] stream = Tree.Pack(from);
        foreach (int chunk in new[] { 1, 2, 7, 13, 4096, 1 << 20 })
            Assert.Equal(stream, Tree.Pack(from, chunk));

        string expected = TreeSandbox.Describe(from);
        for (int seed = 0; seed < 20; seed++)
        {
            Tree.Unpack(stream, _sandbox["to" + seed], keepSpecialBits: true, seed);
            Assert.Equal(expected, TreeSandbox.Describe(_sandbox["to" + seed]));
        }
    }

    [Fact]
    public void A_file_alone_a_symlink_alone_and_a_fifo_alone_get_the_destination_name()
    {
        _sandbox.MakeFile("file", "content"u8);
        File.SetUnixFileMode(_sandbox["file"], (UnixFileMode)0x1E8);
        Tree.Copy(_sandbox["file"], _sandbox["new/parents/file 2"]);
        Assert.Equal("content", File.ReadAllText(_sandbox["new/parents/file 2"]));
        Assert.Equal((UnixFileMode)0x1E8, File.GetUnixFileMode(_sandbox["new/parents/file 2"]));
        Assert.Equal(File.GetLastWriteTimeUtc(_sandbox["file"]), File.GetLastWriteTimeUtc(_sandbox["new/parents/file 2"]));

        File.CreateSymbolicLink(_sandbox["link"], "no such file");
        Tree.Copy(_sandbox["link"], _sandbox["link 2"]);
        Assert.Equal("no such file", new FileInfo(_sandbox["link 2"]).LinkTarget);

        _sandbox.MakeFifo("fifo");
        Tree.Copy(_sandbox["fifo"], _sandbox["fifo 2"]);
        Assert.Equal("fifo", TreeSandbox.Run(_sandbox["fifo 2"], """stat -c %F "$1" """).Trim());
    }

    [Fact]
    public void Trailing_slashes_and_dots_in_paths_mean_nothing()
    {
        _sandbox.MakeFile("from/a", "1"u8);
        Tree.Copy(_sandbox["from/../from/./"], _sandbox["to//"] + "/");
        Assert.Equal("1", File.ReadAllText(_sandbox["to/a"]));
    }

    [Fact]
    public void A_path_that_is_not_absolute_is_refused()
    {
        foreach (string path in new[] { "", "a", "./a", "/a\0b" })
        {
            Assert.Throws<TreeException>(() => new TreePacker(path));
            Assert.Throws<TreeException>(() => new TreeUnpacker(path));
        }
    }

    [Fact]
    public void A_sparse_file_over_4_GiB_stays_sparse_and_travels_small()
    {
        const long Size = 5L << 30;
        string from = _sandbox["sparse"];
        long[] places = [0, (4L << 30) + 12_345, Size - 4];
        using (FileStream file = File.Create(from))
        {
            file.SetLength(Size);
            foreach (long place in places)
            {
                file.Position = place;
                file.Write("data"u8);
            }
        }

        (long bytes, _) = Tree.Copy(from, _sandbox["copy"]);

        Assert.True(bytes < 1 << 20, $"{bytes} bytes travelled");
        Assert.Equal(Size, new FileInfo(_sandbox["copy"]).Length);
        Assert.True(Blocks("copy") <= Blocks("sparse"), $"{Blocks("copy")} blocks on disk, {Blocks("sparse")} in the original");
        using FileStream copy = File.OpenRead(_sandbox["copy"]);
        var four = new byte[4];
        foreach (long place in places)
        {
            copy.Position = place;
            copy.ReadExactly(four);
            Assert.Equal("data"u8, four);
        }
    }

    [Fact]
    public void A_file_of_nothing_but_a_hole_keeps_its_size()
    {
        using (FileStream file = File.Create(_sandbox["hole"]))
            file.SetLength(10_000_001);
        Tree.Copy(_sandbox["hole"], _sandbox["copy"]);
        Assert.Equal(10_000_001, new FileInfo(_sandbox["copy"]).Length);
        Assert.Equal(0, Blocks("copy"));
    }

    [Fact]
    public void Written_zeros_are_found_without_help_from_the_file_system()
    {
        var content = new byte[1_000_000];
        content[300_001] = 7;
        content[^1] = 8;
        _sandbox.MakeFile("zeros", content);
        (long bytes, _) = Tree.Copy(_sandbox["zeros"], _sandbox["copy"]);
        Assert.Equal(content, File.ReadAllBytes(_sandbox["copy"]));
        Assert.True(bytes < 20_000, $"{bytes} bytes travelled");
    }

    [Fact]
    public void Five_thousand_files_in_one_directory()
    {
        _sandbox.MakeDirectory("many");
        for (int i = 0; i < 5000; i++)
            File.WriteAllText(_sandbox[$"many/file with a longish name {i}"], i.ToString());
        Tree.Copy(_sandbox["many"], _sandbox["to"]);
        Assert.Equal(TreeSandbox.Describe(_sandbox["many"]), TreeSandbox.Describe(_sandbox["to"]));
        Assert.Equal(5000, Directory.GetFiles(_sandbox["to"]).Length);
    }

    [Fact]
    public void Deep_trees_whose_path_is_longer_than_any_path_may_be()
    {
        var forge = new TreeForge().Directory([]);
        byte[] name = Encoding.UTF8.GetBytes(new string('d', 100));
        for (int i = 0; i < 200; i++)
            forge.Directory(name);
        forge.File("f"u8, "deep"u8);
        for (int i = 0; i < 201; i++)
            forge.Leave();
        byte[] stream = forge.End();

        Tree.Unpack(stream, _sandbox["to"]);
        Assert.Equal(stream, Tree.Pack(_sandbox["to"]));
    }

    [Fact]
    public void A_tree_nested_too_deep_is_refused_at_both_ends()
    {
        _sandbox.MakeDirectory("from/" + string.Join('/', Enumerable.Repeat("d", TreeFormat.MaxDepth - 1)));
        Tree.Copy(_sandbox["from"], _sandbox["to"]);

        _sandbox.MakeDirectory("from/" + string.Join('/', Enumerable.Repeat("d", TreeFormat.MaxDepth)));
        Fails("nested deeper than 512 directories", () => Tree.Pack(_sandbox["from"]));
        Assert.Equal(0, _sandbox.OpenDescriptors());

        var forge = new TreeForge().Directory([]);
        for (int i = 0; i < TreeFormat.MaxDepth; i++)
            forge.Directory("e"u8);
        Fails("nested deeper than 512 directories", () => Tree.Unpack(forge.End(), _sandbox["to"]));
        Assert.Equal(0, _sandbox.OpenDescriptors());
    }

    [Fact]
    public void An_existing_directory_is_merged_into_and_keeps_its_mode()
    {
        _sandbox.MakeFile("from/sub/new", "new"u8);
        _sandbox.MakeFile("from/same", "from"u8);
        _sandbox.MakeFile("to/same", "a longer content than the new one"u8);
        _sandbox.MakeFile("to/sub/kept", "kept"u8);
        File.SetUnixFileMode(_sandbox["to/sub"], (UnixFileMode)0x1F8);

        Assert.Empty(Tree.Copy(_sandbox["from"], _sandbox["to"]).Warnings);

        Assert.Equal("new", File.ReadAllText(_sandbox["to/sub/new"]));
        Assert.Equal("from", File.ReadAllText(_sandbox["to/same"]));
        Assert.Equal("kept", File.ReadAllText(_sandbox["to/sub/kept"]));
        Assert.Equal((UnixFileMode)0x1F8, File.GetUnixFileMode(_sandbox["to/sub"]));
        Assert.Equal(3, Directory.GetFiles(_sandbox["to"], "*", SearchOption.AllDirectories).Length);
    }

    [Fact]
    public void A_destination_that_is_a_link_to_a_directory_is_the_callers_wish()
    {
        _sandbox.MakeFile("from/a", "1"u8);
        _sandbox.MakeDirectory("real");
        File.CreateSymbolicLink(_sandbox["to"], "real");
        Tree.Copy(_sandbox["from"], _sandbox["to"]);
        Assert.Equal("1", File.ReadAllText(_sandbox["real/a"]));
    }

    [Fact]
    public void A_file_and_a_directory_do_not_replace_each_other()
    {
        _sandbox.MakeFile("file", "f"u8);
        _sandbox.MakeFile("dir/x", "d"u8);
        _sandbox.MakeFile("from1/n", "f"u8);
        _sandbox.MakeFile("from2/n/x", "d"u8);
        _sandbox.MakeFile("to1/n/kept", "kept"u8);
        _sandbox.MakeFile("to2/n", "kept"u8);

        Fails("is a directory; name the file", () => Tree.Copy(_sandbox["file"], _sandbox["dir"]));
        Fails("exists and is not a directory", () => Tree.Copy(_sandbox["dir"], _sandbox["file"]));
        Fails(_sandbox["to1/n"] + ": is a directory", () => Tree.Copy(_sandbox["from1"], _sandbox["to1"]));
        Fails(_sandbox["to2/n"] + ": exists and is not a directory", () => Tree.Copy(_sandbox["from2"], _sandbox["to2"]));
        Fails(_sandbox["file"] + ": cannot be made a directory", () => Tree.Copy(_sandbox["dir"], _sandbox["file/sub/x"]));
        Fails("/: is a directory", () => Tree.Copy(_sandbox["file"], "/"));
        Assert.Equal("d", File.ReadAllText(_sandbox["dir/x"]));
        Assert.Equal("f", File.ReadAllText(_sandbox["file"]));
        Assert.Equal("kept", File.ReadAllText(_sandbox["to1/n/kept"]));
        Assert.Equal("kept", File.ReadAllText(_sandbox["to2/n"]));
        Assert.Empty(_sandbox.Leftovers());
    }

    [Fact]
    public void What_cannot_be_read_is_named()
    {
        Fails("/nonexistent/x: cannot be read: No such file or directory", () => Tree.Pack("/nonexistent/x"));
        // Opens for everyone and reads for no one, root included.
        var error = Fails("/proc/self/mem: cannot be read: Input/output error", () => Tree.Pack("/proc/self/mem"));
        Assert.Equal(5, error.Errno);

        using var packer = new TreePacker("/proc/self/mem");
        var first = Assert.Throws<TreeException>(() => packer.Read(new byte[1000]));
        Assert.Same(first, Assert.Throws<TreeException>(() => packer.Read(new byte[1000])));
    }

    [Fact]
    public void What_may_not_be_read_is_named()
    {
        Assert.SkipWhen(Environment.UserName == "root", "root may read everything");
        _sandbox.MakeFile("from/secret", "s"u8);
        File.SetUnixFileMode(_sandbox["from/secret"], UnixFileMode.None);
        Fails(_sandbox["from/secret"] + ": cannot be opened: Permission denied", () => Tree.Pack(_sandbox["from"]));
    }

    [Fact]
    public void Files_of_proc_and_sys_whose_size_lies_are_read()
    {
        Tree.Copy("/proc/version", _sandbox["version"]);
        Assert.Equal(File.ReadAllText("/proc/version"), File.ReadAllText(_sandbox["version"]));

        Assert.SkipUnless(File.Exists("/sys/devices/system/cpu/possible"), "no sysfs here");
        Assert.Empty(Tree.Copy("/sys/devices/system/cpu/possible", _sandbox["possible"]).Warnings);
        Assert.Equal(File.ReadAllText("/sys/devices/system/cpu/possible"), File.ReadAllText(_sandbox["possible"]));
    }

    [Fact]
    public void A_file_that_shrinks_arrives_short_and_is_mentioned()
    {
        var content = new byte[1_000_000];
        new Random(1).NextBytes(content);
        _sandbox.MakeFile("from/f", content);
        _sandbox.MakeFile("from/z/after", "after"u8);
        byte[] stream = Tree.Pack(_sandbox["from/f"], 1000, () => Resize("from/f", 200_000));
        string warning = Assert.Single(Tree.Unpack(stream, _sandbox["to"]));
        Assert.Equal(_sandbox["from/f"] + ": shrank while it was read", warning);
        Assert.Equal(content[..200_000], File.ReadAllBytes(_sandbox["to"]));
    }

    [Fact]
    public void A_file_that_grows_arrives_as_long_as_it_was()
    {
        var content = new byte[300_000];
        new Random(1).NextBytes(content);
        _sandbox.MakeFile("f", content);
        byte[] stream = Tree.Pack(_sandbox["f"], 1000, () => Resize("f", 900_000));
        Assert.Empty(Tree.Unpack(stream, _sandbox["to"]));
        Assert.Equal(content, File.ReadAllBytes(_sandbox["to"]));
    }

    [Fact]
    public void A_file_that_vanishes_is_mentioned()
    {
        // More than one buffer of directory entries, so that the rest of the names is still to come.
        _sandbox.MakeDirectory("from");
        for (int i = 0; i < 100; i++)
            _sandbox.MakeFile($"from/{i}", "x"u8);
        byte[] stream = Tree.Pack(_sandbox["from"], 60, () =>
        {
            foreach (string file in Directory.GetFiles(_sandbox["from"]))
                File.Delete(file);
        });
        IReadOnlyList<string> warnings = Tree.Unpack(stream, _sandbox["to"]);
        Assert.NotEmpty(warnings);
        Assert.Equal(100, warnings.Count + Directory.GetFiles(_sandbox["to"]).Length);
        Assert.All(warnings, warning => Assert.EndsWith("vanished while its directory was read", warning, StringComparison.Ordinal));
    }

    [Fact]
    public void Sockets_are_left_out_with_a_word()
    {
        _sandbox.MakeFile("from/a", "1"u8);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(_sandbox["from/s"]));

        string warning = Assert.Single(Tree.Copy(_sandbox["from"], _sandbox["to"]).Warnings);
        Assert.Equal(_sandbox["from/s"] + ": is a socket and was left out", warning);
        Assert.Equal([_sandbox["to/a"]], Directory.GetFileSystemEntries(_sandbox["to"]));
        Fails("is a socket, which cannot be copied", () => Tree.Pack(_sandbox["from/s"]));
    }

    [Fact]
    public void Set_user_id_bits_are_kept_only_on_request()
    {
        _sandbox.MakeFile("f", "x"u8);
        File.SetUnixFileMode(_sandbox["f"], (UnixFileMode)0xFED);
        byte[] stream = Tree.Pack(_sandbox["f"]);

        Tree.Unpack(stream, _sandbox["guest"], keepSpecialBits: true);
        Assert.Equal((UnixFileMode)0xFED, File.GetUnixFileMode(_sandbox["guest"]));
        Tree.Unpack(stream, _sandbox["host"]);
        Assert.Equal((UnixFileMode)0x3ED, File.GetUnixFileMode(_sandbox["host"]));
    }

    [Fact]
    public void Device_nodes_are_made_only_on_request_and_if_allowed()
    {
        byte[] stream = new TreeForge().Directory([]).Device("null"u8, 1, 3).File("a"u8, "1"u8).Leave().End();
        Assert.Contains("null: is a device node", Assert.Single(Tree.Unpack(stream, _sandbox["host"])), StringComparison.Ordinal);
        Assert.Equal([_sandbox["host/a"]], Directory.GetFileSystemEntries(_sandbox["host"]));

        IReadOnlyList<string> warnings = Tree.Unpack(stream, _sandbox["guest"], keepSpecialBits: true);
        if (warnings.Count == 0)
        {
            Assert.Equal("1:3 666", TreeSandbox.Run(_sandbox["guest/null"], """stat -c '%t:%T %a' "$1" """).Trim());
            byte[] again = Tree.Pack(_sandbox["guest/null"]);
            Assert.Equal(new TreeForge().Device([], 1, 3).End(), again);
        }
        else
        {
            Assert.Contains("null: was left out: Operation not permitted", Assert.Single(warnings), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_link_already_there_is_replaced_and_not_written_through()
    {
        _sandbox.MakeFile("outside/f", "mine"u8);
        _sandbox.MakeDirectory("to");
        File.CreateSymbolicLink(_sandbox["to/f"], "../outside/f");
        File.CreateSymbolicLink(_sandbox["to/d"], "../outside");

        Tree.Unpack(new TreeForge().Directory([]).File("f"u8, "theirs"u8).Leave().End(), _sandbox["to"]);
        Assert.Equal("mine", File.ReadAllText(_sandbox["outside/f"]));
        Assert.Null(new FileInfo(_sandbox["to/f"]).LinkTarget);
        Assert.Equal("theirs", File.ReadAllText(_sandbox["to/f"]));

        byte[] through = new TreeForge().Directory([]).Directory("d"u8).File("f"u8, "theirs"u8).Leave().Leave().End();
        Fails("d: exists and is not a directory", () => Tree.Unpack(through, _sandbox["to"]));
        Assert.Equal("mine", File.ReadAllText(_sandbox["outside/f"]));
    }

    [Fact]
    public void A_replaced_file_is_a_new_file()
    {
        _sandbox.MakeFile("to", "old"u8);
        using FileStream old = File.OpenRead(_sandbox["to"]);
        Tree.Unpack(new TreeForge().File([], "new"u8).End(), _sandbox["to"]);
        Assert.Equal("old", new StreamReader(old).ReadToEnd());
        Assert.Equal("new", File.ReadAllText(_sandbox["to"]));
    }

    [Fact]
    public void A_stream_cut_anywhere_is_refused_and_leaves_no_half_file()
    {
        byte[] stream = Tree.Pack(_sandbox.MakeFile("from", Encoding.ASCII.GetBytes(new string('x', 1000))));
        for (int length = 0; length < stream.Length - 17; length++)
        {
            Fails("ends before its end record", () => Tree.Unpack(stream.AsSpan(0, length), _sandbox["to"]));
            Assert.False(File.Exists(_sandbox["to"]));
        }

        for (int length = stream.Length - 17; length < stream.Length; length++)
            Fails("ends before its end record", () => Tree.Unpack(stream.AsSpan(0, length), _sandbox["to"]));
        Fails("goes on after its end record", () => Tree.Unpack([.. stream, 0], _sandbox["to"]));
        Assert.Empty(_sandbox.Leftovers());
        Assert.Equal(0, _sandbox.OpenDescriptors());
    }

    [Fact]
    public void An_abandoned_copy_leaves_no_half_file()
    {
        byte[] stream = Tree.Pack(_sandbox.MakeFile("from", "abc"u8));
        using (var unpacker = new TreeUnpacker(_sandbox["to"]))
            unpacker.Write(stream.AsSpan(0, stream.Length - 20));
        Assert.Equal([_sandbox["from"]], Directory.GetFileSystemEntries(_sandbox.Root));

        var disposed = new TreeUnpacker(_sandbox["to"]);
        disposed.Dispose();
        Assert.Throws<TreeException>(() => disposed.Write(stream));
        Assert.Throws<TreeException>(disposed.Complete);
    }

    [Theory]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("/")]
    [InlineData("/etc")]
    [InlineData("a/b")]
    [InlineData("../x")]
    [InlineData("a\0b")]
    [InlineData("")]
    public void Names_that_lead_elsewhere_are_refused(string name)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(name);
        Fails("is not a file name", () => Tree.Unpack(new TreeForge().Directory([]).File(bytes, "x"u8).Leave().End(), _sandbox["to"]));
        Fails("is not a file name", () => Tree.Unpack(new TreeForge().Directory([]).Directory(bytes).Leave().Leave().End(), _sandbox["to"]));
        Fails("is not a file name", () => Tree.Unpack(new TreeForge().Directory([]).Symlink(bytes, "x"u8).Leave().End(), _sandbox["to"]));
        if (name.Length > 0)
            Fails("gives its root entry the name", () => Tree.Unpack(new TreeForge().Directory(bytes).Leave().End(), _sandbox["to"]));
    }

    [Theory]
    [InlineData("../outside/f")]
    [InlineData("/etc/passwd")]
    [InlineData("d/../../outside/f")]
    [InlineData("d/")]
    [InlineData("d//f")]
    [InlineData(".")]
    [InlineData("link/f")]
    [InlineData("missing")]
    [InlineData("d")]
    public void Hard_links_cannot_lead_elsewhere(string path)
    {
        _sandbox.MakeFile("outside/f", "mine"u8);
        byte[] stream = new TreeForge().Directory([]).Directory("d"u8).Leave().Symlink("link"u8, "../outside"u8)
            .HardLink("h"u8, Encoding.UTF8.GetBytes(path)).Leave().End();
        Assert.Throws<TreeException>(() => Tree.Unpack(stream, _sandbox["to"]));
        Assert.False(File.Exists(_sandbox["to/h"]));
        Assert.Equal("1", TreeSandbox.Run(_sandbox["outside/f"], """stat -c %h "$1" """).Trim());
    }

    [Fact]
    public void A_hard_link_to_a_symlink_does_not_reach_its_target()
    {
        _sandbox.MakeFile("outside/f", "mine"u8);
        byte[] stream = new TreeForge().Directory([]).Symlink("s"u8, "../outside/f"u8).HardLink("h"u8, "s"u8)
            .File("h"u8, "theirs"u8).Leave().End();
        Tree.Unpack(stream, _sandbox["to"]);
        Assert.Equal("mine", File.ReadAllText(_sandbox["outside/f"]));
        Assert.Equal("1", TreeSandbox.Run(_sandbox["outside/f"], """stat -c %h "$1" """).Trim());
    }

    [Fact]
    public void A_hard_link_onto_itself_leaves_one_file()
    {
        byte[] stream = new TreeForge().Directory([]).File("f"u8, "1"u8).HardLink("f"u8, "f"u8).Leave().End();
        Tree.Unpack(stream, _sandbox["to"]);
        Assert.Equal([_sandbox["to/f"]], Directory.GetFileSystemEntries(_sandbox["to"]));
    }

    [Fact]
    public void Malformed_streams_are_refused()
    {
        Malformed("does not start like a file tree", "UMTREX\0\x01"u8.ToArray());
        Malformed("has version 2, not 1", "UMTREE\0\x02"u8.ToArray());
        Malformed("has its end record inside of the tree", new TreeForge().End());
        Malformed("has its end record inside of the tree", new TreeForge().Directory([]).End());
        Malformed("leaves a directory that it did not enter", new TreeForge().File([], []).Leave().End());
        Malformed("more than one root entry", new TreeForge().File([], []).File([], []).End());
        Malformed("record of kind 11", new TreeForge().Raw([11]).End());
        Malformed("record of kind 0", new TreeForge().Raw([0]).End());
        Malformed("mode 1000", new TreeForge().File([], [], 0x1000).End());
        Malformed("1000000000 nanoseconds", new TreeForge().Entry(TreeRecord.Fifo, []).UInt32(0).Time(1_000_000_000).End());
        Malformed("65537 bytes in one chunk", new TreeForge().Entry(TreeRecord.File, []).UInt32(0).Time().UInt64(0).UInt32(65537).End());
        Malformed("at 3, behind 4", new TreeForge().Entry(TreeRecord.File, []).UInt32(0).Time().Chunk(0, "abcd"u8).Chunk(3, "x"u8).End());
        Malformed("at 3, behind 4", new TreeForge().Entry(TreeRecord.File, []).UInt32(0).Time().Chunk(0, "abcd"u8).Chunk(3, []).End());
        Malformed("at -1, behind 0", new TreeForge().Entry(TreeRecord.File, []).UInt32(0).Time().Chunk(-1, []).End());
        Malformed("behind 0", new TreeForge().Entry(TreeRecord.File, []).UInt32(0).Time().Chunk(long.MaxValue, "x"u8).End());
        Malformed("text of 0 bytes", new TreeForge().Symlink([], []).End());
        Malformed("text of 4096 bytes", new TreeForge().Symlink([], new byte[4096]).End());
        Malformed("has a NUL in it", new TreeForge().Symlink([], "a\0b"u8).End());
        Malformed("hard link as its root entry", new TreeForge().HardLink([], "a"u8).End());
        Malformed("should have 2 entries and 0 bytes", new TreeForge().File([], []).Raw([10]).UInt64(2).UInt64(0).ToArray());
        Malformed("should have 1 entries and 1 bytes", new TreeForge().File([], []).Raw([10]).UInt64(1).UInt64(1).ToArray());

        void Malformed(string text, byte[] stream)
        {
            Fails(text, () => Tree.Unpack(stream, _sandbox["to/x"]));
            _sandbox.Empty("to");
        }
    }

    [Fact]
    public void Names_in_errors_and_warnings_are_fit_for_a_terminal()
    {
        byte[] stream = new TreeForge().Directory([]).Raw([(byte)TreeRecord.Warning]).Text("a\n\x1b[31m\xffü"u8)
            .Device("x\x1b\n"u8, 1, 3).Leave().End();
        Assert.Equal([@"a\x0a\x1b[31mÿü", _sandbox["to"] + @"/x\x1b\x0a: is a device node, which only a guest may be given, and was left out"], Tree.Unpack(stream, _sandbox["to"]));
    }

    private void Resize(string name, long size)
    {
        using FileStream file = File.OpenWrite(_sandbox[name]);
        file.SetLength(size);
    }

    private long Blocks(string name) => long.Parse(TreeSandbox.Run(_sandbox[name], """stat -c %b "$1" """));

    private static TreeException Fails(string text, Action action)
    {
        var error = Assert.Throws<TreeException>(action);
        Assert.Contains(text, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
        return error;
    }
}
