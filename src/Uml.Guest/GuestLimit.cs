using System.Diagnostics;
using System.Globalization;

namespace Uml.CI;

/// <summary>
/// How many guests run at once: first come, first served, among all processes of this user on this machine that ask. Who starts a
/// guest takes a <see cref="GuestLease"/> before and gives it back when the guest is gone. A process that dies gives back what it
/// had, however it ended.
/// </summary>
/// <remarks>
/// There is room for two guests per processor (never fewer than two), as long as the memory of all of them fits into 70 % of what
/// this process may use. There is always room for one. The variable UML_MAX_GUESTS replaces the number. A process that is stopped
/// while it waits is passed over; where the list of guests cannot be kept, each process counts its own.
/// </remarks>
public sealed class GuestLimit
{
    private const string Variable = "UML_MAX_GUESTS";
    private const double MemoryShare = 0.7;
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(10);
    private static readonly Lazy<GuestLimit> OfThisMachine = new(Open);

    // Takes the place of the shared one when that cannot be read or written any more.
    private readonly MemoryLedger _own = new();
    private volatile GuestLedger _ledger;

    internal GuestLimit(GuestLedger ledger, int maximumGuests, long maximumMemory)
    {
        _ledger = ledger;
        MaximumGuests = maximumGuests;
        MaximumMemory = maximumMemory;
    }

    /// <summary>
    /// The limit of this machine. It is kept in the directory of the kernel store; where that cannot be written, it holds for this
    /// process only.
    /// </summary>
    /// <exception cref="ArgumentException">UML_MAX_GUESTS is no number; the message says so.</exception>
    public static GuestLimit Shared => OfThisMachine.Value;

    /// <summary>How many guests may run at once.</summary>
    public int MaximumGuests { get; }

    /// <summary>How much memory they may have together, in bytes.</summary>
    public long MaximumMemory { get; }

    /// <summary>Whether somebody waits for a guest: who has one to spare should give it back.</summary>
    public bool IsContended
    {
        get
        {
            GuestLedger ledger = _ledger;
            try
            {
                return ledger.IsContended();
            }
            catch (Exception e) when (IsBroken(ledger, e))
            {
                return false;
            }
        }
    }

    /// <summary>Waits until there is room for a guest and nobody who came before is waiting.</summary>
    /// <param name="memoryBytes">The guest's memory.</param>
    /// <param name="cancellationToken">Stops waiting; the place in the queue is lost.</param>
    public async ValueTask<GuestLease> AcquireAsync(long memoryBytes, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        GuestLedger ledger = _ledger;
        try
        {
            return await WaitAsync(ledger, memoryBytes, cancellationToken);
        }
        catch (Exception e) when (IsBroken(ledger, e))
        {
            return await WaitAsync(_ledger = _own, memoryBytes, cancellationToken);
        }
    }

    /// <summary>Takes a lease if there is room and nobody waits; else null.</summary>
    /// <param name="memoryBytes">The guest's memory.</param>
    public GuestLease? TryAcquire(long memoryBytes) => Ask(ledger =>
    {
        using GuestLedger.Gate gate = ledger.Enter();
        List<GuestLedger.Entry> others = gate.Read();
        if (others.Exists(e => e.Waits) || !HasRoom(others, new GuestLedger.Entry(long.MaxValue, true, memoryBytes)))
            return null;
        return new GuestLease(ledger, gate.Add(memoryBytes, waits: false));
    });

    /// <summary>
    /// Takes a lease at once, over the limit if need be. For who holds a guest already: waiting for another while holding one, as
    /// several may do at once, could go on for ever.
    /// </summary>
    /// <param name="memoryBytes">The guest's memory.</param>
    public GuestLease Acquire(long memoryBytes) => Ask(ledger =>
    {
        using GuestLedger.Gate gate = ledger.Enter();
        return new GuestLease(ledger, gate.Add(memoryBytes, waits: false));
    });

    /// <summary>Reads the variable that replaces the number of guests.</summary>
    /// <exception cref="ArgumentException">It is no number.</exception>
    internal static int ReadMaximum(string? variable, int processors)
    {
        if (string.IsNullOrEmpty(variable))
            return Math.Max(2, 2 * processors);
        return int.TryParse(variable, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value > 0
            ? value
            : throw new ArgumentException($"{Variable} is \"{variable}\", which is no number of guests: set it to 1 or more, or not at all");
    }

    private static GuestLimit Open()
    {
        int guests = ReadMaximum(Environment.GetEnvironmentVariable(Variable), Environment.ProcessorCount);
        // What the runtime may use is what the control group allows, or the machine.
        long memory = (long)(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes * MemoryShare);
        try
        {
            return new GuestLimit(new DirectoryLedger(Path.Combine(new KernelStore().Root, "guests")), guests, memory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or KernelException)
        {
            return new GuestLimit(new MemoryLedger(), guests, memory);
        }
    }

    /// <summary>Whether <paramref name="mine"/> may be granted: nobody who waits came before, and it fits.</summary>
    private bool HasRoom(List<GuestLedger.Entry> all, GuestLedger.Entry mine)
    {
        int guests = 0;
        long memory = 0;
        foreach (GuestLedger.Entry entry in all)
        {
            if (entry.Waits)
            {
                if (entry.Ticket < mine.Ticket)
                    return false;
                continue;
            }

            guests++;
            memory += entry.Memory;
        }

        return guests == 0 || (guests < MaximumGuests && memory + mine.Memory <= MaximumMemory);
    }

    private async Task<GuestLease> WaitAsync(GuestLedger ledger, long memoryBytes, CancellationToken cancellationToken)
    {
        GuestLedger.Entry entry;
        using (GuestLedger.Gate gate = ledger.Enter(cancellationToken))
            entry = gate.Add(memoryBytes, waits: true);

        try
        {
            var shut = new Stopwatch();
            while (true)
            {
                int before = ledger.PlaceOf(entry);
                if (before == 0)
                {
                    using GuestLedger.Gate? gate = ledger.TryEnter();
                    if (gate is null)
                    {
                        shut.Start();
                        if (shut.Elapsed > ledger.Patience)
                            throw GuestLedger.Shut();
                    }
                    else
                    {
                        shut.Reset();
                        if (HasRoom(gate.Read(), entry))
                        {
                            gate.Grant(entry);
                            return new GuestLease(ledger, entry);
                        }
                    }
                }

                // Who is far behind need not look often.
                await Task.Delay(PollInterval * Math.Clamp(before, 1, 5), cancellationToken);
            }
        }
        catch
        {
            ledger.Remove(entry);
            throw;
        }
    }

    private T Ask<T>(Func<GuestLedger, T> ask)
    {
        GuestLedger ledger = _ledger;
        try
        {
            return ask(ledger);
        }
        catch (Exception e) when (IsBroken(ledger, e))
        {
            return ask(_ledger = _own);
        }
    }

    // A directory that was writable and is not any more, or has no room, must not fail anybody's tests.
    private bool IsBroken(GuestLedger ledger, Exception exception) => ledger != _own && exception is (IOException or UnauthorizedAccessException);
}

/// <summary>The right to run one guest. Dispose it when the guest is gone.</summary>
public sealed class GuestLease : IDisposable
{
    private readonly GuestLedger _ledger;
    private GuestLedger.Entry? _entry;

    internal GuestLease(GuestLedger ledger, GuestLedger.Entry entry)
    {
        _ledger = ledger;
        _entry = entry;
    }

    /// <summary>Gives the lease back.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _entry, null) is { } entry)
            _ledger.Remove(entry);
    }
}
