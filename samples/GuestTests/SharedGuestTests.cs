using Uml.CI;
using Uml.CI.TestHost;
using Xunit;

namespace GuestTests;

/// <summary>A guest with 256 MB of memory and a copy of a directory of this project.</summary>
public sealed class DataGuest : GuestFixture
{
    protected override GuestBuilder Configure(GuestBuilder builder) => builder
        .WithMemory("256M")
        .WithArtifact(Path.Combine(AppContext.BaseDirectory, "data"), "/srv/data");
}

/// <summary>The tests of this class share one guest, which boots before the first and ends after the last.</summary>
[KernelLogOnFailure]
public sealed class SharedGuestTests(DataGuest fixture) : IClassFixture<DataGuest>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_was_copied_in_is_there()
    {
        ExecResult result = await fixture.Guest.ExecAsync(["cat", "/srv/data/greeting.txt"], Cancelled);

        Assert.Equal("Hello, guest\n", result.StandardOutput);
    }

    [Fact]
    public async Task Commands_have_deadlines()
    {
        var sleep = new ExecOptions("sleep", "60") { Timeout = TimeSpan.FromMilliseconds(200) };

        GuestTimeoutException timeout = await Assert.ThrowsAsync<GuestTimeoutException>(() => fixture.Guest.ExecAsync(sleep, Cancelled));

        Assert.Contains("sleep 60", timeout.Summary, StringComparison.Ordinal);
    }
}
