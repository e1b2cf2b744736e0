namespace Uml.CI;

/// <summary>
/// A directory below the store that is gone when this process is: its lock file is held while it is in use, and whoever
/// opens the store next removes those that nobody holds.
/// </summary>
internal sealed class TemporaryDirectory : IDisposable
{
    private readonly FileLock _lock;
    private readonly string _lockPath;

    private TemporaryDirectory(string path, string lockPath, FileLock held)
    {
        Path = path;
        _lockPath = lockPath;
        _lock = held;
    }

    public string Path { get; }

    /// <summary>Makes one below <paramref name="parent"/>, after removing those of dead processes.</summary>
    public static async Task<TemporaryDirectory> CreateAsync(string parent, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(parent);

        // One at a time, so that nobody takes a lock file for abandoned between its creation and its locking.
        using FileLock gate = await FileLock.TakeAsync(System.IO.Path.Combine(parent, "gate"), null, cancellationToken);
        Sweep(parent);
        string path = System.IO.Path.Combine(parent, $"{Environment.ProcessId}-{Guid.NewGuid():N}");
        string lockPath = path + ".lock";
        FileLock held = FileLock.TryTake(lockPath) ?? throw new IOException($"The new lock {lockPath} is taken.");
        UnixFiles.CreatePrivateDirectory(path);
        return new TemporaryDirectory(path, lockPath, held);
    }

    /// <summary>Removes what dead processes left, unless somebody else is about it.</summary>
    public static void SweepIfFree(string parent)
    {
        if (!Directory.Exists(parent) || !Directory.EnumerateFiles(parent, "*.lock").Any())
            return;
        using FileLock? gate = FileLock.TryTake(System.IO.Path.Combine(parent, "gate"));
        if (gate is not null)
            Sweep(parent);
    }

    public void Dispose()
    {
        TryDelete(Path);

        // What could not be removed keeps its lock file, without its lock: the next to open the store tries again.
        if (!Directory.Exists(Path))
            File.Delete(_lockPath);
        _lock.Dispose();
    }

    private static void Sweep(string parent)
    {
        foreach (string lockPath in Directory.EnumerateFiles(parent, "*.lock"))
        {
            using FileLock? free = FileLock.TryTake(lockPath);
            if (free is null)
                continue;
            string directory = lockPath[..^".lock".Length];
            TryDelete(directory);
            if (!Directory.Exists(directory))
                File.Delete(lockPath);
        }
    }

    private static void TryDelete(string directory)
    {
        try
        {
            UnixFiles.DeleteTree(directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Something still writes there, such as a download that has not noticed its end. It is tried again.
        }
    }
}
