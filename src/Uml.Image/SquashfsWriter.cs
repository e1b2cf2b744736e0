using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Uml.CI;

/// <summary>Makes a squashfs image of a tar stream, with sqfstar of squashfs-tools.</summary>
/// <remarks>
/// lz4: an image of Debian's minimal system is made in 0.5 s (66 MB) where zstd takes 26 s (44 MB), and every Debian kernel reads
/// both. Nothing is unpacked on the host, so owners, modes and device nodes are an ordinary user's to store.
/// </remarks>
internal static class SquashfsWriter
{
    public const string Package = "squashfs-tools";

    public const string Program = "sqfstar";

    /// <summary>The tool; null where it is not installed.</summary>
    public static string? Find(HostTools host) => HostPrograms.Find(host, Program);

    /// <summary>Writes the image.</summary>
    /// <param name="host">Where programs are looked for.</param>
    /// <param name="path">The file to write.</param>
    /// <param name="time">The time the file system itself is stamped with.</param>
    /// <param name="reference">For the error.</param>
    /// <param name="write">Writes the tar stream.</param>
    /// <param name="cancellationToken">Ends the tool.</param>
    public static async Task WriteAsync(
        HostTools host, string path, DateTimeOffset time, string reference, Func<Stream, Task> write, CancellationToken cancellationToken)
    {
        string program = Find(host)
            ?? throw new KernelException($"{reference} cannot be made into an image: the program {Program} is not installed; install the package '{Package}', version 4.5 or later.") { Problem = KernelProblem.Unavailable };
        string seconds = time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        string[] line = [.. await UserNamespaces.RootPrefixAsync(host, cancellationToken), program];
        ProcessStartInfo start = new(line[0])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        // sqfstar 4.5 gives the root directory to whoever runs it, and that is to be root.
        foreach (string argument in (string[])[.. line[1..], "-quiet", "-no-progress", "-exit-on-error", "-comp", "lz4", "-noI", "-mkfs-time", seconds, "-root-mode", "755", "-root-uid", "0", "-root-gid", "0", path])
            start.ArgumentList.Add(argument);
        start.Environment.Remove("SOURCE_DATE_EPOCH");
        start.Environment["LC_ALL"] = "C.UTF-8";

        using Process process = new() { StartInfo = start };
        StringBuilder words = new();
        void Keep(object sender, DataReceivedEventArgs said)
        {
            lock (words)
                words.Append(said.Data is { Length: > 0 } text ? text + " | " : "");
        }

        process.OutputDataReceived += Keep;
        process.ErrorDataReceived += Keep;
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        try
        {
            IOException? broken = null;
            try
            {
                await using Stream input = process.StandardInput.BaseStream;
                await write(input);
            }
            catch (IOException e)
            {
                // The tool has given up and says why; or what was read could not be.
                broken = e;
            }

            // Its input is a pipe from this process alone: whatever happens to this process, it ends.
            await process.WaitForExitAsync(cancellationToken);
            if (process.ExitCode == 0 && broken is null)
            {
                StampRoot(path, (uint)Math.Clamp(time.ToUnixTimeSeconds(), 0, uint.MaxValue));
                return;
            }

            string text;
            lock (words)
                text = words.ToString().TrimEnd(' ', '|');
            throw new KernelException($"{reference} cannot be made into an image: {(process.ExitCode != 0 && text.Length > 0 ? text : broken is null ? $"{Program} ended with status {process.ExitCode}" : OneLine.Of(broken)).TrimEnd('.')}; see to the free space in {Path.GetDirectoryName(path)}.") { Problem = KernelProblem.Unavailable };
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }

    // sqfstar 4.5 stamps the root directory with the present time, whatever it is told. Inodes are stored uncompressed (-noI), so the
    // four bytes can be set: fs/squashfs/squashfs_fs.h, the superblock's root_inode and inode_table_start, squashfs_base_inode.mtime.
    private static void StampRoot(string path, uint seconds)
    {
        const int rootInode = 32, inodeTable = 64, blockHeader = 2, timeOfInode = 8;
        const ushort uncompressed = 0x8000;
        using FileStream file = new(path, FileMode.Open, FileAccess.ReadWrite);
        Span<byte> superblock = stackalloc byte[96];
        file.ReadExactly(superblock);
        long root = BinaryPrimitives.ReadInt64LittleEndian(superblock[rootInode..]);
        long block = BinaryPrimitives.ReadInt64LittleEndian(superblock[inodeTable..]) + (root >> 16);
        Span<byte> header = stackalloc byte[blockHeader];
        file.Position = block;
        file.ReadExactly(header);
        if ((BinaryPrimitives.ReadUInt16LittleEndian(header) & uncompressed) == 0)
            throw new IOException($"{Program} compressed the inodes although it was told not to");
        Span<byte> time = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(time, seconds);
        file.Position = block + blockHeader + (root & 0xffff) + timeOfInode;
        file.Write(time);
    }
}
