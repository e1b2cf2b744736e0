using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml run</c>: one command in a guest of its own.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        var options = new GuestOptionSet();
        var words = new Argument<string[]>("COMMAND") { Arity = ArgumentArity.ZeroOrMore, Description = "Program and arguments. No shell is involved; options after it are its own" };
        var command = new Command("run", "Boot a guest, run a command in it, and take it down");
        command.Arguments.Add(words);
        options.AddTo(command, shell: false);
        command.SetAction((result, _) =>
        {
            RunRequest request = options.Read(result, result.GetValue(words) ?? [], shell: false);
            if (request.Command.Length > 0 || request.Guest.Root.Reference is not null)
                return RunSession.RunAsync(request);
            Message.Error("no command was given: uml run [options] [--] COMMAND...; see \"uml run --help\"");
            return Task.FromResult(ExitStatus.NotProvided);
        });
        HelpText.Describe(command, "uml run [options] [--] [COMMAND...]", ExitStatus.Table, """
            Without a command, what the root's image says is run: the entry point of oci:HOST/NAME:TAG.
            Standard input, output and error are the command's own: bytes pass unchanged and at once.
            Ctrl-C and SIGTERM go to the command; a second one ends the guest.

            Examples:
              uml run -- uname -r
              uml run --kernel debian:trixie --memory 1G -- sh -c 'dmesg | tail -n 3'
              uml run --copy out/mymod.ko:/opt/mymod.ko -- insmod /opt/mymod.ko
              uml run --mount .:/src:cow --workdir /src --copy-out /src/out:out -- make
              uml run --root oci:registry.example:5000/team/app:1
              uml run --timeout 30s --json run.json --kernel-log kernel.log -- ./test.sh
              printf 'hello\n' | uml run -- wc -c
            """);
        return command;
    }
}
