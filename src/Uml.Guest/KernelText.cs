namespace Uml.CI;

/// <summary>Looks into a kernel executable for what only a certain configuration puts there.</summary>
internal static class KernelText
{
    /// <summary>Whether the file holds <paramref name="text"/>.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static bool Contains(string path, ReadOnlySpan<byte> text)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1);
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
