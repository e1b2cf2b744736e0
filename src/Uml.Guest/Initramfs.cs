using System.Globalization;
using System.Text;

namespace Uml.CI;

/// <summary>The archive the guest's kernel unpacks as its first root: the agent and two device nodes, the same for every guest.</summary>
internal static class Initramfs
{
    /// <summary>The archive of <paramref name="agent"/>, made once below <paramref name="cache"/>.</summary>
    public static string Ensure(string agent, string cache)
    {
        var file = new FileInfo(agent);
        string directory = Path.Combine(cache, "initramfs");
        // The name says which agent is inside; hashing it at each boot would cost more than the boot's share of it.
        string path = Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"{Hash(agent):x16}-{file.Length:x}-{file.LastWriteTimeUtc.Ticks:x}.cpio"));
        if (File.Exists(path))
            return path;

        Directory.CreateDirectory(directory);
        string partial = $"{path}.{Environment.ProcessId}.{Guid.NewGuid():N}";
        try
        {
            File.WriteAllBytes(partial, Build(File.ReadAllBytes(agent)));
            File.Move(partial, path, overwrite: true);
        }
        finally
        {
            File.Delete(partial);
        }

        return path;
    }

    /// <summary>Builds the archive ("newc" cpio, Documentation/driver-api/early-userspace/buffer-format.rst).</summary>
    public static byte[] Build(ReadOnlySpan<byte> agent)
    {
        const uint Directory = 0x41ed, Character = 0x2180, Executable = 0x81ed;
        using var archive = new MemoryStream(agent.Length + 2048);
        uint inode = 1;
        Add(archive, inode++, "dev", Directory, 0, 0, []);
        // The kernel opens /dev/console for PID 1 before anything can be mounted.
        Add(archive, inode++, "dev/console", Character, 5, 1, []);
        Add(archive, inode++, "dev/null", Character | 0x36, 1, 3, []);
        Add(archive, inode++, "init", Executable, 0, 0, agent);
        Add(archive, 0, "TRAILER!!!", 0, 0, 0, []);
        return archive.ToArray();
    }

    private static void Add(MemoryStream archive, uint inode, string name, uint mode, uint major, uint minor, ReadOnlySpan<byte> content)
    {
        var header = new StringBuilder("070701");
        foreach (uint field in (ReadOnlySpan<uint>)[inode, mode, 0, 0, 1, 0, (uint)content.Length, 0, 0, major, minor, (uint)name.Length + 1, 0])
            header.Append(field.ToString("x8", CultureInfo.InvariantCulture));
        archive.Write(Encoding.ASCII.GetBytes(header.Append(name).Append('\0').ToString()));
        Align(archive);
        archive.Write(content);
        Align(archive);
    }

    // FNV-1a, 64 bits. The names of a handful of files need no more, and a cryptographic hash would load OpenSSL: several
    // milliseconds of a process's first guest.
    private static ulong Hash(string text)
    {
        const ulong basis = 14695981039346656037, prime = 1099511628211;
        ulong hash = basis;
        foreach (byte b in Encoding.UTF8.GetBytes(text))
            hash = unchecked((hash ^ b) * prime);
        return hash;
    }

    private static void Align(MemoryStream archive)
    {
        while (archive.Length % 4 != 0)
            archive.WriteByte(0);
    }
}
