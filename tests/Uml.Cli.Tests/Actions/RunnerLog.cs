using System.Text.RegularExpressions;

namespace Uml.CI.Cli.Tests;

/// <summary>What a step printed, read as GitHub's runner reads it: lines that are commands are obeyed, unless commands are stopped.</summary>
/// <remarks>
/// After actions/runner, ActionCommandManager.cs and ActionCommand.cs: "::name k=v,k=v::data" is a command at the start of a
/// line, the older "##[name k=v;k=v]data" anywhere in it, and only names the runner knows are.
/// </remarks>
internal sealed partial class RunnerLog
{
    private static readonly HashSet<string> s_known = new(StringComparer.Ordinal)
    {
        "add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice", "remove-matcher", "save-state", "set-env", "set-output", "stop-commands", "warning",
    };

    private string? _stopped;

    public List<string> Lines { get; } = [];

    public List<(string Name, Dictionary<string, string> Properties, string Text)> Commands { get; } = [];

    public IEnumerable<(Dictionary<string, string> Properties, string Text)> Errors => Commands.Where(c => c.Name == "error").Select(c => (c.Properties, c.Text));

    public string Text => string.Join('\n', Lines);

    /// <summary>Whether the runner still ignores commands.</summary>
    public bool IsStopped => _stopped is not null;

    public void Add(string output)
    {
        foreach (string line in output.Split(["\r\n", "\n", "\r"], StringSplitOptions.None))
        {
            Lines.Add(line);
            Match match = Command().Match(line.TrimStart());
            if (!IsKnown(match))
                match = OldCommand().Match(line);
            if (!IsKnown(match))
                continue;
            string name = match.Groups["name"].Value;
            if (_stopped is not null)
            {
                if (name == _stopped)
                    _stopped = null;
                continue;
            }

            string text = Decode(match.Groups["text"].Value);
            if (name == "stop-commands")
                _stopped = text;
            Dictionary<string, string> properties = match.Groups["properties"].Value
                .Split([',', ';'], StringSplitOptions.RemoveEmptyEntries)
                .Select(p => p.Split('=', 2)).Where(p => p.Length == 2)
                .ToDictionary(p => p[0].Trim(), p => Decode(p[1]).Replace("%3A", ":", StringComparison.Ordinal).Replace("%2C", ",", StringComparison.Ordinal), StringComparer.Ordinal);
            Commands.Add((name, properties, text));
        }
    }

    private bool IsKnown(Match match) => match.Success && (s_known.Contains(match.Groups["name"].Value) || match.Groups["name"].Value == _stopped);

    private static string Decode(string text) => text.Replace("%0D", "\r", StringComparison.Ordinal).Replace("%0A", "\n", StringComparison.Ordinal).Replace("%25", "%", StringComparison.Ordinal);

    [GeneratedRegex(@"^::(?<name>.*?)(?: (?<properties>.*?))?::(?<text>.*)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.Singleline, 1000)]
    private static partial Regex Command();

    [GeneratedRegex(@"##\[(?<name>[^\] ]*)(?: (?<properties>[^\]]*))?\](?<text>.*)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex OldCommand();
}
