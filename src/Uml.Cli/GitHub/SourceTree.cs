namespace Uml.CI.Cli;

/// <summary>Finds the file of the repository that a path in some output means.</summary>
internal sealed class SourceTree(string root, string workingDirectory)
{
    private readonly string _root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(root));

    /// <summary>The file, relative to the repository's root; null if it is none of the repository.</summary>
    /// <param name="path">As a compiler, a kernel or a stack trace has it: absolute, relative to somewhere, or of another machine.</param>
    public string? Find(string path)
    {
        if (path.Length is 0 or > 4096 || path.Contains('\0', StringComparison.Ordinal))
            return null;
        string[] bases = path[0] == '/' ? [path] : [Path.Combine(workingDirectory, path), Path.Combine(_root, path)];
        foreach (string candidate in bases)
        {
            if (Relative(candidate) is { } found)
                return found;
        }

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
        return full.StartsWith(_root + "/", StringComparison.Ordinal) && !full.StartsWith(_root + "/.git/", StringComparison.Ordinal) && File.Exists(full) ? full[(_root.Length + 1)..] : null;
    }
}
