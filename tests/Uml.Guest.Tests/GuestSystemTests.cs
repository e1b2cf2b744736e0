namespace Uml.CI.Tests;

/// <summary>Files, time, users and mounts in one line each.</summary>
public sealed class GuestSystemTests
{
    public static TheoryData<string> Kernels => [Guests.Old, Guests.New];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Kernels))]
    public async Task A_guest_on_the_hosts_files(string kernel)
    {
        await using Guest guest = await Guests.StartAsync(kernel);

        // A link on every Debian, and on most others.
        Assert.Equal(await File.ReadAllTextAsync("/etc/os-release", Cancelled), await guest.ReadTextAsync("/etc/os-release", Cancelled));
        Assert.Contains(await guest.GetUsersAsync(Cancelled), u => u is { Name: "root", UserId: 0, GroupId: 0, Home: "/root" });
        IReadOnlyList<GuestMountPoint> mounts = await guest.GetMountsAsync(Cancelled);
        Assert.Contains(mounts, m => m is { Path: "/", Type: "overlay", IsReadOnly: false });
        Assert.Contains(mounts, m => m is { Path: "/proc", Type: "proc" });

        await guest.SetTimeAsync(new DateTimeOffset(2033, 5, 18, 3, 33, 20, TimeSpan.Zero), Cancelled);
        Assert.InRange(await guest.GetTimeAsync(Cancelled), DateTimeOffset.FromUnixTimeSeconds(2_000_000_000), DateTimeOffset.FromUnixTimeSeconds(2_000_000_300));
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public async Task A_guest_with_nothing_in_it(string kernel)
    {
        using var share = new TemporaryDirectory();
        await using Guest guest = await Guests.StartAsync(kernel, b => b.WithRoot(GuestRoot.Empty).WithMount(share.Path, "/with space"));

        await guest.WriteTextAsync("/new/directory/text", "größer\n", Cancelled);
        Assert.Equal("größer\n", await guest.ReadTextAsync("/new/directory/text", Cancelled));
        byte[] bytes = new byte[300_000];
        new Random(1).NextBytes(bytes);
        await guest.WriteFileAsync("/new/directory/text", bytes, Cancelled);
        Assert.Equal(bytes, await guest.ReadFileAsync("/new/directory/text", Cancelled));
        await guest.WriteFileAsync("/empty", ReadOnlyMemory<byte>.Empty, Cancelled);
        Assert.Empty(await guest.ReadFileAsync("/empty", Cancelled));

        Assert.Contains("processor", await guest.ReadTextAsync("/proc/cpuinfo", Cancelled), StringComparison.Ordinal);
        Assert.Contains(await guest.GetMountsAsync(Cancelled), m => m is { Path: "/with space", Type: "hostfs", IsReadOnly: true });

        Assert.Contains("/none", (await Assert.ThrowsAsync<GuestException>(() => guest.ReadFileAsync("/none", Cancelled))).Message, StringComparison.Ordinal);
        Assert.Contains("is a directory", (await Assert.ThrowsAsync<GuestException>(() => guest.ReadFileAsync("/new", Cancelled))).Message, StringComparison.Ordinal);
        Assert.Contains("the program date", (await Assert.ThrowsAsync<GuestException>(() => guest.GetTimeAsync(Cancelled))).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<ArgumentException>(() => guest.WriteTextAsync("/directory/", "", Cancelled));
    }

    [Fact]
    public async Task Links_are_the_guests_own()
    {
        await using Guest guest = await Guests.StartAsync();
        await guest.Shell("mkdir -p /tmp/a/b; echo inside > /tmp/a/target; ln -s ../target /tmp/a/b/relative; ln -s /tmp/a/b/relative /tmp/a/absolute; ln -s loop /tmp/a/loop");

        Assert.Equal("inside\n", await guest.ReadTextAsync("/tmp/a/absolute", Cancelled));
        Assert.Contains("symbolic links", (await Assert.ThrowsAsync<GuestException>(() => guest.ReadFileAsync("/tmp/a/loop", Cancelled))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mount_is_read_whole()
    {
        GuestMountPoint mount = GuestSystem.ParseMount(@"36 35 98:0 /mnt1 /mnt\0402\134x rw,noatime master:1 shared:2 - ext3 /dev/root\303\274 rw,errors=continue");

        Assert.Equal(("/mnt 2\\x", "ext3", "/dev/rootü"), (mount.Path, mount.Type, mount.Source));
        Assert.Equal(["rw", "noatime", "errors=continue"], mount.Options);
        Assert.False(mount.IsReadOnly);
    }

    [Theory]
    [InlineData("root:x:0:0:root:/root:/bin/bash", "root")]
    [InlineData("+::::::", null)]
    [InlineData("# comment", null)]
    public void A_user_is_read_or_left_out(string line, string? name) => Assert.Equal(name, GuestSystem.ParseUser(line)?.Name);
}
