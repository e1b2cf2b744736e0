using System.Collections.Immutable;
using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>A piece of a kernel configuration, as testimages/kernels/README.md describes its form.</summary>
internal sealed partial record ConfigurationFragment
{
    /// <summary>The name of the file: <c>fast.config</c>.</summary>
    public required string FileName { get; init; }

    /// <summary>All of it as it was written.</summary>
    public required string Text { get; init; }

    /// <summary>The kernels the whole of it is for.</summary>
    public KernelVersionRange Versions { get; init; } = KernelVersionRange.All;

    /// <summary>Profiles it cannot be combined with.</summary>
    public ImmutableArray<string> NotWith { get; init; } = [];

    /// <summary>The options, in their order.</summary>
    public ImmutableArray<ConfigurationLine> Lines { get; init; } = [];

    /// <summary>The name without its ending, which is the profile's.</summary>
    public string Name => FileName.EndsWith(".config", StringComparison.Ordinal) ? FileName[..^".config".Length] : FileName;

    /// <summary>What it is for: the first sentence of its first line, which reads <c># NAME: ...</c>, up to what goes into detail.</summary>
    public string Summary
    {
        get
        {
            string first = Text.Split('\n', 2)[0].TrimStart('#').Trim();
            string text = first.StartsWith(Name + ":", StringComparison.Ordinal) ? first[(Name.Length + 1)..].Trim() : first;
            int end = text.AsSpan().IndexOfAny('.', ':', '(');
            return end < 0 ? text : text[..end].TrimEnd();
        }
    }

    /// <summary>Reads a fragment.</summary>
    /// <exception cref="KernelException">A line makes no sense; the message names it.</exception>
    public static ConfigurationFragment Parse(string fileName, string text)
    {
        List<ConfigurationLine> lines = [];
        ConfigurationFragment fragment = new() { FileName = fileName, Text = text };
        int number = 0;
        foreach (string raw in text.Split('\n'))
        {
            number++;
            string line = raw.Trim();
            string origin = $"{fileName}:{number}";
            if (line.StartsWith("#:", StringComparison.Ordinal))
                fragment = fragment.With(new Queue<string>(Words(line[2..])), origin);
            else if (Unset().Match(line) is { Success: true } unset)
                lines.Add(Read(unset.Groups["name"].Value, "n", unset.Groups["rest"].Value, origin));
            else if (line.Length == 0 || line[0] == '#')
                continue;
            else if (Assignment().Match(line) is { Success: true } set)
                lines.Add(Read(set.Groups["name"].Value, set.Groups["value"].Value, set.Groups["rest"].Value, origin));
            else
                throw Wrong(origin, $"'{line}' is no option: write CONFIG_NAME=y, CONFIG_NAME=n, a number or a text in double quotes");
        }

        return fragment with { Lines = [.. lines] };
    }

    /// <summary>Reads one option as the command line has it, <c>CONFIG_NAME=y</c> or <c>NAME=y</c>.</summary>
    /// <exception cref="KernelException">It is none.</exception>
    public static ConfigurationLine ParseSetting(string text)
    {
        string full = text.StartsWith("CONFIG_", StringComparison.Ordinal) ? text : "CONFIG_" + text;
        Match match = Assignment().Match(full);
        if (match.Success && match.Groups["rest"].Length == 0)
            return new ConfigurationLine(match.Groups["name"].Value, match.Groups["value"].Value, "--set");

        // A shell takes the quotes off a text.
        int equals = full.IndexOf('=', StringComparison.Ordinal);
        return equals > 0 && OptionName().IsMatch(full[..equals]) && full.AsSpan(equals).IndexOfAny("\"\\\n") < 0
            ? new ConfigurationLine(full["CONFIG_".Length..equals], $"\"{full[(equals + 1)..]}\"", "--set")
            : throw new KernelException($"'{text}' is no option of a kernel: write CONFIG_NAME=VALUE, such as CONFIG_BTRFS_FS=y.");
    }

    private ConfigurationFragment With(Queue<string> words, string origin)
    {
        KernelVersionRange versions = Versions;
        if (words.Count == 2 && words.Peek() == "not-with")
            return this with { NotWith = [.. NotWith, .. words.Last().Split(',')] };
        while (KernelVersionRange.TryTake(words, ref versions))
        {
        }

        return words.Count == 0 && versions != Versions
            ? this with { Versions = versions }
            : throw Wrong(origin, $"'#: {string.Join(' ', words)}' is not understood: write '#: since A.B', '#: before A.B' or '#: not-with NAME'");
    }

    private static ConfigurationLine Read(string name, string value, string rest, string origin)
    {
        Queue<string> words = new(Words(rest.TrimStart('#')));
        ConfigurationLine line = new(name, value, origin);
        KernelVersionRange versions = KernelVersionRange.All;
        while (words.Count > 0)
        {
            if (KernelVersionRange.TryTake(words, ref versions))
                continue;
            if (words.Dequeue() is not "optional" and var word)
                throw Wrong(origin, $"'{word}' behind an option is not understood: write 'since A.B', 'before A.B' or 'optional', and remarks on a line of their own");
            line = line with { IsOptional = true };
        }

        return line with { Versions = versions };
    }

    private static KernelException Wrong(string origin, string problem) => new($"The configuration fragment {origin}: {problem}.");

    private static string[] Words(string text) => text.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);

    [GeneratedRegex(@"^# CONFIG_(?<name>\w+) is not set(\s+(?<rest>#.*))?$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Unset();

    [GeneratedRegex("""^CONFIG_(?<name>\w+)=(?<value>"([^"\\]|\\.)*"|[ymn]|-?[0-9]+|0[xX][0-9a-fA-F]+)(\s+(?<rest>#.*))?$""", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Assignment();

    [GeneratedRegex(@"^CONFIG_\w+$", RegexOptions.CultureInvariant)]
    private static partial Regex OptionName();
}
