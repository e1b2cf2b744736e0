namespace Uml.CI.MSBuild;

/// <summary>
/// A process of MSBuild's that runs tasks for another. It cancels no task when that other process is killed, but waits for the
/// task to end; so the task looks for itself. A build node needs none of this: it cancels its tasks.
/// </summary>
internal static class TaskHost
{
    /// <summary>Whether this process is one.</summary>
    public static bool IsThisProcess { get; } =
        Array.Exists(Environment.GetCommandLineArgs(), a => a.TrimStart('/', '-').Equals("nodemode:2", StringComparison.OrdinalIgnoreCase));

    /// <summary>Calls <paramref name="lost"/> when the process that started this one is gone; null if this process needs no such watch.</summary>
    // 1 has adopted a host that is kept from one build to the next; whom it serves cannot be seen.
    public static ParentWatch? WatchParent(Action lost) => IsThisProcess && ParentWatch.Parent is > 1 and var parent ? new ParentWatch(parent, lost) : null;
}
