using System.Reflection;
using System.Security.Cryptography;
using System.Text;

namespace Uml.CI.MSBuild;

/// <summary>
/// A file that says what has passed, a line for each: the state of all it depended on, and what it was. States are compared, not
/// times, so that a file which is replaced by an older one has changed too.
/// </summary>
internal sealed class Stamp
{
    private readonly string _path;
    private readonly Dictionary<string, string> _lines = new(StringComparer.Ordinal);
    private readonly HashSet<string> _current = new(StringComparer.Ordinal);

    /// <summary>Reads the file; one that does not exist says nothing.</summary>
    public Stamp(string path)
    {
        _path = path;
        if (!File.Exists(path))
            return;
        foreach (string line in File.ReadLines(path))
            _lines[line.Split(' ')[0]] = line;
    }

    /// <summary>One text for the state of many things. Another version of these tasks has another.</summary>
    public static string StateOf(params IEnumerable<string?> parts)
    {
        string version = typeof(Stamp).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "";
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', parts.Prepend(version)))));
    }

    /// <summary>Whether it has passed in this state.</summary>
    public bool Contains(string state)
    {
        _current.Add(state);
        return _lines.ContainsKey(state);
    }

    /// <summary>Notes, at once, that it has passed.</summary>
    public void Add(string state, string title)
    {
        _lines[state] = $"{state} {title.ReplaceLineEndings(" ")}";
        Write();
    }

    /// <summary>Forgets what nobody has asked for.</summary>
    public void Trim()
    {
        int before = _lines.Count;
        foreach (string state in _lines.Keys.Except(_current, StringComparer.Ordinal).ToArray())
            _lines.Remove(state);
        if (_lines.Count < before)
            Write();
    }

    private void Write()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
        string partial = $"{_path}.{Guid.NewGuid():N}.tmp";
        try
        {
            File.WriteAllLines(partial, _lines.Values);
            File.Move(partial, _path, overwrite: true);
        }
        finally
        {
            File.Delete(partial);
        }
    }
}
