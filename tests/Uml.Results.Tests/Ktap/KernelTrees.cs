namespace Uml.CI.Tests;

/// <summary>The kernel sources of this machine: UML_TEST_KERNEL_TREE (several with ":"), or what the default store has unpacked.</summary>
internal static class KernelTrees
{
    public const string Reason =
        "no kernel tree: set UML_TEST_KERNEL_TREE to one, or let the store unpack one (uml kernel build)";

    private static readonly Lazy<IReadOnlyList<string>> Found = new(Find);

    public static IReadOnlyList<string> All => Found.Value;

    public static string? Python => FindProgram("python3");

    public static string? FindProgram(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Select(directory => Path.Combine(directory, name)).FirstOrDefault(File.Exists);

    /// <summary>"7.3.0-rc7": what the tree's Makefile says.</summary>
    public static string Version(string tree)
    {
        string[] lines = [.. File.ReadLines(Path.Combine(tree, "Makefile")).Take(10)];
        return $"{Field("VERSION")}.{Field("PATCHLEVEL")}.{Field("SUBLEVEL")}{Field("EXTRAVERSION")}";

        string Field(string name) => lines.FirstOrDefault(line => line.StartsWith(name + " =", StringComparison.Ordinal))?.Split('=')[1].Trim() ?? "";
    }

    private static List<string> Find()
    {
        IEnumerable<string> candidates;
        if (Environment.GetEnvironmentVariable("UML_TEST_KERNEL_TREE") is { Length: > 0 } set)
        {
            candidates = set.Split(':', StringSplitOptions.RemoveEmptyEntries);
        }
        else
        {
            string? store = Environment.GetEnvironmentVariable("UML_CACHE");
            if (string.IsNullOrEmpty(store))
            {
                string? cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
                store = Path.Combine(
                    string.IsNullOrEmpty(cache) ? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache") : cache, "uml");
            }

            string sources = Path.Combine(store, "sources");
            candidates = Directory.Exists(sources) ? Directory.EnumerateDirectories(sources) : [];
        }

        // The same version twice proves nothing more.
        return [.. candidates.Where(tree => File.Exists(Path.Combine(tree, "tools/testing/kunit/kunit.py")) && File.Exists(Path.Combine(tree, "Makefile")))
            .DistinctBy(Version).OrderBy(Version, StringComparer.Ordinal)];
    }
}
