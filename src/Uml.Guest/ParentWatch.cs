namespace Uml.CI;

/// <summary>
/// Notices that the process that started this one has ended. PR_SET_PDEATHSIG does not serve here: it fires when the parent's
/// thread ends (prctl(2)), and the SDK starts programs from threads of a pool.
/// </summary>
internal sealed class ParentWatch : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private static int s_first;
    private readonly Timer _timer;

    /// <summary>Calls <paramref name="lost"/>, perhaps more than once, when the parent is another than it was at <see cref="Begin"/>.</summary>
    public ParentWatch(Action lost)
        : this(s_first, lost)
    {
    }

    /// <summary>Calls <paramref name="lost"/>, perhaps more than once, when the parent is another than <paramref name="parent"/>.</summary>
    public ParentWatch(int parent, Action lost)
    {
        _timer = new Timer(
            _ =>
            {
                if (Parent != parent)
                    lost();
            },
            state: null,
            Interval,
            Interval);
    }

    /// <summary>The process that started this one, or the one that adopted it.</summary>
    public static int Parent => Native.getppid();

    /// <summary>Notes who the parent is; called first of all, because one that ends before would not be missed.</summary>
    public static void Begin() => s_first = Parent;

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();
}
