using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml guest sh</c>: a script of the host in a guest that is kept, as a workflow's <c>shell:</c> has it.</summary>
internal static class GuestScriptCommand
{
    // As GitHub runs "shell: bash" (actions/runner, ScriptHandlerHelpers.cs), so that a step means the same in the guest.
    private static readonly string[] Shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail"];

    // What the action tells later steps.
    public const string GuestVariable = "UML_GUEST";

    public static Command Create()
    {
        var options = new GuestExecOptions();
        var name = new Option<string?>("--name") { HelpName = "NAME", Description = $"The guest. Default: ${GuestVariable}, else {SessionDirectory.DefaultName}" };
        var fence = new Option<bool>("--fence") { Description = "Keep GitHub's runner from taking lines of the guest for commands" };
        var words = new Argument<string[]>("SCRIPT") { Arity = ArgumentArity.ZeroOrMore, Description = "A file of the host with commands of bash" };
        var command = new Command("sh", "Run a script in a guest that was started before, for \"shell:\" of a workflow");
        command.Arguments.Add(words);
        command.Options.Add(name);
        command.Options.Add(fence);
        options.AddTo(command);
        command.SetAction((result, _) =>
        {
            if (result.GetValue(words) is not [{ } script])
                throw new ArgumentException("one script is needed: uml guest sh [options] SCRIPT");
            string path = Path.GetFullPath(script);
            if (!File.Exists(path))
                throw new ArgumentException($"there is no script \"{script}\"");
            string guest = result.GetValue(name) ?? (Environment.GetEnvironmentVariable(GuestVariable) is { Length: > 0 } variable ? variable : SessionDirectory.DefaultName);
            if (SessionDirectory.ProblemWith(guest) is { } problem)
                throw new ArgumentException(problem);
            return SessionExec.RunAsync(options.Read(result, SessionDirectory.Of(guest), [.. Shell]) with { Script = path, Fence = result.GetValue(fence) });
        });
        HelpText.Describe(command, "uml guest sh [options] SCRIPT", ExitStatus.Table, """
            The script runs as GitHub's "shell: bash" does: bash --noprofile --norc -eo pipefail.
            It is copied into the guest, wherever it is on the host.

            Example, in a workflow after the action has started a guest:
              - shell: uml-sh {0}
                run: uname -r
            """);
        return command;
    }
}
