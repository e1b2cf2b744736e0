namespace Uml.CI.Cli;

/// <summary>Finds the <c>uml.lock.json</c> that holds here.</summary>
internal static class LockFile
{
    /// <summary>The one that pins a run's kernel. A kernel under development changes between two runs: what a path stands for is not pinned.</summary>
    public static string? For(KernelReference kernel) =>
        kernel.Source == KernelSource.File ? null : Find(Directory.GetCurrentDirectory());

    /// <summary>
    /// The one in the directory or, inside a git work tree, in the nearest parent up to the tree's root; null if there is none.
    /// Outside of one the parents belong to anybody.
    /// </summary>
    public static string? Find(string directory)
    {
        string? root = RootOf(directory);
        for (string? current = directory; current is not null; current = Path.GetDirectoryName(current))
        {
            string path = Path.Combine(current, KernelLock.FileName);
            if (File.Exists(path))
                return path;
            if (root is null || current == root)
                break;
        }

        return null;
    }

    /// <summary>The one that holds here, or where a new one belongs: the root of the git work tree, else the directory.</summary>
    public static string FindOrPlace(string directory) =>
        Find(directory) ?? Path.Combine(RootOf(directory) ?? directory, KernelLock.FileName);

    private static string? RootOf(string directory)
    {
        // A file in linked work trees and submodules.
        string? current = directory;
        while (current is not null && !Path.Exists(Path.Combine(current, ".git")))
            current = Path.GetDirectoryName(current);
        return current;
    }
}
