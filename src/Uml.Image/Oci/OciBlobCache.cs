using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace Uml.CI;

/// <summary>
/// Packed layers that the store keeps by their digests, for the next image with them. Each is downloaded aside and moved in
/// whole and checked; when two want the same one at once, in whatever process, one fetches it and the other waits.
/// </summary>
internal sealed class OciBlobCache(string store)
{
    private readonly string _root = Path.Combine(store, "oci", "blobs");
    private readonly ConcurrentDictionary<OciDigest, bool> _own = [];

    /// <summary>Opens a blob, which is fetched when it is not there.</summary>
    /// <param name="blob">Its digest and size.</param>
    /// <param name="fetch">Writes it to a file, and has checked it when it ends.</param>
    /// <param name="onWait">Called when another process is fetching it.</param>
    /// <param name="cancellationToken">Ends it; nothing stays.</param>
    public async Task<FileStream> OpenAsync(OciDescriptor blob, Func<FileStream, Task> fetch, Action onWait, CancellationToken cancellationToken)
    {
        string path = Path.Combine(_root, blob.Digest.Algorithm, blob.Digest.Hex);
        string locks = Path.Combine(store, "locks");
        Directory.CreateDirectory(locks);
        using FileLock mine = await FileLock.TakeAsync(Path.Combine(locks, "oci-" + blob.Digest.Hex[..2]), onWait, cancellationToken);
        if (File.Exists(path))
        {
            FileStream kept = new(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            // What was checked when it came may have been damaged since.
            if (_own.ContainsKey(blob.Digest) || (kept.Length == blob.Size && await IsIntactAsync(kept, blob.Digest, cancellationToken)))
            {
                File.SetLastWriteTimeUtc(path, DateTime.UtcNow);
                _own.TryAdd(blob.Digest, false);
                return kept;
            }

            await kept.DisposeAsync();
            File.Delete(path);
        }

        using TemporaryDirectory temporary = await TemporaryDirectory.CreateAsync(Path.Combine(store, "tmp"), cancellationToken);
        string incoming = Path.Combine(temporary.Path, "blob");
        await using (FileStream file = new(incoming, FileMode.CreateNew, FileAccess.ReadWrite))
        {
            await fetch(file);
            file.Flush(flushToDisk: true);
        }

        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.Move(incoming, path, overwrite: true);
        _own[blob.Digest] = true;
        return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
    }

    /// <summary>Removes what was fetched through this object: the image it belongs to is malformed.</summary>
    public void Forget()
    {
        foreach ((OciDigest digest, bool isNew) in _own)
        {
            if (isNew)
                File.Delete(Path.Combine(_root, digest.Algorithm, digest.Hex));
        }

        _own.Clear();
        foreach (string directory in Directory.Exists(_root) ? Directory.GetDirectories(_root).Append(_root) : [])
        {
            if (!Directory.EnumerateFileSystemEntries(directory).Any())
                Directory.Delete(directory);
        }
    }

    /// <summary>Removes the blobs not used for longest until the others are no larger together.</summary>
    public void Trim(long bytes)
    {
        if (!Directory.Exists(_root))
            return;
        foreach (FileInfo blob in new DirectoryInfo(_root).EnumerateFiles("*", SearchOption.AllDirectories).OrderByDescending(f => f.LastWriteTimeUtc).ToArray())
        {
            bytes -= blob.Length;
            if (bytes < 0)
                blob.Delete();
        }
    }

    private static async Task<bool> IsIntactAsync(FileStream file, OciDigest digest, CancellationToken cancellationToken)
    {
        using IncrementalHash hash = digest.CreateHash();
        byte[] buffer = new byte[256 << 10];
        while (await file.ReadAsync(buffer, cancellationToken) is var got and > 0)
            hash.AppendData(buffer, 0, got);
        file.Position = 0;
        return digest.IsResultOf(hash);
    }
}
