namespace Uml.CI;

/// <summary>Compares two directories byte by byte.</summary>
internal static class DirectoryComparison
{
    /// <summary>The files, by their relative paths, that differ or are in one of the two only.</summary>
    public static IEnumerable<string> Differences(string one, string other)
    {
        HashSet<string> left = Files(one), right = Files(other);
        return left.Union(right).Order(StringComparer.Ordinal).Where(f => !left.Contains(f) || !right.Contains(f) || !Same(Path.Combine(one, f), Path.Combine(other, f)));
    }

    private static HashSet<string> Files(string directory) =>
        [.. Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(directory, f))];

    private static bool Same(string one, string other) => File.ReadAllBytes(one).AsSpan().SequenceEqual(File.ReadAllBytes(other));
}
