namespace Uml.CI.Cli;

/// <summary>The action's step that starts a guest for the steps after it.</summary>
internal static class ActionStart
{
    /// <summary>Starts it, with the workspace and the runner's files writable.</summary>
    public static async Task<int> RunAsync(ActionInputs inputs)
    {
        if (inputs.Kernels.Length != 1)
            throw new ArgumentException("a guest that stays for later steps has one kernel: give the input \"run\" for several");
        List<string> arguments = [GuestCommand.Name, "start", "--name", inputs.Name, .. inputs.GuestOptions(inputs.Kernels[0], "rw")];
        // What steps tell the runner, they write into files here.
        foreach (string directory in RunnerDirectories(inputs.Workspace))
            arguments.AddRange(["--mount", $"{ActionInputs.Escape(directory)}:{ActionInputs.Escape(directory)}:rw"]);
        string last = "";
        int status;
        using (var tool = new ActionTool())
        {
            Descriptor.Output.WriteLine(WorkflowCommands.Group($"Linux {inputs.Kernels[0]}, kept for later steps"));
            using (new OutputFence(Descriptor.Output))
                status = await tool.RunAsync(arguments, line => last = line.StartsWith("uml: ", StringComparison.Ordinal) && last.Length == 0 ? line["uml: ".Length..] : last);
            Descriptor.Output.WriteLine(WorkflowCommands.EndGroup);
        }

        WorkflowFiles.SetOutput("status", status == 0 ? "running" : "unavailable");
        WorkflowFiles.SetOutput("exit-code", status.ToString(System.Globalization.CultureInfo.InvariantCulture));
        if (status != 0)
        {
            Descriptor.Output.WriteLine(WorkflowCommands.Annotate(new Annotation(AnnotationLevel.Error, "The guest did not start", last.Length > 0 ? last : $"exit status {status}")));
            return status;
        }

        SessionRecord record = SessionDirectory.Of(inputs.Name).ReadRecord()!;
        Descriptor.Output.WriteLine(WorkflowCommands.Line($"{record.Kernel} ({record.Release}) is kept as \"{inputs.Name}\": use \"shell: uml-sh {{0}}\""));
        WorkflowFiles.SetOutput("kernel-release", record.Release);
        WorkflowFiles.SetOutput("kernel-logs", record.KernelLogFile);
        WorkflowFiles.SetVariable(GuestScriptCommand.GuestVariable, inputs.Name);
        return 0;
    }

    private static List<string> RunnerDirectories(string workspace) =>
        ((string?[])[Environment.GetEnvironmentVariable("RUNNER_TEMP"), Path.GetDirectoryName(Environment.GetEnvironmentVariable("GITHUB_OUTPUT"))])
        .OfType<string>()
        .Where(d => Path.IsPathRooted(d) && Directory.Exists(d))
        .Select(d => Path.TrimEndingDirectorySeparator(Path.GetFullPath(d)))
        .Where(d => !IsBelow(d, workspace))
        .Aggregate(new List<string>(), (kept, d) => kept.Exists(k => IsBelow(d, k)) ? kept : [.. kept, d]);

    private static bool IsBelow(string directory, string other) => directory == other || directory.StartsWith(other + "/", StringComparison.Ordinal);
}
