using System.Globalization;

namespace Uml.CI.Agent.Init;

/// <summary>A user of the guest, found in its /etc/passwd and /etc/group (a static program has no NSS).</summary>
internal sealed record UserIdentity(string Name, uint Uid, uint Gid, uint[] Groups, string Home)
{
    public bool IsRoot => Uid == 0 && Gid == 0;

    /// <summary>Finds <c>NAME</c>, <c>NUMBER</c>, <c>NAME:GROUP</c> or <c>NUMBER:NUMBER</c>; empty is root.</summary>
    /// <exception cref="SetupException">There is no such user or group.</exception>
    public static UserIdentity Find(string text)
    {
        // The usual case, and the only one that works in an empty root: no file needs to be read for it.
        if (text.Length == 0 || text is "root" or "0")
            return new UserIdentity("root", 0, 0, [0], "/root");

        string name = text;
        string? group = null;
        if (name.IndexOf(':') is >= 0 and var colon)
        {
            group = name[(colon + 1)..];
            name = name[..colon];
        }

        bool numeric = uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out uint uid);
        UserIdentity? found = null;
        foreach (string[] entry in Entries("/etc/passwd", 6))
        {
            if (!uint.TryParse(entry[2], out uint entryUid) || !uint.TryParse(entry[3], out uint entryGid))
                continue;
            if (numeric ? entryUid != uid : entry[0] != name)
                continue;
            found = new UserIdentity(entry[0], entryUid, entryGid, GroupsOf(entry[0], entryGid), entry[5]);
            break;
        }

        if (found is null)
        {
            if (!numeric)
                throw new SetupException(0, $"there is no user \"{name}\" in the guest");
            found = new UserIdentity(name, uid, uid, [uid], "/");
        }

        if (group is null)
            return found;
        uint gid = GroupNumber(group);
        return found with { Gid = gid, Groups = [gid] };
    }

    private static uint GroupNumber(string group)
    {
        if (uint.TryParse(group, NumberStyles.None, CultureInfo.InvariantCulture, out uint number))
            return number;
        foreach (string[] entry in Entries("/etc/group", 3))
        {
            if (entry[0] == group && uint.TryParse(entry[2], out uint gid))
                return gid;
        }

        throw new SetupException(0, $"there is no group \"{group}\" in the guest");
    }

    private static uint[] GroupsOf(string user, uint primary)
    {
        var groups = new List<uint> { primary };
        foreach (string[] entry in Entries("/etc/group", 4))
        {
            if (entry[3].Split(',').Contains(user) && uint.TryParse(entry[2], out uint gid) && !groups.Contains(gid))
                groups.Add(gid);
        }

        return [.. groups];
    }

    private static IEnumerable<string[]> Entries(string path, int fields)
    {
        foreach (string line in (Linux.ReadText(path, 1024 * 1024) ?? "").Split('\n'))
        {
            string[] entry = line.Split(':');
            if (entry.Length >= fields)
                yield return entry;
        }
    }
}
