using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml shell</c>: a shell in a guest of its own.</summary>
internal static class ShellCommand
{
    public static Command Create()
    {
        var options = new GuestOptionSet();
        var words = new Argument<string[]>("COMMAND") { Arity = ArgumentArity.ZeroOrMore, Description = "What to run instead of $SHELL (host root) or /bin/sh" };
        var command = new Command("shell", "Boot a guest and open a shell in it");
        command.Arguments.Add(words);
        options.AddTo(command, shell: true);
        command.SetAction((result, _) => RunSession.RunAsync(options.Read(result, result.GetValue(words) ?? [], shell: true)));
        HelpText.Describe(command, "uml shell [options] [--] [COMMAND...]", ExitStatus.Table, """
            Ctrl-] three times within a second ends the guest, whatever it is doing.

            Examples:
              uml shell
              uml shell --kernel debian:bookworm --mount data:/data
            """);
        return command;
    }
}
