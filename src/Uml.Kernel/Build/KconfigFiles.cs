using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>
/// The option definitions of a kernel's source for ARCH=um. Only read to say why an option was dropped: what the configuration is,
/// Kconfig itself decides.
/// </summary>
internal sealed class KconfigFiles
{
    private readonly string _root;
    private readonly List<KconfigDefinition> _definitions = [];
    private readonly Stack<Scope> _scopes = new([new Scope([], [], null)]);
    private KconfigDefinition? _current;
    private int _choices;

    // The attributes of a menu or a choice hold for what is in it.
    private bool _inHeader;

    private KconfigFiles(string root) => _root = root;

    /// <summary>All definitions by the name of the option.</summary>
    public ILookup<string, KconfigDefinition> Definitions => _definitions.ToLookup(d => d.Option, StringComparer.Ordinal);

    /// <summary>Reads the definitions of a source tree.</summary>
    public static KconfigFiles Read(string tree)
    {
        KconfigFiles files = new(tree);
        files.ReadFile("Kconfig");
        files.End();
        return files;
    }

    /// <summary>Reads one file's text, without what it includes from elsewhere.</summary>
    internal static KconfigFiles Parse(string text)
    {
        KconfigFiles files = new("/nonexistent");
        files.ReadLines(text.Split('\n'));
        files.End();
        return files;
    }

    private sealed record Scope(ImmutableArray<KconfigExpression> Dependencies, ImmutableArray<KconfigExpression> PromptConditions, int? Choice);

    private void ReadFile(string name)
    {
        string path = Path.Combine(_root, name.Replace("$(SRCARCH)", "um", StringComparison.Ordinal).Replace("$(HEADER_ARCH)", "x86", StringComparison.Ordinal).Replace("$(srctree)/", "", StringComparison.Ordinal));
        if (File.Exists(path))
            ReadLines(File.ReadAllLines(path));
    }

    private void ReadLines(string[] lines)
    {
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i];
            while (line.EndsWith('\\') && i + 1 < lines.Length)
                line = line[..^1] + " " + lines[++i];
            string text = line.Trim();
            if (text.Length == 0 || text[0] == '#')
                continue;
            if (text is "help" or "---help---")
            {
                i = SkipHelp(lines, i + 1);
                continue;
            }

            int space = text.AsSpan().IndexOfAny(' ', '\t');
            string word = space < 0 ? text : text[..space];
            Take(word, space < 0 ? "" : text[space..].Trim());
        }
    }

    /// <summary>A help text ends before the first line that is indented less than its first one.</summary>
    private static int SkipHelp(string[] lines, int i)
    {
        int? indent = null;
        for (; i < lines.Length; i++)
        {
            if (string.IsNullOrWhiteSpace(lines[i]))
                continue;
            int column = 0;
            foreach (char c in lines[i].TakeWhile(char.IsWhiteSpace))
                column = c == '\t' ? (column / 8 + 1) * 8 : column + 1;
            indent ??= column;
            if (column < indent || column == 0)
                return i - 1;
        }

        return i;
    }

    private void Take(string word, string rest)
    {
        switch (word)
        {
            case "config" or "menuconfig":
                End();
                _current = new KconfigDefinition(rest) { Dependencies = _scopes.Peek().Dependencies, PromptConditions = _scopes.Peek().PromptConditions, Choice = _scopes.Peek().Choice };
                break;
            case "menu":
                End();
                _scopes.Push(_scopes.Peek());
                _inHeader = true;
                break;
            case "choice":
                End();
                _scopes.Push(_scopes.Peek() with { Choice = ++_choices });
                _inHeader = true;
                break;
            case "if":
                End();
                _scopes.Push(_scopes.Peek());
                AddDependency(rest, header: true);
                break;
            case "endmenu" or "endchoice" or "endif":
                End();
                if (_scopes.Count > 1)
                    _scopes.Pop();
                break;
            case "source" or "rsource" or "osource" or "orsource":
                End();
                ReadFile(rest.Trim('"'));
                break;
            case "comment":
                End();
                // A comment's own conditions are nobody else's.
                _current = new KconfigDefinition("");
                break;
            case "depends" when rest.StartsWith("on", StringComparison.Ordinal):
                AddDependency(rest[2..], _inHeader && _current is null);
                break;
            case "visible" when rest.StartsWith("if", StringComparison.Ordinal):
                AddVisibility(rest[2..]);
                break;
            case "bool" or "tristate" or "string" or "hex" or "int" or "prompt":
                AddPrompt(rest);
                break;
            case "select" when _current is not null:
                (string selected, string? condition) = SplitIf(rest);
                _current = _current with { Selects = _current.Selects.Add((selected, condition is null ? null : KconfigExpression.TryParse(condition))) };
                break;
        }
    }

    private void AddDependency(string text, bool header)
    {
        // Newer kernels have "depends on A if B".
        (string what, string? condition) = SplitIf(text);
        KconfigExpression? expression = KconfigExpression.TryParse(condition is null ? what : $"!({condition}) || ({what})");
        if (expression is null)
            return;
        if (header)
        {
            Scope scope = _scopes.Pop();
            _scopes.Push(scope with { Dependencies = [.. scope.Dependencies, .. expression.Parts] });
        }
        else if (_current is not null)
        {
            _current = _current with { Dependencies = [.. _current.Dependencies, .. expression.Parts] };
        }
    }

    private void AddVisibility(string text)
    {
        if (_inHeader && _current is null && KconfigExpression.TryParse(text) is { } expression)
        {
            Scope scope = _scopes.Pop();
            _scopes.Push(scope with { PromptConditions = [.. scope.PromptConditions, .. expression.Parts] });
        }
    }

    private void AddPrompt(string text)
    {
        if (_current is null || !text.StartsWith('"') && !text.StartsWith('\''))
            return;
        int end = text.IndexOf(text[0], 1);
        string after = end < 0 ? "" : text[(end + 1)..].Trim();
        _current = _current with { HasPrompt = true };
        if (after.StartsWith("if", StringComparison.Ordinal) && KconfigExpression.TryParse(after[2..]) is { } expression)
            _current = _current with { PromptConditions = [.. _current.PromptConditions, .. expression.Parts] };
    }

    private static (string What, string? Condition) SplitIf(string text)
    {
        string[] parts = text.Split(" if ", 2);
        return (parts[0].Trim(), parts.Length > 1 ? parts[1] : null);
    }

    private void End()
    {
        if (_current is { Option.Length: > 0 })
            _definitions.Add(_current);
        _current = null;
        _inHeader = false;
    }
}
