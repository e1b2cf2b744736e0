using Xunit;

namespace Uml.CI.TestHost.Cases;

/// <summary>Tells the parent which guest was started, so that it can look whether it has gone.</summary>
internal static class Trace
{
    public static void Write(Guest guest)
    {
        if (Environment.GetEnvironmentVariable("UML_TESTHOST_TRACE") is { Length: > 0 } file)
            File.AppendAllText(file, $"{guest.SupervisorProcessId} {guest.ProcessId} {guest.Directory}\n");
    }
}

public sealed class FreshCases : GuestTest
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Passes()
    {
        Trace.Write(Guest);
        Assert.True((await Guest.ExecAsync(["true"], Cancelled)).Success);
    }

    [Fact]
    public async Task Fails()
    {
        Trace.Write(Guest);
        await Guest.ExecAsync(["sh", "-c", "echo marker-of-this-test > /dev/kmsg"], Cancelled);
        Assert.Fail("as it should");
    }

    [Fact]
    public async Task Panics()
    {
        Trace.Write(Guest);
        await Guest.ExecAsync(["sh", "-c", "echo c > /proc/sysrq-trigger"], Cancelled);
    }

    // The token is not passed on, as newcomers do not.
#pragma warning disable xUnit1051
    [Fact(Timeout = 1000)]
    public async Task Runs_into_its_timeout()
    {
        Trace.Write(Guest);
        await Guest.ExecAsync(["sleep", "1000"]);
    }

    [Fact]
    public async Task Hangs()
    {
        Trace.Write(Guest);
        await Guest.ExecAsync(["sleep", "1000"]);
    }
#pragma warning restore xUnit1051
}

public sealed class NoSuchKernelCases : GuestTest
{
    [Fact]
    public void Never_runs()
    {
    }

    protected override GuestBuilder Configure(GuestBuilder builder) => builder.WithKernel("file:/no/such/kernel");
}

public sealed class BootFailureCases : GuestTest
{
    [Fact]
    public void Never_runs()
    {
    }

    protected override GuestBuilder Configure(GuestBuilder builder) => builder.WithMount("/etc", "/proc/no/mount/point");
}

[KernelLogOnFailure]
public sealed class SharedCases(GuestFixture fixture) : IClassFixture<GuestFixture>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public void Needs_no_guest()
    {
    }

    [Fact]
    public async Task Passes()
    {
        Trace.Write(fixture.Guest);
        await fixture.Guest.ExecAsync(["sh", "-c", "echo marker-of-another-test > /dev/kmsg"], Cancelled);
    }

    [Fact]
    public async Task Fails()
    {
        Trace.Write(fixture.Guest);
        await fixture.Guest.ExecAsync(["sh", "-c", "echo marker-of-this-test > /dev/kmsg"], Cancelled);
        Assert.Fail("as it should");
    }
}

public sealed class ConditionalCases
{
    [Fact(Skip = "no guests here", SkipUnless = nameof(GuestSupport.IsSupported), SkipType = typeof(GuestSupport))]
    public async Task Runs_where_guests_run()
    {
        await using Guest guest = await new GuestBuilder().WithRoot(GuestRoot.Empty).StartAsync(TestContext.Current.CancellationToken);
        Trace.Write(guest);
    }

    [Fact]
    public void Says_why_not() => Assert.SkipUnless(GuestSupport.IsSupported, GuestSupport.WhyNot);
}

/// <summary>A hundred tests with a guest each: what a fresh guest costs.</summary>
public sealed class ManyCases : GuestTest
{
    private static readonly string? Alone = Environment.GetEnvironmentVariable("UML_TESTHOST_GUESTS");
    private static readonly string? Waits = Environment.GetEnvironmentVariable("UML_TESTHOST_WAITS");

    public static IEnumerable<TheoryDataRow<int>> Numbers => Enumerable.Range(0, int.Parse(Environment.GetEnvironmentVariable("UML_TESTHOST_MANY") ?? "10")).Select(i => new TheoryDataRow<int>(i));

    [Theory]
    [MemberData(nameof(Numbers))]
    public async Task Passes(int number)
    {
        Trace.Write(Guest);
        // With room for one guest only, a second test that has one finds the file.
        using FileStream? alone = Alone is null ? null : new FileStream(Alone, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
        ExecResult result = await Guest.ExecAsync(["sh", "-c", $"test ! -e /mark; touch /tmp/mark-{number}; ls /tmp/mark-*"], TestContext.Current.CancellationToken);
        Assert.Equal($"/tmp/mark-{number}\n", result.StandardOutput);
    }

    public override async ValueTask InitializeAsync()
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        await base.InitializeAsync();
        if (Waits is not null)
            File.AppendAllText(Waits, $"{clock.Elapsed.TotalMilliseconds:F1}\n");
    }
}

/// <summary>Tests that change the current directory for a moment, when they have a guest and when they give it back.</summary>
public sealed class DirectoryCases : GuestTest
{
    private readonly string _usual = Directory.GetCurrentDirectory();

    public static IEnumerable<TheoryDataRow<int>> Numbers => Enumerable.Range(0, 6).Select(i => new TheoryDataRow<int>(i));

    [Theory]
    [MemberData(nameof(Numbers))]
    public async Task Passes(int number)
    {
        Trace.Write(Guest);
        Directory.SetCurrentDirectory("/");
        // The guests for the next ones are booted meanwhile.
        await Task.Delay(100, TestContext.Current.CancellationToken);
        ExecResult result = await Guest.ExecAsync(["pwd"], TestContext.Current.CancellationToken);
        Assert.Equal($"{_usual} {number}", $"{result.StandardOutput.Trim()} {number}");
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        Directory.SetCurrentDirectory(_usual);
    }
}

public sealed class KernelCases : GuestTest
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [KernelFact("debian:bookworm", "debian:sid")]
    public async Task Runs_on()
    {
        Trace.Write(Guest);
        Assert.Equal(KernelOfTest.Current, Guest.Options.Kernel);
        ExecResult result = await Guest.ExecAsync(["uname", "-r"], Cancelled);
        Assert.Equal(Guest.Kernel.Release, result.StandardOutput.Trim());
        TestContext.Current.TestOutputHelper!.WriteLine($"release {result.StandardOutput}");
    }

    [KernelTheory("debian:bookworm", "debian:sid")]
    [InlineData(1)]
    [InlineData(2)]
    public void Rows(int row) => Assert.InRange(row, 1, 2);

    [KernelFact("debian:sid")]
    public async Task Fails()
    {
        Trace.Write(Guest);
        await Guest.ExecAsync(["sh", "-c", "echo marker-of-this-test > /dev/kmsg; echo said; echo complained >&2; exit 3"], Cancelled);
        Assert.Fail("as it should");
    }

    [KernelFact("debian:sid", "debian:bookworm", Skip = "not today")]
    public void Skipped() => Assert.Fail("must not run");

    [KernelFact("debian:sid", Explicit = true)]
    public void Only_when_asked_for() => Assert.Fail("must not run");

#pragma warning disable xUnit1051 // The token is not passed on, as newcomers do not.
    [KernelFact("debian:sid", Timeout = 3000)]
    public async Task Runs_into_its_timeout() => await Guest.ExecAsync(["sleep", "1000"]);
#pragma warning restore xUnit1051
}

/// <summary>Kernels from a feed that the user's NuGet.Config names.</summary>
public sealed class PackagedCases : GuestTest
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [KernelFact("latest")]
    public Task Of_the_attribute() => RunsAsync(Guest);

    [Fact]
    public Task Of_the_environment() => RunsAsync(Guest);

    [Fact]
    public async Task Of_the_builder() => await RunsAsync(await StartGuestAsync(b => b.WithKernel("nuget:Uml.Kernel.Image@(5.0,)")));

    private static async Task RunsAsync(Guest guest)
    {
        Trace.Write(guest);
        Assert.Equal(guest.Kernel.Release, (await guest.ExecAsync(["uname", "-r"], Cancelled)).StandardOutput.Trim());
        TestContext.Current.TestOutputHelper!.WriteLine($"package {guest.Kernel.PackageVersion} for {guest.Kernel.Reference}");
    }
}

public sealed class NoRoomCases : GuestTest
{
    [Fact(Timeout = 2000)]
    public void Never_gets_its_guest() => Assert.Fail("must not run");
}

[Kernels("debian:bookworm", "debian:sid")]
public sealed class KernelClassCases : GuestTest
{
    [KernelFact]
    public void Of_the_class() => Assert.Equal(KernelOfTest.Current, Guest.Options.Kernel);

    [KernelFact("debian:sid")]
    public void Its_own() => Assert.Equal(KernelOfTest.Current, Guest.Options.Kernel);

    [Fact]
    public void Runs_once() => Assert.Fail("must not pass on one kernel only");
}

/// <summary>Several guests in one test, and those it shares.</summary>
[KernelLogOnFailure]
[Collection(nameof(CollectionGuest))]
public sealed class SeveralCases(GuestFixture classGuest, CollectionGuest collectionGuest) : GuestTest, IClassFixture<GuestFixture>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Have_nothing_in_common()
    {
        Guest second = await StartGuestAsync(), third = await StartGuestAsync(b => b.WithHostname("third"));
        Guest[] all = [Guest, second, third, classGuest.Guest, collectionGuest.Guest];
        Assert.Equal(5, all.Distinct().Count());
        for (int i = 0; i < all.Length; i++)
        {
            Trace.Write(all[i]);
            await all[i].ExecAsync(["touch", $"/tmp/mark-{i}"], Cancelled);
        }

        for (int i = 0; i < all.Length; i++)
        {
            ExecResult marks = await all[i].ExecAsync(["sh", "-c", "hostname; echo /tmp/mark-*"], Cancelled);
            Assert.Equal($"{(i == 2 ? "third" : i == 4 ? "collection" : "uml")}\n/tmp/mark-{i}\n", marks.StandardOutput);
        }
    }

    [Fact]
    public async Task Are_all_reported_on()
    {
        Guest second = await StartGuestAsync();
        Guest[] all = [Guest, second, classGuest.Guest, collectionGuest.Guest];
        for (int i = 0; i < all.Length; i++)
        {
            Trace.Write(all[i]);
            await all[i].ExecAsync(["sh", "-c", $"echo marker-{i} > /dev/kmsg"], Cancelled);
        }

        Assert.Fail("as it should");
    }
}

public sealed class CollectionGuest : GuestFixture
{
    protected override GuestBuilder Configure(GuestBuilder builder) => builder.WithHostname("collection");
}

[CollectionDefinition(nameof(CollectionGuest))]
public sealed class CollectionOfGuest : ICollectionFixture<CollectionGuest>;
