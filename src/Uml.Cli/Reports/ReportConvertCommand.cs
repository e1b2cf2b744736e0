using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml report convert</c>: the same results in another format.</summary>
internal static class ReportConvertCommand
{
    public static Command Create()
    {
        Argument<string[]> files = ReportCommand.Files(ArgumentArity.OneOrMore);
        var output = new Option<string>("--output", "-o") { HelpName = "FILE", Required = true, Description = "File to write; a directory takes one for each report; \"-\" is standard output" };
        Option<ReportFormat?> format = ReportCommand.Format();
        Option<string> title = ReportCommand.Title();
        var command = new Command("convert", "Write reports in another format") { files, output, format, title };
        command.SetAction((result, _) => Task.FromResult(Convert(result.GetValue(files)!, result.GetValue(output)!, result.GetValue(format), result.GetValue(title)!)));
        HelpText.Describe(command, "uml report convert [--to FORMAT] -o FILE FILE...", """
            Examples:
              uml report convert results.trx -o results.html
              uml report convert kunit.xml --to markdown -o - >> "$GITHUB_STEP_SUMMARY"
              uml report convert results/*.trx --to junit -o junit/

            Exit status: 0; 125 if a report cannot be read or written.
            """);
        return command;
    }

    private static int Convert(string[] files, string output, ReportFormat? format, string title)
    {
        if (output.EndsWith('/') || Directory.Exists(output))
        {
            ReportFormat each = format ?? throw new ArgumentException("a directory's name does not say which format to write: add --to");
            string[] names = [.. files.Select(f => Path.GetFileNameWithoutExtension(f) + Extension(each))];
            if (names.GroupBy(n => n, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
                throw new ArgumentException($"several reports would be written to {Path.Combine(output, twice.Key)}: convert them one by one, or make one of them with \"uml report merge\"");
            for (int i = 0; i < files.Length; i++)
                ReportCommand.Write(ReportCommand.Read(files[i]), each, Path.Combine(output, names[i]), title);
            return 0;
        }

        if (files.Length > 1)
            throw new ArgumentException("several reports go to a directory (-o DIR/), or into one file with \"uml report merge\"");
        ReportFormat one = ReportCommand.FormatOf(output, format);
        ReportCommand.Write(ReportCommand.Read(files[0]), one, output, title);
        return 0;
    }

    private static string Extension(ReportFormat format) => format switch
    {
        ReportFormat.Trx => ".trx",
        ReportFormat.JUnit => ".xml",
        ReportFormat.Ctrf => ".json",
        ReportFormat.Markdown => ".md",
        ReportFormat.Html => ".html",
        ReportFormat.Kcidb => ".kcidb.json",
        _ => ".ktap",
    };
}
