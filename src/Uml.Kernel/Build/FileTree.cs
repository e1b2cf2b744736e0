using System.Collections.Concurrent;
using System.IO.Enumeration;
using System.Security.Cryptography;
using System.Text;

namespace Uml.CI;

/// <summary>All files below a directory, <c>.git</c> left out.</summary>
internal static class FileTree
{
    /// <summary>A file or a symbolic link.</summary>
    /// <param name="Path">Relative to the directory.</param>
    /// <param name="Size">Bytes.</param>
    /// <param name="Modified">Seconds since 1970.</param>
    public readonly record struct Entry(string Path, long Size, long Modified);

    /// <summary>Lists them, in no order.</summary>
    public static List<Entry> List(string directory)
    {
        int prefix = directory.TrimEnd('/').Length + 1;
        FileSystemEnumerable<Entry> files = new(
            directory,
            (ref FileSystemEntry e) => new Entry(e.ToFullPath()[prefix..], e.Length, e.LastWriteTimeUtc.ToUnixTimeSeconds()),
            new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None, IgnoreInaccessible = false })
        {
            ShouldIncludePredicate = (ref FileSystemEntry e) => (!e.IsDirectory || e.Attributes.HasFlag(FileAttributes.ReparsePoint)) && e.FileName is not ".git",
            ShouldRecursePredicate = (ref FileSystemEntry e) => !e.Attributes.HasFlag(FileAttributes.ReparsePoint) && e.FileName is not ".git",
        };
        return [.. files];
    }

    /// <summary>Whether something in it was written, made or removed after a time.</summary>
    public static bool HasNewer(string directory, DateTime time) => Directory.GetLastWriteTimeUtc(directory) > time || new FileSystemEnumerable<bool>(
        directory, (ref FileSystemEntry e) => true, new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None, IgnoreInaccessible = true })
    {
        ShouldIncludePredicate = (ref FileSystemEntry e) => e.LastWriteTimeUtc.UtcDateTime > time && e.FileName is not ".git",
        ShouldRecursePredicate = (ref FileSystemEntry e) => !e.Attributes.HasFlag(FileAttributes.ReparsePoint) && e.FileName is not ".git",
    }.Any();

    /// <summary>SHA-256 over names and contents of some files.</summary>
    public static string Hash(string directory, IEnumerable<string> files, CancellationToken cancellationToken)
    {
        string[] sorted = [.. files.Order(StringComparer.Ordinal)];
        byte[][] hashes = new byte[sorted.Length][];
        ParallelOptions options = new() { CancellationToken = cancellationToken, MaxDegreeOfParallelism = Environment.ProcessorCount };
        Parallel.ForEach(Partitioner.Create(0, sorted.Length, Math.Max(1, sorted.Length / 64)), options, range =>
        {
            for (int i = range.Item1; i < range.Item2; i++)
                hashes[i] = HashOne(Path.Combine(directory, sorted[i]), cancellationToken);
        });

        using IncrementalHash all = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (int i = 0; i < sorted.Length; i++)
        {
            all.AppendData(Encoding.UTF8.GetBytes(sorted[i]));
            all.AppendData([0]);
            all.AppendData(hashes[i]);
        }

        return Convert.ToHexStringLower(all.GetHashAndReset());
    }

    /// <summary>Makes a tree of symbolic links to files elsewhere.</summary>
    public static void Link(string source, IEnumerable<string> files, string target)
    {
        HashSet<string> made = new(StringComparer.Ordinal);
        foreach (string file in files)
        {
            string link = Path.Combine(target, file);
            string parent = Path.GetDirectoryName(link)!;
            if (made.Add(parent))
                Directory.CreateDirectory(parent);
            string original = Path.Combine(source, file);
            File.CreateSymbolicLink(link, new FileInfo(original).LinkTarget ?? original);
        }
    }

    // A file that is gone is a content like another. Git names a work tree within another one as a directory.
    private static byte[] HashOne(string path, CancellationToken cancellationToken)
    {
        try
        {
            if (new FileInfo(path.TrimEnd('/')) is { LinkTarget: { } target })
                return SHA256.HashData(Encoding.UTF8.GetBytes("link " + target));
            if (Directory.Exists(path))
                return SHA256.HashData(Encoding.UTF8.GetBytes("directory " + Hash(path, List(path).Select(e => e.Path), cancellationToken)));
            using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1, FileOptions.SequentialScan);
            return SHA256.HashData(file);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return SHA256.HashData([]);
        }
    }
}
