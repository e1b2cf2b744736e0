using Uml.CI;
using Uml.CI.TestHost;
using Xunit;

namespace GuestTests;

/// <summary>Tests of more than one guest, and of what a guest holds.</summary>
public sealed class SeveralGuestsTests : GuestTest
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Guests_have_clocks_of_their_own()
    {
        Guest other = await StartGuestAsync(b => b.WithHostname("other"));

        await other.SetTimeAsync(new DateTimeOffset(2038, 1, 19, 3, 14, 7, TimeSpan.Zero), Cancelled);

        Assert.Equal(2038, (await other.GetTimeAsync(Cancelled)).Year);
        Assert.NotEqual(2038, (await Guest.GetTimeAsync(Cancelled)).Year);
    }

    [Fact]
    public async Task Files_and_users_take_a_line()
    {
        await Guest.WriteTextAsync("/etc/motd", "Hello, guest\n", Cancelled);

        Assert.Equal("Hello, guest\n", await Guest.ReadTextAsync("/etc/motd", Cancelled));
        Assert.Contains(await Guest.GetUsersAsync(Cancelled), u => u.Name == "root");
    }
}
