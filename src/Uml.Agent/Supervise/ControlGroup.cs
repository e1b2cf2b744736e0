using System.Globalization;
using static Uml.CI.Agent.Supervise.Native;

namespace Uml.CI.Agent.Supervise;

/// <summary>A cgroup of version 2 for the guest, where the host lets us make one: the surest way to end a process tree.</summary>
internal static class ControlGroup
{
    // With the prefix of a guest's name, what tells our groups from any others: nothing else is ever cleared away.
    private const string Suffix = ".uml-guest";

    /// <summary>Makes and locks a group below our own.</summary>
    /// <returns>Its directory, or null if the host has none for us.</returns>
    public static string? TryCreate(string name)
    {
        if (Parent() is not { } parent)
            return null;

        string path = $"{parent}/{name}.{GetPid().ToString(CultureInfo.InvariantCulture)}{Suffix}";
        int directory = GuestDirectory.Create(path, out _, out _);
        if (directory < 0)
            return null;

        // The descriptor stays open for its lock. Without cgroup.kill (before Linux 5.14) the group is of no use.
        if (!Stat($"{path}/cgroup.kill", out _))
        {
            RemoveDirectory(path);
            Close(directory);
            return null;
        }

        // Where memory is limited, an exhausted guest then dies as a whole; killing its main process alone would set its stubs loose.
        WriteText($"{path}/memory.oom.group", "1"u8);
        return path;
    }

    public static void Kill(string path) => WriteText($"{path}/cgroup.kill", "1"u8);

    /// <summary>Removes a group whose processes have been killed.</summary>
    public static bool Remove(string path)
    {
        for (int attempt = 0; attempt < 200; attempt++)
        {
            if (RemoveDirectory(path) == 0 || Error == ENOENT)
                return true;
            if (Error != EBUSY)
                return false;
            Kill(path);
            MicroSleep(attempt < 10 ? 200u : 5000u);
        }

        return false;
    }

    public static void SweepStale(string sibling)
    {
        foreach (string path in GuestDirectory.Candidates(sibling[..sibling.LastIndexOf('/')]))
        {
            if (path.EndsWith(Suffix, StringComparison.Ordinal))
                RemoveIfStale(path);
        }
    }

    public static void RemoveIfStale(string path)
    {
        int directory = GuestDirectory.TryTake(path);
        if (directory < 0)
            return;
        Kill(path);
        Remove(path);
        Close(directory);
    }

    private static string? Parent()
    {
        string? own = null;
        foreach (string line in (ReadText("/proc/self/cgroup") ?? "").Split('\n'))
        {
            if (line.StartsWith("0::", StringComparison.Ordinal))
                own = line[3..];
        }

        if (own is null)
            return null;

        // 36 35 98:0 /root /mountpoint options... - fstype source options
        foreach (string line in (ReadText("/proc/self/mountinfo") ?? "").Split('\n'))
        {
            int separator = line.IndexOf(" - cgroup2 ", StringComparison.Ordinal);
            if (separator < 0)
                continue;
            string[] fields = line[..separator].Split(' ');
            string root = fields[3] == "/" ? "" : fields[3];
            if (own != "/" && !own.StartsWith(root + "/", StringComparison.Ordinal))
                continue;
            return $"{fields[4]}{own[root.Length..]}".TrimEnd('/');
        }

        return null;
    }
}
