using System.Collections.Immutable;
using System.Text;

namespace Uml.CI;

/// <summary>
/// One source of packages as the host's apt configuration has it: one-line (<c>deb [options] URI suite component...</c>)
/// or deb822 stanza.
/// </summary>
internal sealed record AptSource
{
    public required ImmutableArray<string> Types { get; init; }

    public required ImmutableArray<string> Uris { get; init; }

    public required ImmutableArray<string> Suites { get; init; }

    public required ImmutableArray<string> Components { get; init; }

    /// <summary>All other fields by their deb822 names, values unfolded with newlines where they had several lines.</summary>
    public ImmutableDictionary<string, string> Options { get; init; } =
        ImmutableDictionary.Create<string, string>(StringComparer.OrdinalIgnoreCase);

    public string? SignedBy => Options.GetValueOrDefault("Signed-By");

    // What one-line options are called in a stanza, where it is not the same but for the first letters.
    private static readonly Dictionary<string, string> s_oneLineNames = new(StringComparer.OrdinalIgnoreCase)
    {
        ["arch"] = "Architectures",
        ["lang"] = "Languages",
        ["target"] = "Targets",
    };

    /// <summary>Reads a file of sources by its name: <c>*.sources</c> are stanzas, the rest is one-line.</summary>
    public static IEnumerable<AptSource> Parse(string fileName, string text) =>
        fileName.EndsWith(".sources", StringComparison.Ordinal) ? ParseStanzas(text) : ParseLines(text);

    /// <summary>Reads the one-line form. Lines apt would reject are left out: apt itself tells the user about them.</summary>
    public static IEnumerable<AptSource> ParseLines(string text)
    {
        foreach (string raw in text.Split('\n'))
        {
            int comment = raw.IndexOf('#', StringComparison.Ordinal);
            string line = (comment < 0 ? raw : raw[..comment]).Trim();
            ImmutableDictionary<string, string> options = ImmutableDictionary.Create<string, string>(StringComparer.OrdinalIgnoreCase);

            int firstSpace = line.IndexOfAny([' ', '\t']);
            if (firstSpace < 0)
                continue;
            string type = line[..firstSpace];
            string rest = line[firstSpace..].TrimStart();
            if (rest.StartsWith('['))
            {
                int close = rest.IndexOf(']', StringComparison.Ordinal);
                if (close < 0)
                    continue;
                foreach (string option in Words(rest[1..close]))
                {
                    int equals = option.IndexOf('=', StringComparison.Ordinal);
                    if (equals <= 0)
                        continue;
                    string name = option[..equals].TrimEnd('+', '-');
                    name = s_oneLineNames.GetValueOrDefault(name, name);
                    options = options.SetItem(name, option[(equals + 1)..].Replace(',', ' '));
                }

                rest = rest[(close + 1)..];
            }

            string[] words = Words(rest);
            if (words.Length < 2)
                continue;
            yield return new AptSource
            {
                Types = [type],
                Uris = [words[0]],
                Suites = [words[1]],
                Components = [.. words[2..]],
                Options = options,
            };
        }
    }

    /// <summary>Reads deb822 stanzas. Disabled ones are left out.</summary>
    public static IEnumerable<AptSource> ParseStanzas(string text)
    {
        Dictionary<string, string> fields = new(StringComparer.OrdinalIgnoreCase);
        string? current = null;
        foreach (string raw in text.Split('\n').Append(""))
        {
            string line = raw.TrimEnd('\r', ' ', '\t');
            if (raw.StartsWith('#'))
                continue;
            if (line.Length == 0)
            {
                if (FromStanza(fields) is { } source)
                    yield return source;
                fields.Clear();
                current = null;
            }
            else if (line[0] is ' ' or '\t')
            {
                if (current is not null)
                    fields[current] += "\n" + line.TrimStart();
            }
            else if (line.IndexOf(':', StringComparison.Ordinal) is > 0 and int colon)
            {
                current = line[..colon].TrimEnd();
                fields[current] = line[(colon + 1)..].Trim();
            }
        }
    }

    /// <summary>
    /// A stanza for one suite of this archive: where it is and how it is trusted are the host's, what is taken from it ours.
    /// </summary>
    /// <param name="suite">The suite.</param>
    /// <param name="target">The index that is wanted.</param>
    public string ToStanza(string suite, string target = "Packages")
    {
        StringBuilder stanza = new();
        stanza.Append("Types: deb\nURIs: ").AppendJoin(' ', Uris).Append("\nSuites: ").Append(suite)
            .Append("\nComponents: main\nArchitectures: amd64\nTargets: ").Append(target).Append('\n');
        foreach ((string name, string value) in Options.OrderBy(o => o.Key, StringComparer.Ordinal))
        {
            // What narrows or widens the choice of indexes is not taken over.
            if (name.ToUpperInvariant() is "ARCHITECTURES" or "LANGUAGES" or "TARGETS" or "ENABLED" or "PDIFFS" or "SNAPSHOT"
                or "ARCHITECTURES-ADD" or "ARCHITECTURES-REMOVE" or "LANGUAGES-ADD" or "LANGUAGES-REMOVE" or "TARGETS-ADD" or "TARGETS-REMOVE"
                || name.StartsWith("X-", StringComparison.OrdinalIgnoreCase))
                continue;
            stanza.Append(name).Append(": ").Append(value.Replace("\n", "\n ", StringComparison.Ordinal)).Append('\n');
        }

        return stanza.ToString();
    }

    private static AptSource? FromStanza(Dictionary<string, string> fields)
    {
        if (fields.Count == 0 || (fields.TryGetValue("Enabled", out string? enabled) && IsNo(enabled)))
            return null;
        ImmutableArray<string> types = Take("Types"), uris = Take("URIs"), suites = Take("Suites"), components = Take("Components");
        if (types.IsEmpty || uris.IsEmpty || suites.IsEmpty)
            return null;
        return new AptSource
        {
            Types = types,
            Uris = uris,
            Suites = suites,
            Components = components,
            Options = fields.ToImmutableDictionary(StringComparer.OrdinalIgnoreCase),
        };

        ImmutableArray<string> Take(string name) => fields.Remove(name, out string? value) ? [.. Words(value)] : [];
    }

    private static bool IsNo(string value) =>
        value.ToUpperInvariant() is "NO" or "FALSE" or "WITHOUT" or "OFF" or "DISABLE" or "0";

    private static string[] Words(string text) => text.Split([' ', '\t', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries);
}
