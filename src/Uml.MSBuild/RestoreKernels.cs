using Microsoft.Build.Framework;

namespace Uml.CI.MSBuild;

/// <summary>
/// Fetches the kernels a project needs, so that nothing is downloaded later. What the store has takes a few file reads.
/// </summary>
[MSBuildMultiThreadableTask]
public sealed class RestoreKernels : GuestTask
{
    /// <summary>The project's kernels.</summary>
    public ITaskItem[] Kernels { get; set; } = [];

    /// <summary>Commands, whose kernels are fetched as well.</summary>
    public ITaskItem[] Commands { get; set; } = [];

    /// <summary>More kernels, which are no items.</summary>
    public string[] MoreKernels { get; set; } = [];

    /// <summary>Whether the default kernel is fetched when nothing else names one.</summary>
    public bool DefaultKernel { get; set; }

    /// <summary>Whether to fetch again what the store has, and to pin it anew.</summary>
    public bool Refresh { get; set; }

    /// <summary>The lock file that pins them; empty if there is none.</summary>
    [Output]
    public string UsedLockFile { get; set; } = "";

    /// <inheritdoc/>
    public override bool Execute()
    {
        try
        {
            Dictionary<string, string?> wanted = Wanted();
            if (wanted.Count == 0)
                return true;
            List<Problem> problems = Run(cancellation => RestoreAsync(wanted, cancellation));
            foreach (Problem problem in problems)
                Report(problem);
            return !problems.Any(p => p.IsError);
        }
        catch (OperationCanceledException) when (IsCancelled)
        {
            return false;
        }
        catch (BadItemException e)
        {
            LogError(ErrorCode.BadItem, e.File, e.Message);
            return false;
        }
    }

    /// <summary>The names of the kernels, each with the file it is written in.</summary>
    private Dictionary<string, string?> Wanted()
    {
        Dictionary<string, string?> wanted = new(StringComparer.Ordinal);
        foreach (ITaskItem kernel in Kernels)
            wanted.TryAdd(kernel.ItemSpec, kernel.GetMetadata("DefiningProjectFullPath"));
        string[] project = [.. wanted.Keys];
        foreach (string kernel in MoreKernels)
            wanted.TryAdd(kernel, ProjectFile);
        if (project.Length == 0)
            project = MoreKernels;
        foreach (GuestCommandItem command in Commands.Select(GuestCommandItem.Read))
        {
            foreach (string kernel in command.KernelsAmong(project))
                wanted.TryAdd(kernel, command.Item.GetMetadata("DefiningProjectFullPath"));
        }

        if (wanted.Count == 0 && DefaultKernel)
            wanted.Add("", ProjectFile);
        return wanted;
    }

    private async Task<List<Problem>> RestoreAsync(Dictionary<string, string?> wanted, CancellationToken cancellationToken)
    {
        // One kernel that cannot be had does not keep the others away, and what is wrong with each is said.
        List<Problem> problems = [];
        foreach ((string name, string? file) in wanted)
        {
            string code = ErrorCode.BadItem;
            try
            {
                KernelReference reference = ReadKernel(name);
                code = ErrorCode.BadLockFile;
                string? lockFile = LockFileOf(reference);
                if (lockFile is not null)
                {
                    _ = KernelLock.Load(lockFile);
                    UsedLockFile = lockFile;
                }

                code = ErrorCode.KernelUnavailable;
                await RestoreAsync(reference, lockFile, cancellationToken);
            }
            catch (KernelException e)
            {
                // Nobody has asked for the default kernel in so many words: tests that want it say that it is missing, and are skipped.
                bool optional = name.Length == 0 && e.Problem == KernelProblem.Unavailable && Environment.GetEnvironmentVariable("UML_REQUIRED") is not ("1" or "true");
                if (e.Problem == KernelProblem.InvalidReference)
                    code = ErrorCode.BadItem;
                problems.Add(new Problem(code, file, e.Message, !optional));
            }
        }

        return problems;
    }

    private async Task RestoreAsync(KernelReference reference, string? lockFile, CancellationToken cancellationToken)
    {
        var store = new KernelStore();
        bool isThere = !Refresh && store.Find(reference) is not null;
        var options = new KernelResolveOptions { Refresh = Refresh, Progress = new KernelNews(this), LockFile = lockFile, SettingsDirectory = ProjectDirectory };
        GuestKernel kernel = await store.ResolveAsync(reference, options, cancellationToken);
        if (!isThere)
            Add(new Line(LineKind.Progress, $"Kernel: {kernel.Reference} is Linux {kernel.Release}"));
    }

    private void Report(Problem problem)
    {
        if (problem.IsError)
            LogError(problem.Code, problem.File, problem.Text);
        else
            Log.LogWarning(subcategory: null, problem.Code, helpKeyword: problem.Code, ErrorCode.HelpLink(problem.Code), problem.File, 0, 0, 0, 0, problem.Text);
    }

    private sealed record Problem(string Code, string? File, string Text, bool IsError);
}
