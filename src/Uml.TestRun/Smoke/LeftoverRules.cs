using System.Collections.Immutable;
using System.Globalization;

namespace Uml.CI;

/// <summary>What may differ after a package came and went.</summary>
/// <param name="Ignored">Paths whatever becomes of them; with a slash at the end, all below them.</param>
/// <param name="Rewritten">Files that may be made and written anew.</param>
/// <param name="FirstUserId">The first number of accounts that are people's; those below belong to the system and may stay.</param>
internal sealed record LeftoverRules(ImmutableArray<string> Ignored, ImmutableArray<string> Rewritten, int FirstUserId)
{
    private const int Most = 8;

    /// <summary>Compares a system with what it was before.</summary>
    /// <returns>What should not be so, and what may but is worth knowing.</returns>
    public (ImmutableArray<string> Problems, ImmutableArray<string> Notes) Compare(SystemSnapshot before, SystemSnapshot after)
    {
        var problems = ImmutableArray.CreateBuilder<string>();
        var notes = ImmutableArray.CreateBuilder<string>();
        Say(Topmost(after.Entries.Keys.Where(p => !before.Entries.ContainsKey(p) && !IsAllowed(p)))
            .Select(p => after.Entries[p] is { Type: "l" } link ? $"{p} -> {link.Target}{(LeadsNowhere(link, after) ? " (broken)" : "")}" : after.Entries[p].Type == "d" ? p + "/" : p), "left behind");
        Say(Topmost(before.Entries.Keys.Where(p => !after.Entries.ContainsKey(p) && !IsAllowed(p))), "gone from the system");
        Say(before.Entries.Values.Where(e => !IsAllowed(e.Path) && after.Entries.TryGetValue(e.Path, out SystemEntry? now) && Change(e, now) is not null)
            .Select(e => $"{e.Path} ({Change(e, after.Entries[e.Path])})"), "changed");
        Say(after.NewFacts(before, "diversion"), "diversions left behind");
        Say(after.NewFacts(before, "failed"), "failed units left behind");
        foreach (string kind in (string[])["user", "group"])
        {
            foreach (string account in after.NewFacts(before, kind))
            {
                string[] words = account.Split(':');
                bool own = words.Length > 1 && int.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out int id) && id >= FirstUserId && id < 60000;
                (own ? problems : notes).Add($"the {kind} {words[0]} was left behind");
            }

            foreach (string account in before.NewFacts(after, kind))
                problems.Add($"the {kind} {account.Split(':')[0]} is gone from the system, or has another number");
        }

        return (problems.ToImmutable(), notes.ToImmutable());

        void Say(IEnumerable<string> what, string how)
        {
            string[] all = [.. what];
            if (all.Length > 0)
                problems.Add($"{how}: {string.Join(", ", all.Take(Most))}{(all.Length > Most ? $" and {all.Length - Most} more" : "")}");
        }
    }

    private static string? Change(SystemEntry before, SystemEntry now)
    {
        if (before.Type != now.Type)
            return "another type";
        if (before.Owner != now.Owner)
            return $"owner {before.Owner} -> {now.Owner}";
        if (before.Type != "l" && before.Mode != now.Mode)
            return $"mode {before.Mode} -> {now.Mode}";
        if (before.Type == "l" && before.Target != now.Target)
            return $"leads to {now.Target}";
        return before.Type == "f" && (before.Size != now.Size || before.Time != now.Time) ? "content" : null;
    }

    private static IEnumerable<string> Topmost(IEnumerable<string> paths)
    {
        string? last = null;
        foreach (string path in paths.Order(StringComparer.Ordinal))
        {
            if (last is not null && path.StartsWith(last + "/", StringComparison.Ordinal))
                continue;
            last = path;
            yield return path;
        }
    }

    private static bool LeadsNowhere(SystemEntry link, SystemSnapshot system)
    {
        string target = Path.GetFullPath(link.Target, Path.GetDirectoryName(link.Path) ?? "/");
        return !system.Entries.ContainsKey(target) && !target.StartsWith("/proc/", StringComparison.Ordinal) && !target.StartsWith("/run/", StringComparison.Ordinal) && !target.StartsWith("/dev/", StringComparison.Ordinal);
    }

    private bool IsAllowed(string path) =>
        Rewritten.Contains(path, StringComparer.Ordinal)
        || Ignored.Any(i => i.EndsWith('/') ? path.StartsWith(i, StringComparison.Ordinal) || path == i[..^1] : path == i || path.StartsWith(i + "/", StringComparison.Ordinal));
}
