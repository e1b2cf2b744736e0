namespace Uml.CI.Cli;

/// <summary>
/// Notices that the process that started this one has ended. PR_SET_PDEATHSIG does not serve here: it fires when the parent's
/// thread ends (prctl(2)), and the SDK starts programs from threads of a pool.
/// </summary>
internal sealed class ParentWatch : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private static int s_parent;
    private readonly Timer _timer;

    /// <summary>Calls <paramref name="lost"/> once it is gone.</summary>
    public ParentWatch(Action lost)
    {
        _timer = new Timer(
            _ =>
            {
                if (Native.getppid() != s_parent)
                    lost();
            },
            state: null,
            Interval,
            Interval);
    }

    /// <summary>Notes who the parent is; called first of all, because one that ends before would not be missed.</summary>
    public static void Begin() => s_parent = Native.getppid();

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();
}
