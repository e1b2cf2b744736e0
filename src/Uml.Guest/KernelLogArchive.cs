namespace Uml.CI;

/// <summary>Keeps the kernel logs of guests that failed, where the error message can point to: the newest few, below the user's state directory.</summary>
internal static class KernelLogArchive
{
    private const int Kept = 50;

    /// <summary>Writes the log to a file and returns its path; null if there is no place to write to.</summary>
    public static string? Keep(string name, KernelLog log)
    {
        foreach (string directory in Candidates())
        {
            try
            {
                System.IO.Directory.CreateDirectory(directory);
                string path = Path.Combine(directory, name + ".log");
                File.WriteAllText(path, log.ToString());
                Prune(directory);
                return path;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // A read-only home or a full disk: the end of the log is in the message all the same.
            }
        }

        return null;
    }

    private static IEnumerable<string> Candidates()
    {
        string? state = Environment.GetEnvironmentVariable("XDG_STATE_HOME");
        string home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        if (!string.IsNullOrEmpty(state))
            yield return Path.Combine(state, "uml", "logs");
        else if (home.Length > 0)
            yield return Path.Combine(home, ".local", "state", "uml", "logs");
    }

    private static void Prune(string directory)
    {
        foreach (FileInfo old in new DirectoryInfo(directory).GetFiles("uml-*.log").OrderByDescending(f => f.LastWriteTimeUtc).Skip(Kept))
            old.Delete();
    }
}
