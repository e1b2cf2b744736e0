using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Uml.CI.Cli;

/// <summary><c>uml boot-chart</c>: where the time of a boot goes, as a picture.</summary>
internal static class BootChartCommand
{
    private const int DefaultRuns = 5;
    private const int MostRuns = 1000;

    public static Command Create()
    {
        var options = new GuestOptionSet();
        var words = new Argument<string[]>("COMMAND") { Arity = ArgumentArity.ZeroOrMore, Description = "What to run first. Default: true, or nothing in an empty root" };
        var output = new Option<string>("--output", "-o") { HelpName = "FILE", Description = "The chart: .svg for an image, .html for a page with tables to sort and search; - for the image on standard output. Default: boot-chart.svg", DefaultValueFactory = _ => "boot-chart.svg" };
        var runs = new Option<int>("--runs") { HelpName = "N", Description = $"How often to boot; the boot of the median time is shown. Default: {DefaultRuns}", DefaultValueFactory = _ => DefaultRuns, CustomParser = ParseRuns };
        var json = new Option<string?>("--json") { HelpName = "FILE", Description = "Write everything as JSON" };
        output.Validators.Add(CheckOutput);
        var command = new Command("boot-chart", "Chart where the time of a boot goes, initcall by initcall");
        command.Arguments.Add(words);
        command.Options.Add(output);
        command.Options.Add(runs);
        command.Options.Add(json);
        options.AddBootTo(command);
        command.SetAction((result, _) => BootChartSession.RunAsync(
            options.Read(result, result.GetValue(words) ?? [], shell: true) with { Command = [.. result.GetValue(words) ?? []], Terminal = false, Banner = false, Timeout = options.Timeout(result) },
            new BootChartSession.Output(result.GetValue(output)!, result.GetValue(json)),
            result.GetValue(runs)));
        HelpText.Describe(command, "uml boot-chart [options] [--] [COMMAND...]", ExitStatus.Table, """
            Each boot is done twice: with a kernel that tells what it calls (initcall_debug), which is
            charted, and with one that does not, whose time is stated. A boot that panics is charted too.

            Examples:
              uml boot-chart
              uml boot-chart --kernel debian:bookworm --root empty -o bookworm.html
              uml boot-chart --runs 20 --append nokaslr -- sh -c 'exit 0'
            """);
        return command;
    }

    private static void CheckOutput(OptionResult result)
    {
        foreach (string path in result.Tokens.Select(t => t.Value))
        {
            if (path != "-" && Path.GetExtension(path) is not (".svg" or ".html" or ".htm"))
                result.AddError($"\"{path}\" is no name for a chart: it must end in .svg or .html");
        }
    }

    private static int ParseRuns(ArgumentResult result)
    {
        if (int.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count is >= 1 and <= MostRuns)
            return count;
        result.AddError($"\"{result.Tokens[0].Value}\" is not a number of boots: 1 to {MostRuns} are possible");
        return 0;
    }
}
