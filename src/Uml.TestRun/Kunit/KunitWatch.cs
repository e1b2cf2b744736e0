using System.Collections.Immutable;
using System.Diagnostics;

namespace Uml.CI;

/// <summary>Notes when a kernel's tests last made progress, and tells others.</summary>
internal sealed class KunitWatch(IKtapObserver? next) : IKtapObserver
{
    private long _last = Stopwatch.GetTimestamp();

    /// <summary>How long ago a test began or ended.</summary>
    public TimeSpan Idle => Stopwatch.GetElapsedTime(Interlocked.Read(ref _last));

    public void Started(ImmutableArray<string> path, string name, int? plan)
    {
        Interlocked.Exchange(ref _last, Stopwatch.GetTimestamp());
        next?.Started(path, name, plan);
    }

    public void Finished(ImmutableArray<string> path, KtapTest test)
    {
        Interlocked.Exchange(ref _last, Stopwatch.GetTimestamp());
        next?.Finished(path, test);
    }

    public void Complained(KtapComplaint complaint) => next?.Complained(complaint);
}
