using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml github</c>: the steps of the action.</summary>
internal static class GitHubCommand
{
    public static Command Create()
    {
        var command = new Command("github", "The steps of the GitHub action, which hands its inputs on as variables INPUT_NAME");
        command.Subcommands.Add(Step("fetch", "Fetch the kernels of the input \"kernel\"", FetchAsync));
        command.Subcommands.Add(Step("run", "Run the commands of the input \"run\" on each kernel", ActionSession.RunAsync));
        command.Subcommands.Add(Step("start", "Start a guest that stays for later steps", ActionStart.RunAsync));
        HelpText.Describe(command, "uml github COMMAND", "docs/github.md says what the inputs are.");
        return command;
    }

    private static Command Step(string name, string description, Func<ActionInputs, Task<int>> run)
    {
        var command = new Command(name, description);
        command.SetAction(async (_, _) =>
        {
            try
            {
                return await run(ActionInputs.Read(Environment.GetEnvironmentVariable));
            }
            catch (Exception e) when (e is ArgumentException or IOException or UnauthorizedAccessException or KernelException)
            {
                // Where it is seen: not only in the log.
                Descriptor.Output.WriteLine(WorkflowCommands.Annotate(new Annotation(AnnotationLevel.Error, "uml", e.Message)));
                return ExitStatus.NotProvided;
            }
        });
        HelpText.Describe(command, $"uml github {name}");
        return command;
    }

    private static async Task<int> FetchAsync(ActionInputs inputs)
    {
        using var tool = new ActionTool();
        Descriptor.Output.WriteLine(WorkflowCommands.Group("Kernels: " + string.Join(", ", inputs.Kernels)));
        string last = "";
        int status;
        using (new OutputFence(Descriptor.Output))
            status = await tool.RunAsync(["kernel", "pull", .. inputs.Kernels], line => last = line);
        Descriptor.Output.WriteLine(WorkflowCommands.EndGroup);
        if (status != 0)
            Descriptor.Output.WriteLine(WorkflowCommands.Annotate(new Annotation(AnnotationLevel.Error, "Kernels cannot be had", last)));
        if (status == 0)
            await ExamineAsync(tool, inputs);
        return status;
    }

    // Whatever a guest lacks here is better said before one fails for want of it.
    private static async Task ExamineAsync(ActionTool tool, ActionInputs inputs)
    {
        Environment.SetEnvironmentVariable("UML_KERNEL", inputs.Kernels[0]);
        Descriptor.Output.WriteLine(WorkflowCommands.Group("uml doctor"));
        int status;
        using (new OutputFence(Descriptor.Output))
            status = await tool.RunAsync(["doctor", "--offline"]);
        Descriptor.Output.WriteLine(WorkflowCommands.EndGroup);
        if (status != 0 && tool.Signal == 0)
            Descriptor.Output.WriteLine(WorkflowCommands.Annotate(new Annotation(AnnotationLevel.Warning, "uml doctor", "this machine lacks something that guests need; see the log")));
    }
}
