namespace Uml.CI;

/// <summary>Puts the notes (<c>.gcno</c>) of a kernel beside its counts, where gcov and what is built on it look for them.</summary>
internal static class CoverageNotes
{
    // Of gcc/gcov-io.h: magic, version, stamp. The stamp tells which counts they belong to.
    private const int HeaderLength = 12;

    /// <summary>
    /// Copies those of all counts in <paramref name="directory"/>. Counts have the path of their object in their name, with <c>#</c> for
    /// <c>/</c> (gcc/coverage.cc, mangle_path); notes lie in a tree beside the kernel's executable.
    /// </summary>
    /// <exception cref="IOException">One cannot be copied.</exception>
    /// <exception cref="UnauthorizedAccessException">One cannot be copied.</exception>
    public static void CopyBesideCounts(string kernel, string directory)
    {
        string notes = Path.Combine(Path.GetDirectoryName(kernel)!, "gcov"), counts = Path.Combine(directory, "gcov");
        if (!Directory.Exists(notes) || !Directory.Exists(counts))
            return;
        foreach (string count in Directory.EnumerateFiles(counts, "*.gcda"))
        {
            string note = Path.Combine(notes, Path.ChangeExtension(Path.GetFileName(count), ".gcno").Replace('#', '/')), copy = Path.ChangeExtension(count, ".gcno");
            if (File.Exists(note) && !(File.Exists(copy) && Header(copy).SequenceEqual(Header(note))))
                File.Copy(note, copy, overwrite: true);
        }
    }

    private static ReadOnlySpan<byte> Header(string path)
    {
        byte[] header = new byte[HeaderLength];
        using FileStream file = File.OpenRead(path);
        return header.AsSpan(0, file.ReadAtLeast(header, header.Length, throwOnEndOfStream: false));
    }
}
