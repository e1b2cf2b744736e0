using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;

namespace Uml.CI.Cli;

/// <summary>From the words of the command line to a command that runs.</summary>
internal static class CommandLine
{
    // Commands hold text such as @file and [x] of their own.
    private static readonly ParserConfiguration Configuration = new() { ResponseFileTokenReplacer = null };

    public static async Task<int> RunAsync(string[] arguments)
    {
        if (arguments is [TestCommand.V2Verb, .. var rest])
            return await XunitV2Program.RunAsync(rest);
        RootCommand root = Create();
        if (arguments.Length == 0)
        {
            Descriptor.Error.Write(HelpText.Of(root));
            return ExitStatus.NotProvided;
        }

        ParseResult result;
        try
        {
            result = Parse(root, arguments);
        }
        catch (ArgumentException e)
        {
            Message.Error(e.Message);
            return ExitStatus.NotProvided;
        }

        if (result.Errors.Count > 0 && result.Action is not HelpText)
        {
            foreach (string error in result.Errors.Select(e => e.Message).Distinct(StringComparer.Ordinal))
                Message.Error(error.TrimEnd('.'));
            Message.Note($"see \"uml {string.Join(' ', Path(result.CommandResult).Append("--help"))}\"");
            return ExitStatus.NotProvided;
        }

        try
        {
            return await result.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (Exception e) when (e is KernelException or GuestUnavailableException or TestRunException or ReportException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            Message.Error(e.Message);
            return ExitStatus.NotProvided;
        }
    }

    /// <summary>The tool's whole command line.</summary>
    public static RootCommand Create()
    {
        var root = new RootCommand("Runs commands in Linux guests: a kernel of their own as an ordinary process, without root or KVM");
        root.Options.Clear();
        root.Options.Add(new HelpOption("--help", "-h", "-?") { Description = "Show help, of a command too: uml run --help", Action = new HelpText() });
        root.Options.Add(VersionText.CreateOption());
        root.Subcommands.Add(RunCommand.Create());
        root.Subcommands.Add(ShellCommand.Create());
        root.Subcommands.Add(TestHostCommand.Create());
        root.Subcommands.Add(TestCommand.Create());
        root.Subcommands.Add(KunitCommand.Create());
        root.Subcommands.Add(KselftestCommand.Create());
        root.Subcommands.Add(KmodCommand.Create());
        root.Subcommands.Add(KernelCommand.Create());
        root.Subcommands.Add(ImageCommand.Create());
        root.Subcommands.Add(SmokeCommand.Create());
        root.Subcommands.Add(GuestCommand.Create());
        root.Subcommands.Add(AutopkgtestCommand.Create());
        root.Subcommands.Add(ReportCommand.Create());
        root.Subcommands.Add(GitHubCommand.Create());
        root.Subcommands.Add(BootChartCommand.Create());
        root.Subcommands.Add(DoctorCommand.Create());
        root.Subcommands.Add(CompletionCommand.Create());
        HelpText.Describe(root, "uml COMMAND [options]", """
            Start here:
              uml doctor              can this machine run guests?
              uml run -- uname -r     a command in a guest
              uml shell               a shell in a guest
              uml test My.Tests.dll   a test assembly in guests
              uml kunit run           a kernel's own unit tests
            """);
        return root;
    }

    public static ParseResult Parse(RootCommand root, IReadOnlyList<string> arguments) => root.Parse([.. MarkCommand(root, KunitCommand.GiveDefaults(arguments))], Configuration);

    /// <summary>Puts a <c>--</c> before the first word that is neither an option nor an option's value: from there on all is the command's.</summary>
    /// <exception cref="ArgumentException">A word is neither an option nor a command where it should be one.</exception>
    public static IReadOnlyList<string> MarkCommand(RootCommand root, IReadOnlyList<string> arguments)
    {
        int start = 0;
        Command command = root;
        while (start < arguments.Count && command.Subcommands.FirstOrDefault(c => c.Name == arguments[start]) is { } next)
        {
            command = next;
            start++;
        }

        Option[] options = [.. command.Options, .. root.Options.Where(o => o.Recursive)];
        for (int i = start; i < arguments.Count; i++)
        {
            string word = arguments[i];
            // A directive such as [suggest:7], which completion scripts use, brings a whole command line along.
            if (word == "--" || word.StartsWith("[suggest", StringComparison.Ordinal) && command == root)
                return arguments;
            if (word is "-" or [not '-', ..] or "")
            {
                if (command.Subcommands.Count > 0)
                    throw new ArgumentException($"there is no command \"{word}\": see \"uml {string.Join("", arguments.Take(start).Select(a => a + " "))}--help\"");
                if (command.Name is "run" or "shell" or "testhost" or "boot-chart" || command.Name is "exec" or "sh" && command.Parents.Any(p => p.Name == "guest"))
                    return [.. arguments.Take(i), "--", .. arguments.Skip(i)];
                continue;
            }

            if (Match(options, word) is not { } option)
                throw new ArgumentException($"there is no option \"{word.Split('=')[0]}\": see \"uml {string.Join("", arguments.Take(start).Select(a => a + " "))}--help\"");
            if (option.Arity.MaximumNumberOfValues > 0 && option.ValueType != typeof(bool) && !word.Contains('=', StringComparison.Ordinal))
                i++;
        }

        return arguments;
    }

    // In -tv all letters are options, and the last one may take a value.
    private static Option? Match(Option[] options, string word)
    {
        IEnumerable<string> names = word.StartsWith("--", StringComparison.Ordinal) ? [word.Split('=')[0]] : word[1..].Split('=')[0].Select(c => "-" + c);
        Option?[] found = [.. names.Select(n => options.FirstOrDefault(o => o.Name == n || o.Aliases.Contains(n)))];
        return found.Contains(null) ? null : found[^1];
    }

    private static IEnumerable<string> Path(CommandResult result) =>
        result.Parent is CommandResult parent ? Path(parent).Append(result.Command.Name) : [];
}
