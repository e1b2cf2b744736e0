namespace Uml.CI;

/// <summary>Chooses where the store is.</summary>
internal static class StoreRoot
{
    /// <summary>
    /// The default directory, and where that cannot be written or executed from, one below the temporary directory.
    /// </summary>
    /// <param name="Writable">The directory to use.</param>
    /// <param name="ReadOnly">The default directory, when it is not the one to use but may hold kernels already.</param>
    /// <param name="Notice">Why the default directory is not used.</param>
    public readonly record struct Choice(string Writable, string? ReadOnly, string? Notice);

    public static Choice Choose(Func<string, string?> variable, string home)
    {
        string? preferred = null;
        string? problem;
        if (variable("UML_CACHE") is { Length: > 0 } cache)
            preferred = Path.GetFullPath(cache);
        else if (variable("XDG_CACHE_HOME") is { Length: > 0 } xdg && Path.IsPathRooted(xdg))
            preferred = Path.Combine(xdg, "uml");
        else if (Path.IsPathRooted(home))
            preferred = Path.Combine(home, ".cache", "uml");

        if (preferred is null)
        {
            problem = "there is no home directory";
        }
        else
        {
            problem = ProblemWith(preferred);
            if (problem is null)
                return new Choice(preferred, null, null);
            problem = $"{preferred} {problem}";
        }

        string first = problem;
        foreach (string? temporary in (string?[])[variable("TMPDIR"), "/tmp", "/var/tmp"])
        {
            if (string.IsNullOrEmpty(temporary) || !Path.IsPathRooted(temporary))
                continue;
            string directory = Path.Combine(temporary, $"uml-{Native.UserId}");
            string? again = ProblemWithPrivate(directory);
            if (again is null)
                return new Choice(directory, preferred, $"{first}: keeping kernels in {directory}, which may not outlive a restart; set UML_CACHE to a lasting directory");
            problem += $", {directory} {again}";
        }

        throw new KernelException($"There is no directory to keep kernels in: {problem}; set UML_CACHE to a directory that can be written and executed from.") { Problem = KernelProblem.Unavailable };
    }

    /// <summary>What keeps a directory from being the store, as "... is not writable"; null when nothing does.</summary>
    public static string? ProblemWith(string directory)
    {
        try
        {
            Directory.CreateDirectory(directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "cannot be created (" + OneLine.Of(e).TrimEnd('.') + ")";
        }

        if (!Native.IsWritable(directory))
            return "is not writable";
        return Native.IsMountedNoExec(directory) ? "is on a file system mounted noexec, from which no kernel can be started" : null;
    }

    /// <summary>The same for a directory at a place others can write to: it has to be one's own.</summary>
    public static string? ProblemWithPrivate(string directory)
    {
        try
        {
            UnixFiles.CreatePrivateDirectory(directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "cannot be created (" + OneLine.Of(e).TrimEnd('.') + ")";
        }

        if (Native.Identify(directory, followLink: false) is not { IsDirectory: true } found)
            return "is not a directory";
        if (found.Owner != Native.UserId)
            return "belongs to somebody else";
        return (found.Mode & 0x3F) != 0 ? "can be entered by others" : ProblemWith(directory);
    }
}
