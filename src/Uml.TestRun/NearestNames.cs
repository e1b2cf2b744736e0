namespace Uml.CI;

/// <summary>What somebody who wrote a name wrongly may have meant.</summary>
internal static class NearestNames
{
    private const int Most = 3;

    /// <summary>The names nearest to one, the nearest first; none when all are far from it.</summary>
    public static string[] Of(string name, IEnumerable<string> names) =>
    [
        .. names.Distinct(StringComparer.Ordinal).Select(n => (Name: n, Distance: Distance(name, n)))
            .Where(n => n.Distance <= Math.Max(1, name.Length / 3) || Contains(n.Name, name))
            .OrderBy(n => n.Distance).ThenBy(n => n.Name, StringComparer.Ordinal).Take(Most).Select(n => n.Name),
    ];

    /// <summary>The same as the end of a sentence: <c>; the nearest are "a" and "b"</c>, or nothing.</summary>
    public static string Hint(string name, IEnumerable<string> names)
    {
        string[] near = [.. Of(name, names).Select(n => $"\"{n}\"")];
        return near.Length switch
        {
            0 => "",
            1 => $"; the nearest is {near[0]}",
            _ => $"; the nearest are {string.Join(", ", near[..^1])} and {near[^1]}",
        };
    }

    private static bool Contains(string name, string part) => part.Length > 2 && name.Contains(part, StringComparison.OrdinalIgnoreCase);

    // Letters to put in, to leave out, to change, or to swap with their neighbours.
    private static int Distance(string one, string other)
    {
        int[,] cost = new int[one.Length + 1, other.Length + 1];
        for (int i = 0; i <= one.Length; i++)
        {
            for (int j = 0; j <= other.Length; j++)
            {
                if (i == 0 || j == 0)
                {
                    cost[i, j] = i + j;
                    continue;
                }

                int change = char.ToLowerInvariant(one[i - 1]) == char.ToLowerInvariant(other[j - 1]) ? 0 : 1;
                cost[i, j] = Math.Min(cost[i - 1, j - 1] + change, Math.Min(cost[i - 1, j], cost[i, j - 1]) + 1);
                if (i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1])
                    cost[i, j] = Math.Min(cost[i, j], cost[i - 2, j - 2] + 1);
            }
        }

        return cost[one.Length, other.Length];
    }
}
