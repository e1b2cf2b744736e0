using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Uml.CI.Tests;

/// <summary>Who may start a guest and who waits. Each limit stands for a process: they share nothing but the directory.</summary>
public sealed class GuestLimitTests : IDisposable
{
    private const long Mega = 1024 * 1024;

    private readonly TemporaryDirectory _directory = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task No_more_than_the_maximum_run_at_once()
    {
        GuestLimit[] processes = [Open(3), Open(3), Open(3)];
        int running = 0, most = 0;

        await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Task.Run(async () =>
        {
            using GuestLease lease = await processes[i % 3].AcquireAsync(Mega, Cancelled);
            int now = Interlocked.Increment(ref running);
            InterlockedMax(ref most, now);
            await Task.Delay(2, Cancelled);
            Interlocked.Decrement(ref running);
        }, Cancelled)));

        Assert.Equal(3, most);
        AssertNothingLeft();
    }

    [Fact]
    public async Task Who_came_first_is_first()
    {
        GuestLimit[] processes = [Open(1), Open(1), Open(1)];
        var order = new List<int>();
        GuestLease first = await processes[0].AcquireAsync(Mega, Cancelled);
        var waiting = new List<Task>();
        for (int i = 0; i < 9; i++)
        {
            int mine = i;
            ValueTask<GuestLease> place = processes[i % 3].AcquireAsync(Mega, Cancelled);
            waiting.Add(Task.Run(
                async () =>
                {
                    using GuestLease lease = await place;
                    order.Add(mine);
                },
                Cancelled));
        }

        Assert.Empty(order);
        Assert.True(processes[2].IsContended);
        first.Dispose();
        await Task.WhenAll(waiting);

        Assert.Equal(Enumerable.Range(0, 9), order);
        Assert.False(processes[2].IsContended);
        AssertNothingLeft();
    }

    [Fact]
    public async Task Nobody_overtakes_one_who_needs_more_memory()
    {
        GuestLimit limit = Open(10, memory: 100 * Mega);
        GuestLease small = await limit.AcquireAsync(60 * Mega, Cancelled);
        Task<GuestLease> large = limit.AcquireAsync(60 * Mega, Cancelled).AsTask();

        Assert.Null(limit.TryAcquire(Mega));
        Task<GuestLease> late = limit.AcquireAsync(Mega, Cancelled).AsTask();
        await Task.Delay(100, Cancelled);
        Assert.False(large.IsCompleted);
        Assert.False(late.IsCompleted);

        small.Dispose();
        using GuestLease one = await large;
        using GuestLease other = await late;
    }

    [Fact]
    public async Task There_is_always_room_for_one()
    {
        GuestLimit limit = Open(10, memory: Mega);
        using (await limit.AcquireAsync(1000 * Mega, Cancelled))
            Assert.Null(limit.TryAcquire(1));
        using GuestLease? again = limit.TryAcquire(1000 * Mega);
        Assert.NotNull(again);
    }

    [Fact]
    public void Trying_takes_what_is_free()
    {
        GuestLimit limit = Open(2);
        using GuestLease? one = limit.TryAcquire(Mega);
        using (GuestLease? two = limit.TryAcquire(Mega))
        {
            Assert.NotNull(two);
            Assert.Null(limit.TryAcquire(Mega));
        }

        using GuestLease? three = limit.TryAcquire(Mega);
        Assert.NotNull(three);
    }

    [Fact]
    public void Who_does_not_wait_counts_all_the_same()
    {
        GuestLimit limit = Open(1);
        GuestLease first = limit.Acquire(Mega);
        using (GuestLease over = limit.Acquire(Mega))
        {
            first.Dispose();
            Assert.Null(limit.TryAcquire(Mega));
        }

        using GuestLease? free = limit.TryAcquire(Mega);
        Assert.NotNull(free);
    }

    [Fact]
    public async Task Who_gives_up_waiting_leaves_nothing()
    {
        GuestLimit limit = Open(1);
        using (await limit.AcquireAsync(Mega, Cancelled))
        {
            using var cancellation = new CancellationTokenSource();
            Task<GuestLease> waiting = limit.AcquireAsync(Mega, cancellation.Token).AsTask();
            Assert.True(limit.IsContended);
            await cancellation.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
            Assert.False(limit.IsContended);
        }

        AssertNothingLeft();
    }

    [Theory]
    [InlineData("running")]
    [InlineData("waiting")]
    public async Task A_killed_process_gives_back_what_it_had(string state)
    {
        GuestLimit limit = Open(1);
        string file = Path.Combine(_directory["guests"], $"000000000001.{state}.{Mega}.4711");
        using Process holder = await HoldAsync(Path.GetFileName(file));
        Assert.Null(limit.TryAcquire(Mega));

        holder.Kill();
        await holder.WaitForExitAsync(Cancelled);

        using (await limit.AcquireAsync(Mega, Cancelled))
            Assert.False(File.Exists(file));
        AssertNothingLeft();
    }

    [Fact]
    public async Task One_that_is_stopped_while_it_waits_is_passed_over()
    {
        // As a process that is stopped, it has its lock and does nothing.
        using Process stopped = await HoldAsync($"000000000001.waiting.{Mega}.4711");
        try
        {
            var limit = new GuestLimit(new DirectoryLedger(_directory["guests"], TimeSpan.FromMilliseconds(200)), 1, Mega);
            using (await limit.AcquireAsync(Mega, Cancelled))
                Assert.Null(limit.TryAcquire(Mega));
            Assert.False(limit.IsContended);
            using GuestLease? free = limit.TryAcquire(Mega);
            Assert.NotNull(free);
        }
        finally
        {
            stopped.Kill();
        }
    }

    [Fact]
    public async Task Who_waits_shows_that_it_goes_on()
    {
        GuestLimit limit = Open(1);
        GuestLease first = await limit.AcquireAsync(Mega, Cancelled);
        Task<GuestLease> waiting = limit.AcquireAsync(Mega, Cancelled).AsTask();
        string file = Assert.Single(Directory.GetFiles(_directory["guests"], "*.waiting.*"));
        File.SetLastWriteTimeUtc(file, DateTime.UnixEpoch);

        await Guests.Eventually(() => File.GetLastWriteTimeUtc(file) > DateTime.UnixEpoch, "its file is touched");

        first.Dispose();
        using GuestLease granted = await waiting;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_that_is_stopped_in_the_gate_leaves_each_process_its_own_limit(bool waiting)
    {
        var limit = new GuestLimit(new DirectoryLedger(_directory["guests"], TimeSpan.FromMilliseconds(200)), 1, 100 * Mega);
        GuestLease? first = waiting ? limit.Acquire(Mega) : null;
        Task<GuestLease>? early = waiting ? limit.AcquireAsync(Mega, Cancelled).AsTask() : null;
        using Process stopped = await HoldAsync("gate");
        try
        {
            first?.Dispose();
            using GuestLease granted = await (early ?? limit.AcquireAsync(Mega, Cancelled).AsTask());
            Assert.Null(limit.TryAcquire(Mega));
            using GuestLease over = limit.Acquire(Mega);
        }
        finally
        {
            stopped.Kill();
        }

        AssertNothingLeft();
    }

    [Fact]
    public async Task Waiting_for_the_gate_can_be_cancelled()
    {
        var limit = new GuestLimit(new DirectoryLedger(_directory["guests"], TimeSpan.FromHours(1)), 1, Mega);
        using Process stopped = await HoldAsync("gate");
        try
        {
            using var cancellation = new CancellationTokenSource();
            Task waiting = Task.Run(() => limit.AcquireAsync(Mega, cancellation.Token).AsTask(), Cancelled);
            await Task.Delay(50, Cancelled);
            Assert.False(waiting.IsCompleted);
            await cancellation.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        }
        finally
        {
            stopped.Kill();
        }
    }

    [Theory]
    [InlineData("TryEnter")]
    [InlineData("Add")]
    [InlineData("Read")]
    [InlineData("Grant")]
    [InlineData("PlaceOf")]
    [InlineData("IsContended")]
    public async Task A_list_that_cannot_be_read_or_written_fails_nobody(string method)
    {
        GuestLimit New() => new(new BrokenLedger(method), 1, 100 * Mega);

        GuestLimit limit = New();
        using (await limit.AcquireAsync(Mega, Cancelled))
            Assert.Null(limit.TryAcquire(Mega));
        limit = New();
        using (limit.TryAcquire(Mega))
            Assert.Null(limit.TryAcquire(Mega));
        New().Acquire(Mega).Dispose();
        Assert.False(New().IsContended);
    }

    [Fact]
    public async Task A_directory_that_is_none_any_more_fails_nobody()
    {
        GuestLimit limit = Open(1);
        using (await limit.AcquireAsync(Mega, Cancelled))
        {
            ValueTask<GuestLease> waiting = limit.AcquireAsync(Mega, Cancelled);
            Directory.Delete(_directory["guests"], recursive: true);
            await File.WriteAllTextAsync(_directory["guests"], "in the way", Cancelled);
            using GuestLease other = await waiting;
            Assert.Null(limit.TryAcquire(Mega));
        }
    }

    [Fact]
    public async Task An_emptied_store_stops_nobody()
    {
        GuestLimit limit = Open(1);
        using (await limit.AcquireAsync(Mega, Cancelled))
        {
            ValueTask<GuestLease> waiting = limit.AcquireAsync(Mega, Cancelled);
            Directory.Delete(_directory["guests"], recursive: true);
            using GuestLease other = await waiting;
        }

        AssertNothingLeft();
    }

    [Fact]
    public async Task Where_nothing_can_be_written_the_limit_is_the_processs_own()
    {
        var limit = new GuestLimit(new MemoryLedger(), 1, 100 * Mega);
        GuestLease first = await limit.AcquireAsync(Mega, Cancelled);
        Assert.Null(limit.TryAcquire(Mega));
        Task<GuestLease> second = limit.AcquireAsync(Mega, Cancelled).AsTask();
        Assert.True(limit.IsContended);

        first.Dispose();

        using GuestLease granted = await second;
        Assert.False(limit.IsContended);
    }

    [Theory]
    [InlineData(null, 1, 2)]
    [InlineData("", 2, 4)]
    [InlineData(null, 64, 128)]
    [InlineData("1", 64, 1)]
    [InlineData("100", 2, 100)]
    public void The_number_follows_the_processors_unless_named(string? variable, int processors, int expected) =>
        Assert.Equal(expected, GuestLimit.ReadMaximum(variable, processors));

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("many")]
    [InlineData("99999999999")]
    public void A_number_that_is_none_is_refused(string variable)
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => GuestLimit.ReadMaximum(variable, 2));

        Assert.Contains($"UML_MAX_GUESTS is \"{variable}\"", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public async Task The_limit_of_this_machine_is_there()
    {
        Assert.InRange(GuestLimit.Shared.MaximumGuests, 1, int.MaxValue);
        Assert.InRange(GuestLimit.Shared.MaximumMemory, Mega, long.MaxValue);
        using GuestLease lease = await GuestLimit.Shared.AcquireAsync(Mega, Cancelled);
    }

    private static void InterlockedMax(ref int most, int now)
    {
        int seen = Volatile.Read(ref most);
        while (now > seen && Interlocked.CompareExchange(ref most, now, seen) is var before && before != seen)
            seen = before;
    }

    private GuestLimit Open(int guests, long memory = 1000 * Mega) => new(new DirectoryLedger(_directory["guests"]), guests, memory);

    // Another program that holds a lock, as another process of ours would.
    private async Task<Process> HoldAsync(string name)
    {
        string file = Path.Combine(Directory.CreateDirectory(_directory["guests"]).FullName, name);
        Process holder = Process.Start("flock", ["--no-fork", file, "sleep", "1000"]);
        await Guests.Eventually(() => FileLock.IsHeld(file), "the other process has its lock");
        return holder;
    }

    private void AssertNothingLeft() => Assert.Equal(["gate"], Directory.GetFiles(_directory["guests"]).Select(Path.GetFileName));
}

/// <summary>A ledger of which one part cannot be read or written.</summary>
internal sealed class BrokenLedger(string method) : GuestLedger
{
    private readonly MemoryLedger _inner = new();

    public override Gate? TryEnter()
    {
        Break();
        return new BrokenGate(this, _inner.TryEnter()!);
    }

    public override bool IsContended()
    {
        Break();
        return _inner.IsContended();
    }

    public override int PlaceOf(Entry entry)
    {
        Break();
        return _inner.PlaceOf(entry);
    }

    public override void Remove(Entry entry) => _inner.Remove(entry);

    private void Break([CallerMemberName] string caller = "")
    {
        if (caller == method)
            throw caller is "Add" or "PlaceOf" ? new UnauthorizedAccessException("it may not be written") : new IOException("no space left on device");
    }

    private sealed class BrokenGate(BrokenLedger ledger, Gate inner) : Gate
    {
        public override List<Entry> Read()
        {
            ledger.Break();
            return inner.Read();
        }

        public override Entry Add(long memory, bool waits)
        {
            ledger.Break();
            return inner.Add(memory, waits);
        }

        public override void Grant(Entry entry)
        {
            ledger.Break();
            inner.Grant(entry);
        }

        public override void Dispose() => inner.Dispose();
    }
}
