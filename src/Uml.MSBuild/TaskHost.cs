using System.Globalization;

namespace Uml.CI.MSBuild;

/// <summary>
/// A process of MSBuild's that runs tasks for another. It cancels no task when that other process is killed, but waits for the
/// task to end; so the task looks for itself. A build node needs none of this: it cancels its tasks.
/// </summary>
internal static class TaskHost
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    /// <summary>Whether this process is one.</summary>
    public static bool IsThisProcess { get; } =
        Array.Exists(Environment.GetCommandLineArgs(), a => a.TrimStart('/', '-').Equals("nodemode:2", StringComparison.OrdinalIgnoreCase));

    /// <summary>Calls <paramref name="lost"/> when the process that started this one is gone; null if this process needs no such watch.</summary>
    public static Timer? WatchParent(Action lost)
    {
        // 1 has adopted a host that is kept from one build to the next; whom it serves cannot be seen.
        if (!IsThisProcess || Parent() is not (> 1 and var parent))
            return null;
        return new Timer(
            _ =>
            {
                if (Parent() != parent)
                    lost();
            },
            state: null,
            Interval,
            Interval);
    }

    private static int Parent()
    {
        try
        {
            // "PID (NAME) STATE PARENT ...", and the name may hold anything.
            string stat = File.ReadAllText("/proc/self/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
