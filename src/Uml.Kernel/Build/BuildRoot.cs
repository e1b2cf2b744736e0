namespace Uml.CI;

/// <summary>Where a build works: makefiles of the kernel cannot work everywhere.</summary>
internal static class BuildRoot
{
    /// <summary>Whether make can work in a path: no blanks, colons, and nothing that a shell, make or the compiler reads as something else.</summary>
    public static bool IsSuitable(string path) => path.All(c => char.IsLetterOrDigit(c) || c is '/' or '.' or '_' or '-' or '+' or '@');

    /// <summary>
    /// The store's own directory, without symbolic links, which make would resolve and which would stand in the kernel then; or
    /// where its path will not do, one of this user's below the temporary directories.
    /// </summary>
    /// <exception cref="KernelException">There is none.</exception>
    public static string Choose(string storeRoot, Func<string, string?> variable, string reference)
    {
        string real = Native.RealPath(storeRoot);
        if (IsSuitable(real))
            return real;
        string problem = $"{storeRoot} has a character in its path that the kernel's makefiles cannot work with";
        foreach (string directory in Elsewhere(variable))
        {
            if (StoreRoot.ProblemWithPrivate(directory) is not { } other)
                return Native.RealPath(directory);
            problem += $", {directory} {other}";
        }

        throw new KernelException($"{reference} cannot be built: {problem}; set UML_CACHE to another directory.") { Problem = KernelProblem.Unavailable };
    }

    /// <summary>The directory that <see cref="Choose"/> has chosen before, or null where nothing was built yet.</summary>
    public static string? Find(string storeRoot, Func<string, string?> variable)
    {
        if (!Directory.Exists(storeRoot))
            return null;
        string real = Native.RealPath(storeRoot);
        return IsSuitable(real) ? real : Elsewhere(variable).FirstOrDefault(Directory.Exists);
    }

    private static IEnumerable<string> Elsewhere(Func<string, string?> variable) =>
        from temporary in (string?[])["/var/tmp", variable("TMPDIR"), "/tmp"]
        where !string.IsNullOrEmpty(temporary) && Path.IsPathRooted(temporary) && IsSuitable(temporary)
        select Path.Combine(temporary, $"uml-build-{Native.UserId}");

    /// <summary>Sees to it that a directory's file system has some space left.</summary>
    /// <exception cref="KernelException">It has not.</exception>
    public static void RequireSpace(string directory, long bytes, string reference)
    {
        long free;
        try
        {
            free = new DriveInfo(directory).AvailableFreeSpace;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // Where it cannot be asked, the build will tell.
            return;
        }

        if (free < bytes)
            throw new KernelException($"{reference} cannot be built: it needs about {bytes / 1e9:0.0} GB in {directory}, where {free / 1e9:0.0} GB are free; make room, or set UML_CACHE to a directory elsewhere.") { Problem = KernelProblem.Unavailable };
    }
}
