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
