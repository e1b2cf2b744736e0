using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Uml.CI;

/// <summary>
/// A paragraph of Debian's control syntax (deb822(5)), as in a package's control file, dpkg's status, an index of packages or a
/// .changes file: fields by name, whatever the case, in the order they stood in.
/// </summary>
internal sealed class ControlParagraph : IEnumerable<KeyValuePair<string, string>>
{
    private readonly List<KeyValuePair<string, string>> _fields = [];

    /// <summary>The value of a field, its further lines without the blank in front; empty where there is no such field.</summary>
    public string this[string name] => _fields.FirstOrDefault(f => string.Equals(f.Key, name, StringComparison.OrdinalIgnoreCase)).Value ?? "";

    /// <summary>Sets a field.</summary>
    public ControlParagraph Set(string name, string value)
    {
        _fields.RemoveAll(f => string.Equals(f.Key, name, StringComparison.OrdinalIgnoreCase));
        _fields.Add(new(name, value));
        return this;
    }

    /// <summary>Reads paragraphs. An OpenPGP signature around them is left out and not checked.</summary>
    /// <exception cref="FormatException">A line is no field and goes on with none.</exception>
    public static IEnumerable<ControlParagraph> Parse(string text)
    {
        ControlParagraph paragraph = new();
        string? name = null;
        StringBuilder value = new();
        bool armour = false;
        int number = 0;
        foreach (string raw in text.Split('\n').Append(""))
        {
            number++;
            string line = raw.TrimEnd('\r', ' ', '\t');
            if (line == "-----BEGIN PGP SIGNED MESSAGE-----")
            {
                armour = true;
                continue;
            }

            if (line == "-----BEGIN PGP SIGNATURE-----")
                break;
            if (armour)
            {
                // The armour's own headers end with an empty line.
                armour = line.Length > 0;
                continue;
            }

            if (line.StartsWith('#'))
                continue;
            if (raw.Length > 0 && raw[0] is ' ' or '\t' && line.Length > 0)
            {
                if (name is null)
                    throw new FormatException($"line {number} goes on with a field, but there is none: \"{line.Trim()}\"");
                value.Append('\n').Append(line.AsSpan(1));
                continue;
            }

            Finish();
            if (line.Length == 0)
            {
                if (paragraph._fields.Count > 0)
                    yield return paragraph;
                paragraph = new ControlParagraph();
                continue;
            }

            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0 || line.AsSpan(0, colon).ContainsAny(' ', '\t'))
                throw new FormatException($"line {number} is no field: \"{line}\"");
            name = line[..colon];
            value.Append(line[(colon + 1)..].TrimStart());
        }

        Finish();
        if (paragraph._fields.Count > 0)
            yield return paragraph;

        void Finish()
        {
            if (name is not null)
                paragraph.Set(name, value.ToString());
            name = null;
            value.Clear();
        }
    }

    /// <summary>The paragraph in control syntax, with a line end.</summary>
    public override string ToString()
    {
        StringBuilder text = new();
        foreach ((string name, string value) in _fields)
            text.Append(name).Append(": ").Append(value.Replace("\n", "\n ", StringComparison.Ordinal)).Append('\n');
        return text.ToString();
    }

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, string>> GetEnumerator() => _fields.GetEnumerator();

    [ExcludeFromCodeCoverage]
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
