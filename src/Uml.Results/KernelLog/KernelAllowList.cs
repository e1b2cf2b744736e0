using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>
/// The complaints of kernels that are known and put up with: each with a reason, and only until a date.
/// </summary>
/// <remarks>
/// A text file of blocks, parted by blank lines; "#" begins a comment line:
/// <code>
/// kind: Lockdep
/// title: *possible circular locking dependency*
/// kernels: 6.1-6.12
/// reason: fs/foo, fixed in 6.13; not worth a backport
/// expires: 2027-01-31
/// </code>
/// "kind" is a <see cref="KernelComplaintKind"/>. "title" is a pattern with "*" and "?" for the whole title, or for a whole line
/// of its message; "regex" is a regular expression for a part of either. "source" is such a pattern for the file that
/// complained, "test" one for the unit test that ran ("suite.test"), "kernels" a range of releases. At least one of kind, title,
/// regex, source and test is needed, and always "reason" and "expires" (the last day it counts, in UTC).
/// </remarks>
public sealed class KernelAllowList
{
    private static readonly string[] Keys = ["kind", "title", "regex", "source", "test", "kernels", "reason", "expires"];

    private KernelAllowList(ImmutableArray<KernelAllowListEntry> entries) => Entries = entries;

    /// <summary>One that allows nothing.</summary>
    public static KernelAllowList Empty { get; } = new([]);

    /// <summary>The entries, as in the file.</summary>
    public ImmutableArray<KernelAllowListEntry> Entries { get; }

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="KernelAllowListException">Something in it is wrong; the message says all of it, with lines.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static KernelAllowList Load(string path) => Parse(File.ReadAllText(path), path);

    /// <summary>Reads a list.</summary>
    /// <param name="text">The list.</param>
    /// <param name="file">Its name, for messages.</param>
    /// <exception cref="KernelAllowListException">Something in it is wrong; the message says all of it, with lines.</exception>
    public static KernelAllowList Parse(string text, string file)
    {
        ArgumentNullException.ThrowIfNull(text);
        ImmutableArray<KernelAllowListEntry>.Builder entries = ImmutableArray.CreateBuilder<KernelAllowListEntry>();
        List<string> problems = [];
        Dictionary<string, (string Value, int Line)> block = new(StringComparer.Ordinal);
        int first = 0;
        string[] lines = text.Split('\n');
        for (int number = 1; number <= lines.Length + 1; number++)
        {
            string line = number <= lines.Length ? lines[number - 1].Trim() : "";
            if (line.StartsWith('#'))
                continue;
            if (line.Length == 0)
            {
                if (first > 0)
                    Add(block, first, file, entries, problems);
                block.Clear();
                first = 0;
                continue;
            }

            if (first == 0)
                first = number;
            int colon = line.IndexOf(':');
            string key = colon < 0 ? "" : line[..colon].Trim();
            if (!Keys.Contains(key))
                problems.Add(Problem(file, number, $"\"{line}\" is no line of an allow list; each is one of {string.Join(", ", Keys)}, a colon, and a value"));
            else if (line[(colon + 1)..].Trim() is { Length: 0 })
                problems.Add(Problem(file, number, $"\"{key}\" has no value; give one or leave the line out"));
            else if (!block.TryAdd(key, (line[(colon + 1)..].Trim(), number)))
                problems.Add(Problem(file, number, $"\"{key}\" is here a second time; part entries by a blank line"));
        }

        return problems.Count == 0 ? new KernelAllowList(entries.ToImmutable()) : throw new KernelAllowListException([.. problems]);
    }

    /// <summary>Holds complaints against the list.</summary>
    /// <param name="complaints">What the kernel complained about.</param>
    /// <param name="release">The kernel's release, such as "7.3.0-rc7"; null when unknown: then entries for certain kernels do not count.</param>
    /// <param name="today">The day it is, in UTC.</param>
    public KernelAllowListResult Apply(IEnumerable<KernelComplaint> complaints, string? release, DateOnly today)
    {
        ArgumentNullException.ThrowIfNull(complaints);
        ImmutableArray<KernelComplaint>.Builder left = ImmutableArray.CreateBuilder<KernelComplaint>();
        ImmutableArray<(KernelComplaint, KernelAllowListEntry)>.Builder allowed = ImmutableArray.CreateBuilder<(KernelComplaint, KernelAllowListEntry)>();
        ImmutableArray<(KernelComplaint, KernelAllowListEntry)>.Builder expired = ImmutableArray.CreateBuilder<(KernelComplaint, KernelAllowListEntry)>();
        HashSet<KernelAllowListEntry> used = new(ReferenceEqualityComparer.Instance);
        foreach (KernelComplaint complaint in complaints)
        {
            KernelAllowListEntry[] matching = [.. Entries.Where(entry => entry.Matches(complaint, release))];
            used.UnionWith(matching);
            if (matching.FirstOrDefault(entry => entry.Expires >= today) is { } valid)
            {
                allowed.Add((complaint, valid));
                continue;
            }

            left.Add(complaint);
            if (matching.Length > 0)
                expired.Add((complaint, matching[0]));
        }

        return new KernelAllowListResult(
            left.ToImmutable(), allowed.ToImmutable(), expired.ToImmutable(),
            [.. Entries.Where(entry => !used.Contains(entry) && (entry.Range is null || (release is not null && entry.Range.Contains(release))))]);
    }

    private static void Add(
        Dictionary<string, (string Value, int Line)> block, int first, string file, ImmutableArray<KernelAllowListEntry>.Builder entries, List<string> problems)
    {
        int before = problems.Count;
        KernelComplaintKind? kind = null;
        if (block.TryGetValue("kind", out (string Value, int Line) field))
        {
            if (Enum.TryParse(field.Value, ignoreCase: true, out KernelComplaintKind parsed) && Enum.IsDefined(parsed) && !char.IsAsciiDigit(field.Value[0]))
                kind = parsed;
            else
                problems.Add(Problem(file, field.Line, $"\"{field.Value}\" is no kind of complaint; there are {string.Join(", ", Enum.GetNames<KernelComplaintKind>())}"));
        }

        if (block.ContainsKey("title") && block.TryGetValue("regex", out field))
            problems.Add(Problem(file, field.Line, "\"title\" and \"regex\" are both here; leave one out"));
        if (!block.ContainsKey("kind") && !block.ContainsKey("title") && !block.ContainsKey("regex") && !block.ContainsKey("source") && !block.ContainsKey("test"))
            problems.Add(Problem(file, first, "the entry would allow everything; add \"kind\", \"title\", \"regex\", \"source\" or \"test\""));
        if (!block.ContainsKey("reason"))
            problems.Add(Problem(file, first, "the entry has no reason; add \"reason: why this is put up with\""));

        DateOnly expires = default;
        if (!block.TryGetValue("expires", out field))
            problems.Add(Problem(file, first, "the entry has no end; add \"expires: YYYY-MM-DD\", the day to look at it again"));
        else if (!DateOnly.TryParseExact(field.Value, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out expires))
            problems.Add(Problem(file, field.Line, $"\"{field.Value}\" is no date; write it as YYYY-MM-DD"));

        KernelRange? range = null;
        if (block.TryGetValue("kernels", out field) && (range = KernelRange.Parse(field.Value)) is null)
            problems.Add(Problem(file, field.Line, $"\"{field.Value}\" is no range of kernels; write it as 6.1-6.12, 7.2-, -6.6 or 6.6"));

        Regex? title = block.TryGetValue("regex", out field) ? Compile(field.Value, file, field.Line, problems) : null;
        string? pattern = field.Value;
        if (block.TryGetValue("title", out field))
            (title, pattern) = (Compile(Glob(field.Value), file, field.Line, problems), field.Value);
        Regex? test = block.TryGetValue("test", out field) ? Compile(Glob(field.Value), file, field.Line, problems) : null;
        string? during = field.Value;
        Regex? source = block.TryGetValue("source", out field) ? Compile(Glob(field.Value), file, field.Line, problems) : null;
        if (problems.Count > before)
            return;
        entries.Add(new KernelAllowListEntry(file, first, block["reason"].Value, expires)
        {
            Kind = kind,
            Pattern = pattern,
            Source = field.Value,
            Test = during,
            Kernels = block.TryGetValue("kernels", out field) ? field.Value : null,
            TitleRegex = title,
            SourceRegex = source,
            TestRegex = test,
            Range = range,
        });
    }

    // Linear in the title, whatever the pattern.
    private static Regex? Compile(string pattern, string file, int line, List<string> problems)
    {
        try
        {
            return new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
        {
            problems.Add(Problem(file, line, $"the regular expression cannot be used: {exception.Message}"));
            return null;
        }
    }

    private static string Glob(string pattern)
    {
        StringBuilder regex = new(@"\A");
        foreach (char c in pattern)
            regex.Append(c switch { '*' => ".*", '?' => ".", _ => Regex.Escape(c.ToString()) });
        return regex.Append(@"\z").ToString();
    }

    private static string Problem(string file, int line, string what) => $"{file}:{line.ToString(CultureInfo.InvariantCulture)}: {what}";
}
