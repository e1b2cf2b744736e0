using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;

namespace Uml.CI.TestHost;

/// <summary>
/// Guests that were booted while other tests ran, for the tests that ask for the same next. The pool only ever takes what nobody
/// else wants: it boots ahead where there is room and nobody waits, and gives back what it has when somebody does.
/// </summary>
internal sealed class WarmPool
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(25);

    // The next test of the same options comes at once or not at all; a pause for thought in a debugger is not worth a guest.
    private static readonly TimeSpan KeptFor = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ExitTimeout = TimeSpan.FromSeconds(5);

    // Not a static initialiser: what is wrong with the limit is to be said in its own words.
    private static readonly Lazy<WarmPool?> OfThisProcess = new(Create);

    private readonly GuestLimit _limit;
    private readonly Lock _lock = new();
    private readonly Dictionary<GuestRequest, Shelf> _shelves = [];
    private readonly HashSet<Type> _requesters = [];
    private readonly List<Task> _ends = [];
    private readonly Lock _filling = new();
    private bool _watched;
    private bool _closed;

    public WarmPool(GuestLimit limit) => _limit = limit;

    /// <summary>The pool of this process; null if UML_WARM=0 says there is none.</summary>
    public static WarmPool? Shared => OfThisProcess.Value;

    /// <summary>Whether a guest of these options can be booted before it is asked for.</summary>
    public static bool CanHold(GuestOptions options) =>
        // What it says and when it says it would be another test's.
        options is { Clock: null, KernelLogFile: null, KernelLogListener: null, Name: null, KernelResolution: null or { Progress: null } }
        && options.Logger == NullLogger.Instance;

    /// <summary>
    /// Takes a guest that is ready or about to be; null if there is none, and the caller boots its own. Either way the caller
    /// says <see cref="Ended"/> when it is done with its guest.
    /// </summary>
    public async Task<(Guest Guest, GuestLease Lease)?> TakeAsync(GuestRequest request, CancellationToken cancellationToken)
    {
        GuestRequest key = KeyOf(request);
        lock (_lock)
        {
            Shelf shelf = ShelfOf(key);
            shelf.Users++;
            shelf.Requests++;
        }

        while (Pick(key) is { } warm)
        {
            try
            {
                Guest guest = await warm.Boot.WaitAsync(cancellationToken);
                if (guest.IsAlive)
                {
                    await guest.EquipAsync(request.Options, cancellationToken);
                    return (guest, warm.Lease);
                }
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                Discard(warm);
                Ended(request);
                throw;
            }
            catch (Exception e) when (warm.Boot.IsCompletedSuccessfully && e is not (KernelPanicException or GuestConnectionException))
            {
                // An artifact is not there: that is the test's own.
                Discard(warm);
                Ended(request);
                throw;
            }
#pragma warning disable CA1031 // Whatever went wrong with a guest nobody had asked for: the caller's own boot will show it if it is more than bad luck.
            catch (Exception)
#pragma warning restore CA1031
            {
            }

            Discard(warm);
        }

        return null;
    }

    /// <summary>Boots ahead for the next test that asks for these options, if one is to be expected.</summary>
    /// <param name="request">What a test has just got.</param>
    /// <param name="requester">The class of the test.</param>
    public void BootAhead(GuestRequest request, Type requester)
    {
        GuestRequest key = KeyOf(request);
        bool watched;
        lock (_lock)
        {
            // A class whose every test asks for something else would boot a guest in vain for each.
            bool first = _requesters.Add(requester);
            if (_closed || (!first && ShelfOf(key).Requests < 2))
                return;
            ShelfOf(key).IsWanted = true;
            watched = _watched;
            _watched = true;
        }

        // What is booted ahead is no part of the test that runs: it must not inherit its context.
        using (ExecutionContext.SuppressFlow())
            _ = watched ? Task.Run(() => Fill(key)) : Task.Run(WatchAsync);
    }

    /// <summary>Says that a test is done with its guest.</summary>
    public void Ended(GuestRequest request)
    {
        lock (_lock)
        {
            Shelf shelf = ShelfOf(KeyOf(request));
            shelf.Idle.Restart();
            if (--shelf.Users == 0)
                shelf.IsWanted = false;
        }
    }

    /// <summary>Ends every guest that waits, and boots no more.</summary>
    public async Task CloseAsync()
    {
        Task[] ends;
        lock (_lock)
        {
            _closed = true;
            _shelves.Values.SelectMany(s => s.Guests).ToList().ForEach(Discard);
            _shelves.Clear();
            ends = [.. _ends];
        }

        await Task.WhenAll(ends);
    }

    /// <summary>How many guests wait or are being booted.</summary>
    internal int Count
    {
        get
        {
            lock (_lock)
                return _shelves.Values.Sum(s => s.Guests.Count);
        }
    }

    /// <summary>Those that wait.</summary>
    internal IEnumerable<Guest> Ready
    {
        get
        {
            lock (_lock)
                return [.. _shelves.Values.SelectMany(s => s.Guests).Where(g => g.Boot.IsCompletedSuccessfully).Select(g => g.Boot.Result)];
        }
    }

    private static WarmPool? Create()
    {
        if (Environment.GetEnvironmentVariable("UML_WARM") is "0" or "false")
            return null;
        var pool = new WarmPool(GuestLimit.Shared);
        AppDomain.CurrentDomain.ProcessExit += (_, _) => pool.CloseAsync().Wait(ExitTimeout);
        return pool;
    }

    // Artifacts are copied in when the guest is taken: by then the files may have changed.
    private static GuestRequest KeyOf(GuestRequest request) => request with { Options = request.Options with { Artifacts = [] } };

    private Shelf ShelfOf(GuestRequest key)
    {
        if (!_shelves.TryGetValue(key, out Shelf? shelf))
            _shelves[key] = shelf = new Shelf();
        return shelf;
    }

    private WarmGuest? Pick(GuestRequest key)
    {
        lock (_lock)
        {
            List<WarmGuest> guests = ShelfOf(key).Guests;
            WarmGuest? warm = guests.Find(g => g.Boot.IsCompletedSuccessfully) ?? guests.FirstOrDefault();
            if (warm is not null)
                guests.Remove(warm);
            return warm;
        }
    }

    private void Discard(WarmGuest warm)
    {
        lock (_lock)
        {
            _ends.RemoveAll(t => t.IsCompleted);
            _ends.Add(warm.DisposeAsync().AsTask());
        }
    }

    private void Fill(GuestRequest key)
    {
        using Lock.Scope one = _filling.EnterScope();
        while (true)
        {
            lock (_lock)
            {
                Shelf shelf = ShelfOf(key);
                // One more than there are tests at it: short tests take guests faster than one boot after the other makes them.
                // What nobody watches would never be given back.
                if (_closed || !_watched || shelf.Guests.Count >= Math.Min(shelf.Users + 1, Environment.ProcessorCount))
                    return;
            }

            GuestLease? lease = _limit.TryAcquire(key.Options.Memory);
            if (lease is null)
            {
                // What nobody has asked for lately makes room for what somebody will. It is there on the next look.
                DiscardOldest(key);
                return;
            }

            var warm = new WarmGuest(key, lease);
            lock (_lock)
            {
                if (_closed || !_watched)
                {
                    Discard(warm);
                    return;
                }

                ShelfOf(key).Guests.Add(warm);
            }
        }
    }

    private void DiscardOldest(GuestRequest wanted)
    {
        lock (_lock)
        {
            List<WarmGuest>? oldest = _shelves.Where(s => s.Key != wanted && s.Value.Guests.Count > 0).Select(s => s.Value.Guests).MaxBy(g => g[0].Age.Elapsed);
            if (oldest is null)
                return;
            Discard(oldest[0]);
            oldest.RemoveAt(0);
        }
    }

    // While there are guests that wait or should.
    private async Task WatchAsync()
    {
        try
        {
            while (Look())
                await Task.Delay(LookEvery);
        }
#pragma warning disable CA1031 // Nobody has asked for these guests; whoever needs the room gets it, and the next test starts over.
        catch (Exception)
#pragma warning restore CA1031
        {
            lock (_lock)
            {
                _watched = false;
                foreach (Shelf shelf in _shelves.Values)
                {
                    shelf.IsWanted = false;
                    shelf.Guests.ForEach(Discard);
                    shelf.Guests.Clear();
                }
            }
        }
    }

    // Boots what is wanted when there is room, gives back what somebody else needs, what nobody has taken, what has died. False
    // when there is nothing left to look after.
    private bool Look()
    {
        bool contended = _limit.IsContended;
        GuestRequest[] wanted;
        lock (_lock)
        {
            foreach (Shelf shelf in _shelves.Values)
            {
                bool outlived = !shelf.IsWanted && shelf.Idle.Elapsed > KeptFor;
                foreach (WarmGuest guest in shelf.Guests.FindAll(g => contended || outlived || g.IsDead))
                {
                    // It would end the same way again and again; a test that boots its own will show why.
                    if (guest.IsDead)
                        shelf.IsWanted = false;
                    shelf.Guests.Remove(guest);
                    Discard(guest);
                }
            }

            wanted = [.. _shelves.Where(s => s.Value.IsWanted).Select(s => s.Key)];
            if (wanted.Length == 0 && _shelves.Values.All(s => s.Guests.Count == 0))
            {
                _watched = false;
                return false;
            }
        }

        if (!contended)
        {
            foreach (GuestRequest key in wanted)
                Fill(key);
        }

        return true;
    }

    /// <summary>The guests of one kind.</summary>
    private sealed class Shelf
    {
        public List<WarmGuest> Guests { get; } = [];

        /// <summary>How many tests have such a guest now.</summary>
        public int Users { get; set; }

        /// <summary>Whether one is to be expected to be asked for.</summary>
        public bool IsWanted { get; set; }

        /// <summary>Since a test last gave one back.</summary>
        public Stopwatch Idle { get; } = Stopwatch.StartNew();

        /// <summary>How many have asked for one.</summary>
        public int Requests { get; set; }
    }

    /// <summary>A guest that waits, or will when it has booted.</summary>
    private sealed class WarmGuest : IAsyncDisposable
    {
        private readonly CancellationTokenSource _cancellation = new();

        public WarmGuest(GuestRequest request, GuestLease lease)
        {
            Lease = lease;
            Boot = Task.Run(() => Guest.StartAsync(request.Options, request.CurrentDirectory, _cancellation.Token));
            _ = Boot.ContinueWith(t => t.Exception, TaskScheduler.Default);
        }

        public Task<Guest> Boot { get; }

        public GuestLease Lease { get; }

        public Stopwatch Age { get; } = Stopwatch.StartNew();

        public bool IsDead => Boot.IsFaulted || (Boot.IsCompletedSuccessfully && !Boot.Result.IsAlive);

        /// <summary>Ends the guest, however far it has come, and gives its lease back.</summary>
        public async ValueTask DisposeAsync()
        {
            await _cancellation.CancelAsync();
            try
            {
                Guest guest = await Boot;
                await guest.DisposeAtOnceAsync();
            }
#pragma warning disable CA1031 // It did not come up, so it is gone.
            catch (Exception)
#pragma warning restore CA1031
            {
            }

            Lease.Dispose();
            _cancellation.Dispose();
        }
    }
}

/// <summary>A guest that a test asks for. Where it asks is a part of it: tests that change the current directory change it for all others.</summary>
/// <param name="Options">What it asks for.</param>
internal sealed record GuestRequest(GuestOptions Options)
{
    /// <summary>The current directory at the time of asking, which is that of the guest's commands.</summary>
    public string CurrentDirectory { get; } = Directory.GetCurrentDirectory();
}
