using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml guest exec</c>: a command in a guest that is kept.</summary>
internal static class GuestExecCommand
{
    public static Command Create()
    {
        var options = new GuestExecOptions();
        var words = new Argument<string[]>("NAME COMMAND") { Arity = ArgumentArity.ZeroOrMore, Description = "The guest; then program and arguments, whose options are their own" };
        var command = new Command("exec", "Run a command in a guest that was started before");
        command.Arguments.Add(words);
        options.AddTo(command);
        command.SetAction((result, _) =>
        {
            string[] line = result.GetValue(words) ?? [];
            if (line is [_, "--", ..])
                line = [line[0], .. line[2..]];
            if (line.Length < 2)
                throw new ArgumentException("a guest and a command are needed: uml guest exec [options] NAME [--] COMMAND...");
            if (SessionDirectory.ProblemWith(line[0]) is { } problem)
                throw new ArgumentException(problem);
            return SessionExec.RunAsync(options.Read(result, SessionDirectory.Of(line[0]), [.. line[1..]]));
        });
        HelpText.Describe(command, "uml guest exec [options] NAME [--] COMMAND...", ExitStatus.Table, """
            Standard input, output, error and signals are the command's own, as with uml run. What it
            changes in the guest stays for the commands after it.

            Examples:
              uml guest exec sid -- uname -r
              uml guest exec -t sid bash
            """);
        return command;
    }
}
