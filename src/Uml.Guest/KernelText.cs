using System.Collections.Concurrent;
using System.Text;

namespace Uml.CI;

/// <summary>Looks into a kernel executable for what only a certain configuration puts there.</summary>
internal static class KernelText
{
    // A hundred megabytes take tens of milliseconds to look through, as long as a boot takes.
    private static readonly ConcurrentDictionary<(string Path, long Length, DateTime Written, string Text), bool> s_known = new();

    /// <summary>Whether the file holds <paramref name="text"/>. Asked again of a file that has the same length and time, it is not read again.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static bool Contains(string path, ReadOnlySpan<byte> text)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1);
        (string, long, DateTime, string) key = (Path.GetFullPath(path), file.Length, File.GetLastWriteTimeUtc(file.SafeFileHandle), Encoding.Latin1.GetString(text));
        if (!s_known.TryGetValue(key, out bool contains))
            s_known[key] = contains = Contains(file, text);
        return contains;
    }

    private static bool Contains(FileStream file, ReadOnlySpan<byte> text)
    {
        byte[] buffer = new byte[1 << 20];
        int kept = 0;
        while (file.Read(buffer, kept, buffer.Length - kept) is > 0 and var n)
        {
            ReadOnlySpan<byte> window = buffer.AsSpan(0, kept + n);
            if (window.IndexOf(text) >= 0)
                return true;
            kept = Math.Min(text.Length - 1, window.Length);
            window[^kept..].CopyTo(buffer);
        }

        return false;
    }
}
