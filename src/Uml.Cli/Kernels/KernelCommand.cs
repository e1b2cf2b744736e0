using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml kernel</c>: the kernels on this machine.</summary>
internal static class KernelCommand
{
    public static Command Create()
    {
        var command = new Command("kernel", "Fetch, build, show, pack and remove kernels");
        command.Subcommands.Add(KernelPullCommand.Create());
        command.Subcommands.Add(KernelBuildCommand.Create());
        command.Subcommands.Add(KernelListCommand.Create());
        command.Subcommands.Add(KernelShowCommand.Create());
        command.Subcommands.Add(KernelPackCommand.Create());
        command.Subcommands.Add(KernelVerifyCommand.Create());
        command.Subcommands.Add(KernelRemoveCommand.Create());
        command.Subcommands.Add(KernelPruneCommand.Create());
        HelpText.Describe(command, "uml kernel COMMAND");
        return command;
    }

    /// <summary>References of kernels as a command's arguments.</summary>
    public static Argument<string[]> References(string description, ArgumentArity arity)
    {
        var argument = new Argument<string[]>("REFERENCE") { Arity = arity, Description = description };
        argument.CompletionSources.Add(_ => GuestOptionSet.Kernels());
        return argument;
    }
}
