namespace Uml.CI.TestHost;

/// <summary>A guest that a test or a fixture holds. It counts against the limit until it is gone.</summary>
internal sealed class HeldGuest : IAsyncDisposable
{
    private readonly IDisposable _lease;
    private readonly IDisposable _holder;
    private readonly Action _ended;
    private int _disposed;

    public HeldGuest(Guest guest, IDisposable lease, IDisposable holder, Action ended)
    {
        Guest = guest;
        _lease = lease;
        _holder = holder;
        _ended = ended;
        Use = new GuestUse(guest, isOwn: true);
    }

    public Guest Guest { get; }

    /// <summary>What it has said and done since it was handed over.</summary>
    public GuestUse Use { get; }

    public async ValueTask DisposeAsync()
    {
        await Guest.DisposeAsync();
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        _lease.Dispose();
        _holder.Dispose();
        _ended();
    }
}
