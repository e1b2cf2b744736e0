using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml report merge</c>: one report of several.</summary>
internal static class ReportMergeCommand
{
    public static Command Create()
    {
        Argument<string[]> files = ReportCommand.Files(ArgumentArity.OneOrMore);
        var output = new Option<string>("--output", "-o") { HelpName = "FILE", Required = true, Description = "File to write; \"-\" is standard output" };
        Option<ReportFormat?> format = ReportCommand.Format();
        Option<string> title = ReportCommand.Title();
        var command = new Command("merge", "Make one report of several, such as those of the jobs of a matrix") { files, output, format, title };
        command.SetAction((result, _) =>
        {
            string path = result.GetValue(output)!;
            ReportFormat one = ReportCommand.FormatOf(path, result.GetValue(format), path == "-" ? ReportFormat.Ctrf : null);
            Report report = Report.Merge([.. result.GetValue(files)!.Select(ReportCommand.Read)]);
            ReportCommand.Write(report, one, path, result.GetValue(title)!);
            return Task.FromResult(0);
        });
        HelpText.Describe(command, "uml report merge [--to FORMAT] -o FILE FILE...", """
            Examples:
              uml report merge results/*.json -o all.html
              uml report merge 6.1=old.xml 7.3=new.xml -o both.json

            Exit status: 0; 125 if a report cannot be read or written.
            """);
        return command;
    }
}
