namespace Uml.CI;

/// <summary>Finds a directory that can hold a guest's memory: writable, executable mappings allowed, enough room.</summary>
internal static class MemoryDirectory
{
    /// <summary>What was found out about one candidate.</summary>
    /// <param name="Path">The directory.</param>
    /// <param name="Problem">Why it does not serve, or null.</param>
    /// <param name="InMemory">Whether it is a tmpfs; elsewhere the guest's memory is written to a disk.</param>
    /// <param name="Free">Free bytes.</param>
    internal sealed record Candidate(string Path, string? Problem, bool InMemory, long Free);

    /// <summary>The best directory for a guest of <paramref name="memory"/> bytes.</summary>
    /// <exception cref="GuestUnavailableException">There is none; the message says what is wrong with each.</exception>
    public static string Find(long memory)
    {
        // The first is nearly always the one; to try the others at each boot would write to disks for nothing.
        var candidates = new List<Candidate>();
        foreach (string path in Paths())
        {
            candidates.Add(Try(path, memory));
            if (candidates[^1] is { Problem: null, InMemory: true })
                return path;
        }

        Candidate? best = candidates.FirstOrDefault(c => c.Problem is null);
        return best?.Path ?? throw new GuestUnavailableException(
            $"No directory can hold the guest's memory ({ByteSize.Format(memory)}): "
            + string.Join("; ", candidates.Select(c => $"{c.Path}: {c.Problem}"))
            + ". Mount a tmpfs with the options exec,size=1G somewhere and name it in UML_TMPDIR, or ask for less memory.");
    }

    /// <summary>Tries every candidate, in the order of preference.</summary>
    public static IReadOnlyList<Candidate> Probe(long memory) => [.. Paths().Select(p => Try(p, memory))];

    private static IEnumerable<string> Paths()
    {
        string? chosen = Environment.GetEnvironmentVariable("UML_TMPDIR");
        IEnumerable<string?> paths = string.IsNullOrEmpty(chosen)
            ? ["/dev/shm", Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR"), Environment.GetEnvironmentVariable("TMPDIR"), "/tmp", "/var/tmp"]
            : [chosen];
        return paths.Where(p => !string.IsNullOrEmpty(p)).Select(p => Path.GetFullPath(p!)).Distinct(StringComparer.Ordinal);
    }

    private static Candidate Try(string path, long memory)
    {
        if (!Directory.Exists(path))
            return new Candidate(path, "does not exist", false, 0);
        if (Native.TryExecutableMapping(path) is { } problem)
            return new Candidate(path, problem, false, 0);
        try
        {
            var drive = new DriveInfo(path);
            long free = drive.AvailableFreeSpace;
            bool inMemory = drive.DriveFormat == "tmpfs";
            return free < memory
                ? new Candidate(path, $"only {free >> 20}M free", inMemory, free)
                : new Candidate(path, null, inMemory, free);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return new Candidate(path, e.Message, false, 0);
        }
    }
}
