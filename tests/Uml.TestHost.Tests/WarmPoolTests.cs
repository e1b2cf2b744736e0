using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Uml.CI.TestHost;

/// <summary>The pool itself, with a limit of its own.</summary>
public sealed class WarmPoolTests : IAsyncLifetime
{
    private static readonly GuestOptions Empty = new GuestBuilder().WithRoot(GuestRoot.Empty).WithMemory("256M").Options;

    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("uml-warm-tests-");
    private GuestLimit _limit = null!;
    private WarmPool _pool = null!;

    public static TheoryData<string> Unfit => ["clock", "file", "listener", "logger", "progress"];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync()
    {
        _limit = Limit(4);
        _pool = new WarmPool(_limit);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _pool.CloseAsync();
        // Nothing counts any more, whatever the test did.
        Assert.Equal(["gate"], Directory.GetFiles(_scratch.FullName, "*", SearchOption.AllDirectories).Select(Path.GetFileName).Where(f => f != "artifact"));
        _scratch.Delete(recursive: true);
    }

    [Fact]
    public async Task A_guest_is_booted_ahead_and_taken()
    {
        Assert.Null(await _pool.TakeAsync(new(Empty), Cancelled));
        _pool.BootAhead(new(Empty), GetType());
        await WarmAsync();

        (Guest guest, GuestLease lease) = Assert.NotNull(await _pool.TakeAsync(new(Empty), Cancelled));

        Assert.True(guest.IsAlive);
        Assert.Equal(Empty, guest.Options);
        await guest.DisposeAsync();
        lease.Dispose();
        _pool.Ended(new(Empty));
    }

    [Fact]
    public async Task Other_options_are_another_guest()
    {
        await _pool.TakeAsync(new(Empty), Cancelled);
        _pool.BootAhead(new(Empty), GetType());
        await WarmAsync();

        Assert.Null(await _pool.TakeAsync(new(Empty with { Hostname = "other" }), Cancelled));
        Assert.True(_pool.Count > 0);
    }

    [Fact]
    public async Task Artifacts_are_those_of_the_time_of_taking()
    {
        string file = Path.Combine(_scratch.FullName, "artifact");
        await File.WriteAllTextAsync(file, "before", Cancelled);
        GuestOptions options = new GuestBuilder(Empty).WithArtifact(file, "/artifact").Options;
        await _pool.TakeAsync(new(options), Cancelled);
        _pool.BootAhead(new(options), GetType());
        await WarmAsync();
        await File.WriteAllTextAsync(file, "after", Cancelled);

        (Guest guest, GuestLease lease) = Assert.NotNull(await _pool.TakeAsync(new(options), Cancelled));
        using (lease)
        {
            await using (guest)
            {
                await guest.CopyOutAsync("/artifact", file, Cancelled);
                Assert.Equal("after", await File.ReadAllTextAsync(file, Cancelled));
                Assert.Equal(options, guest.Options);
            }
        }
    }

    [Fact]
    public async Task A_missing_artifact_is_the_tests_own_error()
    {
        await _pool.TakeAsync(new(Empty), Cancelled);
        _pool.BootAhead(new(Empty), GetType());
        await WarmAsync();

        await Assert.ThrowsAsync<ArgumentException>(() => _pool.TakeAsync(new(new GuestBuilder(Empty).WithArtifact("/no/such/file", "/x").Options), Cancelled));
    }

    [Fact]
    public async Task A_guest_that_died_is_not_handed_over()
    {
        await _pool.TakeAsync(new(Empty), Cancelled);
        _pool.BootAhead(new(Empty), GetType());
        await WarmAsync();
        Guest[] guests = [.. _pool.Ready];
        foreach (Guest guest in guests)
            System.Diagnostics.Process.GetProcessById(guest.SupervisorProcessId).Kill();
        await EventuallyAsync(() => guests.All(g => !g.IsAlive), "they are dead");

        Assert.Null(await _pool.TakeAsync(new(Empty), Cancelled));
    }

    [Fact]
    public async Task A_boot_ahead_that_fails_fails_nobody()
    {
        DirectoryInfo share = _scratch.CreateSubdirectory("share");
        GuestOptions options = new GuestBuilder(Empty).WithMount(share.FullName, "/share").Options;
        await _pool.TakeAsync(new(options), Cancelled);
        share.Delete();
        _pool.BootAhead(new(options), GetType());

        await EventuallyAsync(() => _pool.Count == 0 && _limit.TryAcquire(1) is { } lease && Dispose(lease), "the failed boot is struck out");
        Assert.Null(await _pool.TakeAsync(new(options), Cancelled));
    }

    [Fact]
    public async Task Who_waits_gets_what_the_pool_has()
    {
        using GuestLease one = _limit.Acquire(1), two = _limit.Acquire(1);
        await _pool.TakeAsync(new(Empty), Cancelled);
        _pool.BootAhead(new(Empty), GetType());
        await EventuallyAsync(() => _pool.Count == 2, "two are being booted");

        using GuestLease third = await _limit.AcquireAsync(1, Cancelled);
        Assert.False(_limit.IsContended);
    }

    [Fact]
    public async Task Nothing_is_booted_ahead_where_there_is_no_room()
    {
        using GuestLease one = _limit.Acquire(1), two = _limit.Acquire(1), three = _limit.Acquire(1), four = _limit.Acquire(1);
        await _pool.TakeAsync(new(Empty), Cancelled);
        _pool.BootAhead(new(Empty), GetType());
        await Task.Delay(100, Cancelled);

        Assert.Equal(0, _pool.Count);
    }

    [Fact]
    public async Task A_class_whose_tests_differ_boots_ahead_for_its_first_only()
    {
        foreach (string name in new[] { "a", "b", "c" })
        {
            GuestOptions options = Empty with { Hostname = name };
            Assert.Null(await _pool.TakeAsync(new(options), Cancelled));
            _pool.BootAhead(new(options), GetType());
            _pool.Ended(new(options));
        }

        await Task.Delay(200, Cancelled);
        Assert.All(_pool.Ready, g => Assert.Equal("a", g.Options.Hostname));
    }

    [Theory]
    [MemberData(nameof(Unfit))]
    public void What_only_its_own_test_may_hear_is_not_booted_ahead(string what)
    {
        GuestOptions options = what switch
        {
            "clock" => Empty with { Clock = DateTimeOffset.UnixEpoch },
            "file" => Empty with { KernelLogFile = "/x" },
            "listener" => Empty with { KernelLogListener = _ => { } },
            "logger" => Empty with { Logger = new NullLogger<WarmPoolTests>() },
            _ => Empty with { KernelResolution = new KernelResolveOptions { Progress = new Progress<KernelProgress>() } },
        };

        Assert.True(WarmPool.CanHold(Empty));
        Assert.False(WarmPool.CanHold(options));
    }

    [Fact]
    public async Task A_failure_of_the_pools_own_gives_back_what_it_has_and_is_not_the_end()
    {
        var ledger = new FaultyLedger();
        var limit = new GuestLimit(ledger, 4, 8L << 30);
        _pool = new WarmPool(limit);
        await _pool.TakeAsync(new(Empty), Cancelled);
        _pool.BootAhead(new(Empty), GetType());
        await WarmAsync();

        ledger.Fails = true;
        await EventuallyAsync(() => _pool.Count == 0 && ledger.Count == 0, "nothing is left");
        ledger.Fails = false;
        _pool.Ended(new(Empty));
        await _pool.TakeAsync(new(Empty), Cancelled);
        _pool.BootAhead(new(Empty), GetType());
        await WarmAsync();
    }

    [Fact]
    public async Task Closing_ends_everything()
    {
        await _pool.TakeAsync(new(Empty), Cancelled);
        _pool.BootAhead(new(Empty), GetType());
        await WarmAsync();
        Guest[] guests = [.. _pool.Ready];
        Assert.NotEmpty(guests);

        await _pool.CloseAsync();

        Assert.All(guests, g => Assert.False(Directory.Exists(g.Directory)));
        _pool.BootAhead(new(Empty), GetType());
        Assert.Equal(0, _pool.Count);
    }

    private static bool Dispose(GuestLease lease)
    {
        lease.Dispose();
        return true;
    }

    private static async Task EventuallyAsync(Func<bool> condition, string what)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(30), $"still not: {what}");
            await Task.Delay(5, Cancelled);
        }
    }

    private GuestLimit Limit(int guests) => new(new DirectoryLedger(Path.Combine(_scratch.FullName, "guests")), guests, 8L << 30);

    private Task WarmAsync() => EventuallyAsync(() => _pool.Ready.Any() && _pool.Ready.Count() == _pool.Count, "a guest is warm");
}

/// <summary>A ledger that can be made to fail in a way nobody foresaw.</summary>
internal sealed class FaultyLedger : GuestLedger
{
    private readonly MemoryLedger _inner = new();

    public bool Fails { get; set; }

    public int Count
    {
        get
        {
            using Gate gate = _inner.Enter();
            return gate.Read().Count;
        }
    }

    public override Gate? TryEnter() => _inner.TryEnter();

    public override bool IsContended() => Fails ? throw new InvalidOperationException("as it should") : _inner.IsContended();

    public override int PlaceOf(Entry entry) => _inner.PlaceOf(entry);

    public override void Remove(Entry entry) => _inner.Remove(entry);
}
