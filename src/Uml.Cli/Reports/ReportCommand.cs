using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml report</c>: reports of tests, ours and other tools'.</summary>
internal static class ReportCommand
{
    public static Command Create()
    {
        var command = new Command("report", "Convert, merge, show and compare test reports");
        command.Subcommands.Add(ReportConvertCommand.Create());
        command.Subcommands.Add(ReportMergeCommand.Create());
        command.Subcommands.Add(ReportShowCommand.Create());
        command.Subcommands.Add(ReportDiffCommand.Create());
        HelpText.Describe(command, "uml report COMMAND", """
            Reads TRX, JUnit, CTRF and KTAP of any tool, and writes those, Markdown, HTML and KCIDB.

            Examples:
              uml report show results.trx
              uml report merge 6.1=old.xml 7.3=new.xml -o both.html
              uml report diff yesterday.json today.json
            """);
        return command;
    }

    /// <summary>Reports as a command's arguments.</summary>
    public static Argument<string[]> Files(ArgumentArity arity) => new("FILE")
    {
        Arity = arity,
        Description = "Reports: TRX, JUnit, CTRF or KTAP, told by content; \"-\" is standard input. KERNEL=FILE says which kernel a report is of that does not say so itself",
    };

    /// <summary>The option for a format.</summary>
    public static Option<ReportFormat?> Format()
    {
        string names = string.Join(", ", ReportFormats.All.Select(f => f.Word()));
        var option = new Option<ReportFormat?>("--to", "-t")
        {
            HelpName = "FORMAT",
            Description = $"Format to write: {names}. Default: what the file's name ends with",
            CustomParser = result =>
            {
                if (ReportFormats.Find(result.Tokens[0].Value) is { } format)
                    return format;
                result.AddError($"there is no format \"{result.Tokens[0].Value}\": there are {names}");
                return null;
            },
        };
        option.CompletionSources.Add(_ => ReportFormats.All.Select(f => new System.CommandLine.Completions.CompletionItem(f.Word())));
        return option;
    }

    public static Option<string> Title() => new("--title") { HelpName = "TEXT", Description = "Heading of pages and summaries", DefaultValueFactory = _ => "" };

    /// <summary>Reads a report that the command line names.</summary>
    /// <exception cref="ReportException">It is none.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static Report Read(string word)
    {
        if (word == "-")
        {
            using Stream input = Console.OpenStandardInput();
            return ReportFile.Read(input, "standard input");
        }

        int sign = word.IndexOf('=', StringComparison.Ordinal);
        if (sign <= 0 || File.Exists(word))
            return ReportFile.Read(word);
        string kernel = word[..sign];
        Report report = ReportFile.Read(word[(sign + 1)..]);
        return report with { Runs = [.. report.Runs.Select(r => r.Kernel.Length > 0 ? r : r with { Kernel = kernel })] };
    }

    /// <summary>Writes a report to a file or, as "-", to standard output.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Write(Report report, ReportFormat format, string path, string title)
    {
        var options = new ReportWriteOptions { Title = title };
        if (path != "-")
        {
            ReportFile.Write(report, format, path, options);
            return;
        }

        using Stream output = Console.OpenStandardOutput();
        ReportFile.Write(report, format, output, options);
    }

    /// <summary>The format to write.</summary>
    /// <exception cref="ArgumentException">Neither the option nor the file's name says.</exception>
    public static ReportFormat FormatOf(string path, ReportFormat? asked, ReportFormat? otherwise = null) =>
        asked ?? ReportFormats.OfFile(path) ?? otherwise
        ?? throw new ArgumentException($"the name \"{path}\" does not say which format to write: add --to, with one of {string.Join(", ", ReportFormats.All.Select(f => f.Word()))}");
}
