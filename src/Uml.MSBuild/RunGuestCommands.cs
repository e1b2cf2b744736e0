using Microsoft.Build.Framework;

namespace Uml.CI.MSBuild;

/// <summary>
/// Runs a project's commands in guests, each on each of its kernels, and only those that have not passed already with the same
/// kernel, settings, artifacts and inputs.
/// </summary>
[MSBuildMultiThreadableTask]
public sealed class RunGuestCommands : GuestTask
{
    private RunInGuest? _running;

    /// <summary>The commands.</summary>
    [Required]
    public ITaskItem[] Commands { get; set; } = [];

    /// <summary>The kernels of commands that name none.</summary>
    public ITaskItem[] Kernels { get; set; } = [];

    /// <summary>The same, when there are no <see cref="Kernels"/>.</summary>
    public string[] MoreKernels { get; set; } = [];

    /// <summary>Files and directories to copy into every guest; the metadatum <c>GuestPath</c> says where to.</summary>
    public ITaskItem[] Artifacts { get; set; } = [];

    /// <summary>The file that says what has passed.</summary>
    [Required]
    public string StampFile { get; set; } = "";

    /// <summary>Ends the guest that runs.</summary>
    public override void Cancel()
    {
        base.Cancel();
        Volatile.Read(ref _running)?.Cancel();
    }

    /// <inheritdoc/>
    public override bool Execute()
    {
        try
        {
            GuestCommandItem[] commands = [.. Commands.Select(GuestCommandItem.Read)];
            foreach (ITaskItem artifact in Artifacts)
                Check(artifact);
            string[] kernels = Kernels.Length > 0 ? [.. Kernels.Select(k => k.ItemSpec).Distinct(StringComparer.Ordinal)] : MoreKernels;
            string artifacts = FileState.Of(Artifacts.Select(a => (a.GetMetadata("GuestPath"), a.GetMetadata("FullPath"))));

            var stamp = new Stamp(Path.GetFullPath(StampFile, ProjectDirectory));
            bool passed = true;
            // The first that fails does not keep the others from running: each is told.
            foreach (GuestCommandItem command in commands)
            {
                foreach (string kernel in command.KernelsAmong(kernels))
                {
                    if (IsCancelled)
                        return false;
                    passed &= Execute(command, kernel, artifacts, stamp);
                }
            }

            stamp.Trim();
            return passed;
        }
        catch (BadItemException e)
        {
            LogError(ErrorCode.BadItem, e.File, e.Message);
            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogError(ErrorCode.BadItem, ProjectFile, $"What the commands depend on cannot be read, or {StampFile} not written: {e.Message}");
            return false;
        }
    }

    private static void Check(ITaskItem artifact)
    {
        if (artifact.GetMetadata("GuestPath").Length == 0)
        {
            string[] others = [.. artifact.CloneCustomMetadata().Keys.Cast<string>().Order(StringComparer.Ordinal)];
            string has = others.Length > 0 ? $" (it has {string.Join(", ", others)})" : "";
            throw new BadItemException(artifact, $"UmlArtifact \"{artifact.ItemSpec}\" has no metadatum GuestPath{has}: it says where in the guest the item goes");
        }

        if (!Path.Exists(artifact.GetMetadata("FullPath")))
            throw new BadItemException(artifact, $"UmlArtifact \"{artifact.ItemSpec}\" does not exist: {artifact.GetMetadata("FullPath")} is neither a file nor a directory");
    }

    private bool Execute(GuestCommandItem command, string name, string artifacts, Stamp stamp)
    {
        GuestKernel kernel;
        try
        {
            KernelReference reference = ReadKernel(name);
            var options = new KernelResolveOptions { Offline = true, LockFile = LockFileOf(reference), SettingsDirectory = ProjectDirectory };
            kernel = new KernelStore().ResolveAsync(reference, options).GetAwaiter().GetResult();
        }
        catch (KernelException e)
        {
            LogError(ErrorCode.KernelUnavailable, FileOf(command), e.Message);
            return false;
        }

        string title = $"\"{command.Name}\" on {kernel.Reference}";
        string state = Stamp.StateOf(
            kernel.Sha256, command.Name, command.Command, string.Join('\n', command.Arguments), command.Root, command.Memory, $"{command.Cpus}",
            string.Join('\n', command.EnvironmentVariables), command.WorkingDirectory, $"{command.TimeoutSeconds}", $"{command.BootTimeoutSeconds}",
            artifacts, FileState.Of(command.Inputs.Select(i => (i, Path.GetFullPath(i, ProjectDirectory)))));
        if (stamp.Contains(state))
        {
            Log.LogMessage(MessageImportance.Low, $"Not running {title}: it has passed, and nothing it depends on has changed since.");
            return true;
        }

        Log.LogMessage(MessageImportance.High, $"Running {title} ({kernel.Release})");
        using var run = new RunInGuest
        {
            BuildEngine = BuildEngine,
            HostObject = HostObject,
            ProjectFile = ProjectFile,
            LockFile = LockFile,
            ErrorFile = FileOf(command),
            Title = title,
            Kernel = name,
            Artifacts = Artifacts,
            Command = command.Command,
            Arguments = [.. command.Arguments],
            Root = command.Root,
            Memory = command.Memory,
            Cpus = command.Cpus,
            EnvironmentVariables = [.. command.EnvironmentVariables],
            WorkingDirectory = command.WorkingDirectory,
            TimeoutSeconds = command.TimeoutSeconds,
            BootTimeoutSeconds = command.BootTimeoutSeconds,
        };
        Volatile.Write(ref _running, run);
        try
        {
            // Whoever cancelled before it was there did not find it.
            if (IsCancelled || !run.Execute())
                return false;
        }
        finally
        {
            Volatile.Write(ref _running, null);
        }

        stamp.Add(state, title);
        return true;
    }

    private static string? FileOf(GuestCommandItem command) =>
        command.Item.GetMetadata("DefiningProjectFullPath") is { Length: > 0 } file ? file : null;
}
