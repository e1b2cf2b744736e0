using Microsoft.Build.Framework;

namespace Uml.CI.MSBuild;

/// <summary>Makes the root images a project needs, so that nothing is made or downloaded later. What the store has takes a few file reads.</summary>
[MSBuildMultiThreadableTask]
public sealed class RestoreImages : GuestTask
{
    /// <summary>The project's images: references such as debian:trixie, with the metadata Packages for more packages.</summary>
    public ITaskItem[] Images { get; set; } = [];

    /// <summary>Whether to make again what the store has.</summary>
    public bool Refresh { get; set; }

    /// <inheritdoc/>
    public override bool Execute()
    {
        try
        {
            List<(string Code, string File, string Text)> problems = Run(RestoreAsync);
            foreach ((string code, string file, string text) in problems)
                LogError(code, file, text);
            return problems.Count == 0;
        }
        catch (OperationCanceledException) when (IsCancelled)
        {
            return false;
        }
    }

    private async Task<List<(string Code, string File, string Text)>> RestoreAsync(CancellationToken cancellationToken)
    {
        List<(string, string, string)> problems = [];
        foreach (ITaskItem item in Images)
        {
            try
            {
                ImageReference reference = ImageReference.Parse(item.ItemSpec).With(item.GetMetadata("Packages").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)).From(ProjectDirectory);
                var store = new ImageStore();
                bool isThere = !Refresh && store.Find(reference) is not null;
                RootImage image = await store.ResolveAsync(reference, new ImageResolveOptions { Refresh = Refresh, Progress = new KernelNews(this) }, cancellationToken);
                if (!isThere)
                    Add(new Line(LineKind.Progress, $"Image: {reference} is {image.Record.Origin}"));
            }
            catch (KernelException e)
            {
                problems.Add((e.Problem == KernelProblem.InvalidReference ? ErrorCode.BadItem : ErrorCode.ImageUnavailable, item.GetMetadata("DefiningProjectFullPath"), e.Message));
            }
        }

        return problems;
    }
}
