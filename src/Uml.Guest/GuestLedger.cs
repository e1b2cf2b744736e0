using System.Diagnostics;

namespace Uml.CI;

/// <summary>Who runs a guest and who waits for one. Looked at and written by one at a time, who has entered its gate.</summary>
internal abstract class GuestLedger
{
    /// <summary>How long the gate may be shut, and how long ago who waits may last have asked for its place: whoever takes longer is stopped.</summary>
    public virtual TimeSpan Patience => TimeSpan.FromSeconds(5);

    /// <summary>Enters the gate, which nobody holds for longer than it takes to read the ledger.</summary>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <exception cref="IOException">Who is in the gate does not come out.</exception>
    public Gate Enter(CancellationToken cancellationToken = default)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            if (TryEnter() is { } gate)
                return gate;
            if (clock.Elapsed > Patience)
                throw Shut();
            cancellationToken.ThrowIfCancellationRequested();
            Thread.Sleep(1);
        }
    }

    /// <summary>What there is to say when the gate stays shut.</summary>
    public static IOException Shut() => new("The list of guests is locked by a process that does not go on.");

    /// <summary>Enters the gate unless somebody is in it.</summary>
    public abstract Gate? TryEnter();

    /// <summary>Whether anybody waits; looked at in passing, without the gate.</summary>
    public abstract bool IsContended();

    /// <summary>How many who wait came before; 0 if it is time to enter. Looked at in passing, without the gate. Who does not ask for long is passed over.</summary>
    public abstract int PlaceOf(Entry entry);

    /// <summary>Strikes an entry out, without the gate.</summary>
    public abstract void Remove(Entry entry);

    /// <summary>One guest.</summary>
    /// <param name="ticket">Its place in the order of arrival.</param>
    /// <param name="waits">Whether it has yet to be granted.</param>
    /// <param name="memory">Its memory in bytes.</param>
    internal class Entry(long ticket, bool waits, long memory)
    {
        public long Ticket => ticket;

        public bool Waits { get; set; } = waits;

        public long Memory => memory;
    }

    /// <summary>The right to look and write.</summary>
    internal abstract class Gate : IDisposable
    {
        /// <summary>The entries whose owners live, without those who wait and do not ask.</summary>
        public abstract List<Entry> Read();

        /// <summary>Adds an entry behind all others.</summary>
        public abstract Entry Add(long memory, bool waits);

        /// <summary>Turns who waits into who runs.</summary>
        public abstract void Grant(Entry entry);

        public abstract void Dispose();
    }
}

/// <summary>A ledger of this process alone.</summary>
internal sealed class MemoryLedger : GuestLedger
{
    private readonly Lock _lock = new();
    private readonly List<Entry> _entries = [];
    private long _lastTicket;

    public override Gate? TryEnter()
    {
        _lock.Enter();
        return new MemoryGate(this);
    }

    public override bool IsContended()
    {
        lock (_lock)
            return _entries.Exists(e => e.Waits);
    }

    public override int PlaceOf(Entry entry)
    {
        lock (_lock)
            return _entries.Count(e => e.Waits && e.Ticket < entry.Ticket);
    }

    public override void Remove(Entry entry)
    {
        lock (_lock)
            _entries.Remove(entry);
    }

    private sealed class MemoryGate(MemoryLedger ledger) : Gate
    {
        public override List<Entry> Read() => [.. ledger._entries];

        public override Entry Add(long memory, bool waits)
        {
            var entry = new Entry(++ledger._lastTicket, waits, memory);
            ledger._entries.Add(entry);
            return entry;
        }

        public override void Grant(Entry entry) => entry.Waits = false;

        public override void Dispose() => ledger._lock.Exit();
    }
}
