namespace Uml.CI.Cli;

/// <summary>Finds the file of the repository that a path in some output means.</summary>
/// <param name="root">The repository's directory.</param>
/// <param name="directories">Where relative paths may begin: where the commands run, where a kernel's source is. The root need not be among them.</param>
internal sealed class SourceTree(string root, params IEnumerable<string> directories)
{
    private readonly string _root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(root));
    private readonly string[] _directories = [.. directories.Select(d => Path.GetFullPath(d, root)), Path.GetFullPath(root)];

    /// <summary>The file, relative to the repository's root; null if it is none of the repository.</summary>
    /// <param name="path">As a compiler, a kernel or a stack trace has it: absolute, relative to somewhere, or of another machine.</param>
    public string? Find(string path)
    {
        if (path.Length is 0 or > 4096 || path.Contains('\0', StringComparison.Ordinal))
            return null;
        string[] candidates = path[0] == '/' ? [path] : [.. _directories.Select(d => Path.Combine(d, path))];
        foreach (string candidate in candidates)
        {
            if (Relative(candidate) is { } found)
                return found;
        }

        // A file of this machine is itself, and not the one of the repository whose path ends alike.
        if (Array.Exists(candidates, File.Exists) || path[0] == '/' && IsBelowRoot(Path.GetFullPath(path)))
            return null;

        // Built elsewhere: its end may be the repository's. A bare name proves nothing.
        string[] parts = [.. path.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(p => p is not ("." or ".."))];
        for (int i = 0; i + 1 < parts.Length; i++)
        {
            if (Relative(Path.Combine([_root, .. parts[i..]])) is { } found)
                return found;
        }

        return null;
    }

    private string? Relative(string path)
    {
        string full = Path.GetFullPath(path);
        return IsBelowRoot(full) && !full.StartsWith(_root + "/.git/", StringComparison.Ordinal) && File.Exists(full) ? full[(_root.Length + 1)..] : null;
    }

    private bool IsBelowRoot(string full) => full.StartsWith(_root + "/", StringComparison.Ordinal);
}
