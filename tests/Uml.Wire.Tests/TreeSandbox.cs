using System.Diagnostics;
using System.Text;
using Xunit;

namespace Uml.CI.Wire.Tests;

/// <summary>A directory of its own for one test, and the eyes of an independent program on it.</summary>
public sealed class TreeSandbox : IDisposable
{
    private readonly string _root;

    public TreeSandbox() => _root = Directory.CreateTempSubdirectory("wire-tests-").FullName;

    private TreeSandbox(string root) => _root = Directory.CreateDirectory(root).FullName;

    /// <summary>A sandbox in memory where the host has room there: a disk writes a file out when another takes its name.</summary>
    public static TreeSandbox InMemory() =>
        Directory.Exists("/dev/shm") ? new TreeSandbox($"/dev/shm/wire-tests-{Guid.NewGuid():N}") : new TreeSandbox();

    public string this[string name] => Path.Combine(_root, name);

    public string Root => _root;

    public string MakeDirectory(string name) => Directory.CreateDirectory(this[name]).FullName;

    public string MakeFile(string name, ReadOnlySpan<byte> content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(this[name])!);
        File.WriteAllBytes(this[name], content.ToArray());
        return this[name];
    }

    /// <summary>A tree with one of everything that can be made without privileges.</summary>
    public string MakeTree()
    {
        string from = MakeDirectory("from");
        MakeDirectory("from/empty");
        MakeDirectory("from/unwritable/below");
        MakeFile("from/empty file", []);
        MakeFile("from/with spaces/and ü 日本語/f", "text"u8);
        MakeFile("from/-n \\ \" $(x) *\n.txt", "odd"u8);
        var content = new byte[300_000];
        new Random(1).NextBytes(content);
        MakeFile("from/large", content);
        MakeFile("from/" + new string('n', 255), "long name"u8);

        byte[] invalid = [0xFF, 0xFE, (byte)'x', 0xC3, 0];
        byte[] directory = TreeNative.Terminated(from);
        int descriptor = TreeNative.Open(TreeNative.AtCurrentDirectory, directory, TreeNative.ReadOnly | TreeNative.Directory);
        Assert.True(descriptor >= 0);
        Assert.Equal(0, TreeNative.MakeNode(descriptor, invalid, TreeNative.TypeFile | 0x1A4));
        Assert.Equal(0, TreeNative.MakeSymlink([0xFF, 0xFD, 0], descriptor, "to invalid\0"u8.ToArray()));
        Assert.Equal(0, TreeNative.MakeLink(descriptor, "large\0"u8.ToArray(), descriptor, "large 2\0"u8.ToArray()));
        Assert.Equal(0, TreeNative.MakeLink(descriptor, "large\0"u8.ToArray(), descriptor, "with spaces/large 3\0"u8.ToArray()));
        _ = TreeNative.Close(descriptor);
        MakeFifo("from/fifo");

        File.CreateSymbolicLink(this["from/relative"], "large");
        File.CreateSymbolicLink(this["from/absolute"], "/etc/passwd");
        File.CreateSymbolicLink(this["from/dangling"], "no/such/file");
        File.CreateSymbolicLink(this["from/directory link"], "empty");
        File.CreateSymbolicLink(this["from/loop"], "loop");

        foreach (string file in new[] { "0", "111", "644", "755", "4755", "2755", "1644", "7777", "600" })
        {
            MakeFile("from/modes/" + file, Encoding.ASCII.GetBytes(file));
            // An ordinary user cannot read what has no read bit.
            File.SetUnixFileMode(this["from/modes/" + file], (UnixFileMode)(Convert.ToInt32(file, 8) | 0x100));
        }

        Directory.CreateDirectory(this["from/modes/dir"], (UnixFileMode)0x1C0);
        File.SetUnixFileMode(this["from/modes/dir"], (UnixFileMode)0x3F8);
        Run(from, """cd "$1"; touch -d '1969-12-31 23:59:58.123456789 UTC' large; touch -d '2099-01-01 00:00:00.5 UTC' empty; touch -h -d '2001-02-03 04:05:06.789 UTC' dangling fifo""");
        File.SetUnixFileMode(this["from/unwritable"], (UnixFileMode)0x16D);
        return from;
    }

    public void MakeFifo(string name) =>
        Assert.Equal(0, TreeNative.MakeNode(TreeNative.AtCurrentDirectory, TreeNative.Terminated(this[name]), TreeNative.TypeFifo | 0x1A4));

    /// <summary>Temporary files that a copy should have removed or renamed.</summary>
    public string[] Leftovers() =>
        Run(_root, """find "$1" -name '.uml-copy-*' """).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Everything find(1) and sha256sum(1) can say about a tree: names, types, modes, times, links and content.</summary>
    public static string Describe(string path)
    {
        string tree = Run(path, """
            if [ -d "$1" ] && [ ! -L "$1" ]; then cd "$1"; set -- .; fi
            find "$1" \( -type d -printf '%P|%y|%m|%T@\n' \) -o \( -type f -printf '%P|%y|%m|%T@|%n|%s\n' \) -o -printf '%P|%y|%m|%T@|%l\n' | LC_ALL=C sort
            """);
        string content = Run(path, """
            if [ -d "$1" ]; then cd "$1"; find . -type f -exec sha256sum {} + | LC_ALL=C sort; else sha256sum < "$1"; fi
            """);
        return tree + content;
    }

    /// <summary>Names and content below a directory, as cheap as it gets. Links are listed, not followed.</summary>
    public static string List(string path)
    {
        var text = new StringBuilder();
        foreach (FileSystemInfo entry in new DirectoryInfo(path).EnumerateFileSystemInfos().OrderBy(entry => entry.Name, StringComparer.Ordinal))
        {
            text.Append(entry.FullName).Append(' ').Append(entry.UnixFileMode).Append(' ').Append(entry.LinkTarget);
            if (entry is FileInfo { LinkTarget: null } file)
                text.Append(' ').Append(file.LastWriteTimeUtc.Ticks).Append(' ').Append(file.Length == 0 ? "" : Convert.ToHexString(File.ReadAllBytes(file.FullName)));
            text.Append('\n');
            if (entry is DirectoryInfo { LinkTarget: null })
                text.Append(List(entry.FullName));
        }

        return text.ToString();
    }

    /// <summary>Runs a shell script with <paramref name="path"/> as its $1 and returns what it prints, bytes as Latin-1.</summary>
    public static string Run(string path, string script)
    {
        var start = new ProcessStartInfo("sh") { UseShellExecute = false, RedirectStandardOutput = true, StandardOutputEncoding = Encoding.Latin1 };
        foreach (string argument in new[] { "-ec", script, "sh", path })
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"exit status {process.ExitCode} of: {script}");
    }

    /// <summary>Descriptors of this process that are open on something in the sandbox.</summary>
    public int OpenDescriptors()
    {
        int count = 0;
        foreach (FileSystemInfo descriptor in new DirectoryInfo("/proc/self/fd").EnumerateFileSystemInfos())
        {
            // Descriptors of parallel tests come and go while we look.
            try
            {
                if (descriptor.LinkTarget?.StartsWith(_root, StringComparison.Ordinal) == true)
                    count++;
            }
            catch (IOException)
            {
            }
        }

        return count;
    }

    public void Empty(string name)
    {
        if (Directory.Exists(this[name]))
            Run(this[name], """chmod -R u+rwX -- "$1"; rm -rf -- "$1" """);
        MakeDirectory(name);
    }

    public void Dispose() => Run(_root, """chmod -R u+rwX -- "$1"; rm -rf -- "$1" """);
}

/// <summary>Trees as bytes.</summary>
internal static class Tree
{
    public static byte[] Pack(string path, int chunk = 10_000, Action? afterFirst = null)
    {
        using var packer = new TreePacker(path);
        var stream = new MemoryStream();
        var buffer = new byte[chunk];
        int count;
        while ((count = packer.Read(buffer)) > 0)
        {
            stream.Write(buffer, 0, count);
            afterFirst?.Invoke();
            afterFirst = null;
        }

        return stream.ToArray();
    }

    public static IReadOnlyList<string> Unpack(ReadOnlySpan<byte> stream, string path, bool keepSpecialBits = false, int seed = 0)
    {
        using var unpacker = new TreeUnpacker(path, keepSpecialBits);
        var random = new Random(seed);
        while (!stream.IsEmpty)
        {
            int count = Math.Min(stream.Length, random.Next(1, 1 << random.Next(1, 18)));
            unpacker.Write(stream[..count]);
            stream = stream[count..];
        }

        unpacker.Complete();
        return unpacker.Warnings;
    }

    /// <summary>Moves a tree without ever holding it.</summary>
    public static (long Bytes, IReadOnlyList<string> Warnings) Copy(string from, string to)
    {
        using var packer = new TreePacker(from);
        using var unpacker = new TreeUnpacker(to);
        var buffer = new byte[64 * 1024];
        long bytes = 0;
        int count;
        while ((count = packer.Read(buffer)) > 0)
        {
            unpacker.Write(buffer.AsSpan(0, count));
            bytes += count;
        }

        unpacker.Complete();
        return (bytes, unpacker.Warnings);
    }
}

/// <summary>Writes trees no packer would.</summary>
internal sealed class TreeForge
{
    private readonly List<byte> _bytes = [.. TreeFormat.Preamble];
    private ulong _entries;
    private ulong _data;

    public TreeForge Entry(TreeRecord kind, ReadOnlySpan<byte> name)
    {
        _entries++;
        return Raw([(byte)kind, (byte)name.Length]).Raw(name);
    }

    public TreeForge Directory(ReadOnlySpan<byte> name, uint mode = 0x1ED) => Entry(TreeRecord.Directory, name).UInt32(mode).Time();

    public TreeForge Leave() => Raw([(byte)TreeRecord.Leave]);

    public TreeForge File(ReadOnlySpan<byte> name, ReadOnlySpan<byte> content, uint mode = 0x1A4)
    {
        Entry(TreeRecord.File, name).UInt32(mode).Time();
        if (!content.IsEmpty)
            Chunk(0, content);
        return Chunk(content.Length, []);
    }

    public TreeForge Chunk(long offset, ReadOnlySpan<byte> data)
    {
        _data += (ulong)data.Length;
        return UInt64((ulong)offset).UInt32((uint)data.Length).Raw(data);
    }

    public TreeForge Symlink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> target) => Entry(TreeRecord.Symlink, name).Time().Text(target);

    public TreeForge HardLink(ReadOnlySpan<byte> name, ReadOnlySpan<byte> path) => Entry(TreeRecord.HardLink, name).Text(path);

    public TreeForge Device(ReadOnlySpan<byte> name, uint major, uint minor) =>
        Entry(TreeRecord.CharacterDevice, name).UInt32(0x1B6).Time().UInt32(major).UInt32(minor);

    public TreeForge Text(ReadOnlySpan<byte> text) => Raw([(byte)text.Length, (byte)(text.Length >> 8)]).Raw(text);

    public TreeForge Time(uint nanoseconds = 5) => UInt64(1_600_000_000).UInt32(nanoseconds);

    public TreeForge UInt32(uint value) => Raw(BitConverter.GetBytes(value));

    public TreeForge UInt64(ulong value) => Raw(BitConverter.GetBytes(value));

    public TreeForge Raw(ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        return this;
    }

    public byte[] End() => Raw([(byte)TreeRecord.End]).UInt64(_entries).UInt64(_data).ToArray();

    public byte[] ToArray() => [.. _bytes];
}
