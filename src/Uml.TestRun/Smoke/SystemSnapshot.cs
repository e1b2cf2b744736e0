using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>A file, directory, link or the like of a system.</summary>
/// <param name="Path">Its path.</param>
/// <param name="Type">Its type, as find's %y has it: f, d, l and so on.</param>
/// <param name="Mode">Its mode, in octal digits.</param>
/// <param name="Owner">Numbers of user and group.</param>
/// <param name="Size">Its size in bytes.</param>
/// <param name="Time">When its content changed.</param>
/// <param name="Target">Where it leads, if it is a link.</param>
internal sealed record SystemEntry(string Path, string Type, string Mode, string Owner, string Size, string Time, string Target);

/// <summary>The files of a system and what else can be left behind, at one moment.</summary>
internal sealed record SystemSnapshot(ImmutableSortedDictionary<string, SystemEntry> Entries, ImmutableArray<(string Kind, string Value)> Facts)
{
    /// <summary>Reads what find and the family's script wrote.</summary>
    /// <param name="files">Records that end with a zero byte, of type, mode, user, group, size, time, path and target with tabs between.</param>
    /// <param name="facts">Lines of kind and value with a tab between.</param>
    /// <exception cref="FormatException">A record has not as many fields.</exception>
    public static SystemSnapshot Parse(string files, string facts)
    {
        var entries = ImmutableSortedDictionary.CreateBuilder<string, SystemEntry>(StringComparer.Ordinal);
        foreach (string record in files.Split('\0', StringSplitOptions.RemoveEmptyEntries))
        {
            // A path may have a tab in it, a target too: the first six fields never do.
            string[] fields = record.Split('\t', 7);
            if (fields.Length < 7)
                throw new FormatException($"the list of the guest's files is damaged: \"{record}\"");
            int tab = fields[6].LastIndexOf('\t');
            if (tab < 0)
                throw new FormatException($"the list of the guest's files is damaged: \"{record}\"");
            string path = fields[6][..tab];
            entries[path] = new SystemEntry(path, fields[0], fields[1], $"{fields[2]}:{fields[3]}", fields[4], fields[5], fields[6][(tab + 1)..]);
        }

        return new SystemSnapshot(
            entries.ToImmutable(),
            [.. facts.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('\t', 2)).Where(l => l.Length == 2).Select(l => (l[0], l[1]))]);
    }

    /// <summary>What is there now and was not in <paramref name="before"/>, of one kind.</summary>
    public IEnumerable<string> NewFacts(SystemSnapshot before, string kind) =>
        Facts.Where(f => f.Kind == kind && !before.Facts.Contains(f)).Select(f => f.Value).Distinct(StringComparer.Ordinal);
}
