using System.Collections.Immutable;
using System.Text;

namespace Uml.CI;

/// <summary>Tests that one kernel runs.</summary>
/// <param name="Glob">The pattern that picks them; empty for all.</param>
/// <param name="Tests">Their names in the order in which they run; empty when that is not known yet.</param>
internal sealed record KunitSelection(string Glob, ImmutableArray<KunitTestName> Tests)
{
    /// <summary>
    /// Picks tests, with as few kernels as patterns can do: a kernel takes one pattern, and there is none for "all but these".
    /// </summary>
    /// <param name="wanted">The tests to pick, in their order.</param>
    /// <param name="all">All tests that any pattern could match.</param>
    /// <param name="exact">Other tests exist that are in neither list, so that a pattern must not match more than it names.</param>
    public static ImmutableArray<KunitSelection> Pick(IReadOnlyList<KunitTestName> wanted, IReadOnlyList<KunitTestName> all, bool exact)
    {
        var want = wanted.ToHashSet();
        ILookup<string, KunitTestName> suites = all.ToLookup(t => t.Suite, StringComparer.Ordinal);
        string[] whole = [.. suites.Where(s => s.All(want.Contains)).Select(s => s.Key)];
        string[] untouched = [.. suites.Select(s => s.Key).Except(whole, StringComparer.Ordinal)];
        var selections = new List<KunitSelection>();

        foreach ((string pattern, string[] names) in Patterns(whole, untouched, exact))
        {
            var group = names.ToHashSet(StringComparer.Ordinal);
            selections.Add(new KunitSelection(pattern, [.. all.Where(t => group.Contains(t.Suite))]));
        }

        foreach (string suite in untouched)
        {
            string[] tests = [.. suites[suite].Where(want.Contains).Select(t => t.Test)];
            string[] others = [.. suites[suite].Where(t => !want.Contains(t)).Select(t => t.Test)];
            foreach ((string pattern, string[] names) in Patterns(tests, others, exact))
                selections.Add(new KunitSelection($"{Escape(suite)}.{pattern}", [.. names.Select(n => new KunitTestName(suite, n))]));
        }

        return [.. selections];
    }

    /// <summary>A name as a pattern that matches it. A '.' would end the suite's part, and what is special stands for any one character.</summary>
    public static string Escape(string name)
    {
        var text = new StringBuilder(name.Length);
        foreach (char c in name)
            text.Append(c is '.' or '*' or '[' or ']' or '\\' ? '?' : c);
        return text.ToString();
    }

    // The shortest beginnings that no other name has; names that need the same one share it.
    private static IEnumerable<(string Pattern, string[] Names)> Patterns(string[] names, string[] others, bool exact)
    {
        if (exact || others.Length == 0 && names.Length == 1)
            return names.Select(n => (Escape(n), (string[])[n]));

        // What another name goes on from has no beginning of its own; it must not share one that is longer than itself, either.
        var whole = new List<string>();
        while (names.Except(whole, StringComparer.Ordinal).FirstOrDefault(n => Beginning(n, [.. others, .. whole]) is null) is { } name)
            whole.Add(name);
        string[] apart = [.. others, .. whole];
        return
        [
            .. whole.Select(n => (Escape(n), (string[])[n])),
            .. names.Except(whole, StringComparer.Ordinal).GroupBy(n => Beginning(n, apart)!, StringComparer.Ordinal).Select(g => (g.Key, g.ToArray())),
        ];
    }

    private static string? Beginning(string name, string[] others)
    {
        for (int length = 0; length < name.Length; length++)
        {
            string beginning = name[..length];
            if (!others.Any(o => Matches(beginning, o)))
                return Escape(beginning) + "*";
        }

        return null;
    }

    // As the escaped pattern does.
    private static bool Matches(string beginning, string name)
    {
        string pattern = Escape(beginning);
        if (name.Length < pattern.Length)
            return false;
        for (int i = 0; i < pattern.Length; i++)
        {
            if (pattern[i] != '?' && pattern[i] != name[i])
                return false;
        }

        return true;
    }
}
