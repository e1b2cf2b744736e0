using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml guest</c>: guests that are kept running for many commands.</summary>
internal static class GuestCommand
{
    public const string Name = "guest";

    public static Command Create()
    {
        var command = new Command(Name, "Keep guests running, and run commands in them");
        command.Subcommands.Add(GuestStartCommand.Create());
        command.Subcommands.Add(GuestExecCommand.Create());
        command.Subcommands.Add(GuestScriptCommand.Create());
        command.Subcommands.Add(GuestListCommand.Create());
        command.Subcommands.Add(GuestLogCommand.Create());
        command.Subcommands.Add(GuestStopCommand.Create());
        command.Subcommands.Add(GuestKeepCommand.Create());
        HelpText.Describe(command, "uml guest COMMAND", """
            Example:
              uml guest start --name sid --kernel debian:sid
              uml guest exec sid -- uname -r
              uml guest stop sid
            """);
        return command;
    }

    /// <summary>The name of a guest as an argument.</summary>
    public static Argument<string> NameArgument()
    {
        var argument = new Argument<string>("NAME") { Description = "The guest" };
        argument.CompletionSources.Add(_ => SessionDirectory.All().Select(d => new System.CommandLine.Completions.CompletionItem(d.Name)));
        return argument;
    }
}
