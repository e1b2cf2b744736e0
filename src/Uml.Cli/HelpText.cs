using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Runtime.CompilerServices;
using System.Text;

namespace Uml.CI.Cli;

/// <summary>Help as the tool prints it: usage, options, and what a reference cannot say in a table.</summary>
internal sealed class HelpText : SynchronousCommandLineAction
{
    private const int Width = 100;
    private const int MostIndent = 30;
    private static readonly ConditionalWeakTable<Command, Description> Descriptions = [];

    private sealed record Description(string Usage, string[] Sections);

    /// <summary>Says how a command is used, and what follows its options.</summary>
    public static void Describe(Command command, string usage, params string[] sections) =>
        Descriptions.Add(command, new Description(usage, sections));

    /// <summary>The help of a command.</summary>
    public static string Of(Command command)
    {
        Description? known = Descriptions.TryGetValue(command, out Description? found) ? found : null;
        var text = new StringBuilder();
        text.Append(command.Description).Append("\n\nUsage: ").Append(known?.Usage ?? $"uml {command.Name} COMMAND").Append('\n');
        AppendTable(text, "Commands", command.Subcommands.Where(c => !c.Hidden).Select(c => (c.Name, c.Description ?? "")));
        AppendTable(text, "Arguments", command.Arguments.Select(a => (a.HelpName ?? a.Name, a.Description ?? "")));
        AppendTable(text, "Options", command.Options.Where(o => !o.Hidden).Select(o => (Names(o), o.Description ?? "")));
        foreach (string section in known?.Sections ?? [])
            text.Append('\n').Append(section).Append('\n');
        return text.ToString();
    }

    /// <inheritdoc/>
    public override bool ClearsParseErrors => true;

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        Descriptor.Output.Write(Of(parseResult.CommandResult.Command));
        return 0;
    }

    private static string Names(Option option)
    {
        if (option is HelpOption)
            return "-h, --help";
        IEnumerable<string> shorts = option.Aliases.Where(a => a.Length == 2);
        string names = string.Join(", ", shorts.Append(option.Name));
        if (!shorts.Any())
            names = "    " + names;
        return option.HelpName is { } value ? $"{names} {value}" : names;
    }

    private static void AppendTable(StringBuilder text, string title, IEnumerable<(string Name, string Description)> rows)
    {
        (string Name, string Description)[] all = [.. rows];
        if (all.Length == 0)
            return;
        int indent = Math.Min(MostIndent, all.Max(r => r.Name.Length) + 4);
        text.Append('\n').Append(title).Append(":\n");
        foreach ((string name, string description) in all)
        {
            text.Append("  ").Append(name);
            int column = name.Length + 2;
            if (column > indent - 2)
            {
                text.Append('\n');
                column = 0;
            }

            text.Append(' ', indent - column);
            column = indent;
            foreach (string word in description.Split(' '))
            {
                if (column > indent && column + word.Length + 1 > Width)
                {
                    text.Append('\n').Append(' ', indent);
                    column = indent;
                }
                else if (column > indent)
                {
                    text.Append(' ');
                    column++;
                }

                text.Append(word);
                column += word.Length;
            }

            text.Append('\n');
        }
    }
}
