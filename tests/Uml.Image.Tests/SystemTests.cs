using System.Text;

namespace Uml.CI;

/// <summary>Guests with an init of their own.</summary>
public sealed class SystemTests
{
    private const string Suite = "debian:trixie#systemd";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static async Task<GuestBuilder> BuilderAsync(InitSystem init, string kernel = "debian:sid")
    {
        foreach (string program in (string[])["mmdebstrap", "sqfstar", "unshare"])
            Tools.Find(program);
        await new ImageStore().ResolveAsync(ImageReference.Parse(Suite), cancellationToken: Cancel);
        return new GuestBuilder().WithKernel(kernel).WithRoot(GuestRoot.Distribution(Suite)).WithInit(init).WithMemory("512M")
            .WithBootTimeout(TimeSpan.FromMinutes(1)).WithSystemTimeout(TimeSpan.FromMinutes(4)).WithCommandTimeout(TimeSpan.FromMinutes(2));
    }

    private static async Task<Guest> StartAsync(GuestBuilder builder)
    {
        Guest guest = await builder.StartAsync(Cancel);
        BootCount.Record();
        return guest;
    }

    private static async Task<string> ShellAsync(Guest guest, string script)
    {
        ExecResult result = await guest.ExecAsync(["sh", "-c", script], Cancel);
        Assert.True(result.Success, $"{script}: {result.Exit}\n{result.StandardOutput}{result.StandardError}");
        return result.StandardOutput.TrimEnd('\n');
    }

    private static void AddUnit(string directory, string name, string text)
    {
        Directory.CreateDirectory(Path.Combine(directory, "multi-user.target.wants"));
        File.WriteAllText(Path.Combine(directory, name), text, Encoding.UTF8);
        File.CreateSymbolicLink(Path.Combine(directory, "multi-user.target.wants", name), $"/etc/systemd/system/{name}");
    }

    [Theory]
    [InlineData("debian:bookworm")]
    [InlineData("debian:sid")]
    public async Task Systemd_comes_up_whole_and_the_agent_goes_on_beside_it(string kernel)
    {
        Guest guest = await StartAsync(await BuilderAsync(InitSystem.Systemd, kernel));
        string directory = guest.Directory;
        await using (guest)
        {
            Assert.True(guest.SystemState is { IsHealthy: true, State: "running" }, $"{guest.SystemState?.State}: {string.Join('\n', guest.SystemState?.FailedUnits ?? [])}");
            Assert.Equal("/usr/lib/systemd/systemd", await ShellAsync(guest, "readlink /proc/1/exe"));
            Assert.Equal("running", await ShellAsync(guest, "systemctl is-system-running"));
            Assert.Equal("active", await ShellAsync(guest, "systemctl is-active dbus.socket"));
            // Nobody else can get at the line, and what a command starts does not inherit what the agent ignores.
            Assert.Equal("gone", await ShellAsync(guest, "test -e /dev/ttyS0 || echo gone"));
            Assert.Equal("141", await ShellAsync(guest, "sh -c 'kill -s PIPE $$'; echo $?"));
            byte[] bytes = Encoding.UTF8.GetBytes(new string('ü', 200_000));
            GuestProcess cat = await guest.StartProcessAsync(new ExecOptions("cat") { RedirectStandardInput = true }, Cancel);
            Task writing = Task.Run(async () =>
            {
                await cat.StandardInput.WriteAsync(bytes, Cancel);
                await cat.StandardInput.DisposeAsync();
            }, Cancel);
            using var back = new MemoryStream();
            await cat.StandardOutput.CopyToAsync(back, Cancel);
            await writing;
            Assert.Equal(bytes, back.ToArray());
        }

        Assert.False(Directory.Exists(directory));
    }

    [Fact]
    public async Task What_fails_or_takes_its_time_is_told()
    {
        string units = Directory.CreateTempSubdirectory("uml-units").FullName;
        try
        {
            AddUnit(units, "broken.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo the reason; exit 3'\n");
            AddUnit(units, "late.service", "[Service]\nExecStartPre=/bin/sleep 1\nExecStart=/bin/sh -c 'touch /run/late; exec sleep 1000'\n");
            GuestBuilder builder = await BuilderAsync(InitSystem.Default);
            foreach (string unit in (string[])["broken.service", "late.service"])
                builder = builder.WithMount(Path.Combine(units, unit), $"/etc/systemd/system/{unit}");
            builder = builder.WithMount(Path.Combine(units, "multi-user.target.wants"), "/etc/systemd/system/multi-user.target.wants", MountMode.CopyOnWrite);
            await using Guest guest = await StartAsync(builder);
            Assert.Equal("degraded", guest.SystemState?.State);
            FailedUnit failed = Assert.Single(guest.SystemState!.FailedUnits);
            Assert.Equal(("broken.service", "exit-code"), (failed.Name, failed.Result));
            Assert.Contains("the reason", failed.Journal, StringComparison.Ordinal);

            await guest.WaitForUnitAsync("late.service", cancellationToken: Cancel);
            await guest.WaitForFileAsync("/run/late", cancellationToken: Cancel);
            GuestUnitException broken = await Assert.ThrowsAsync<GuestUnitException>(() => guest.WaitForUnitAsync("broken.service", cancellationToken: Cancel));
            Assert.Equal("broken.service is not active: it failed (exit-code)", broken.Summary);
            Assert.Contains("the reason", broken.Message, StringComparison.Ordinal);
            GuestUnitException missing = await Assert.ThrowsAsync<GuestUnitException>(() => guest.WaitForUnitAsync("no-such.service", cancellationToken: Cancel));
            Assert.Equal("no-such.service is not active: there is no such unit", missing.Summary);
            await ShellAsync(guest, "systemctl stop late.service");
            GuestUnitException stopped = await Assert.ThrowsAsync<GuestUnitException>(() => guest.WaitForUnitAsync("late.service", cancellationToken: Cancel));
            Assert.Contains("inactive", stopped.Summary, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(units, recursive: true);
        }
    }

    [Fact]
    public async Task A_guest_that_loses_its_agent_is_lost()
    {
        await using Guest guest = await StartAsync(await BuilderAsync(InitSystem.Systemd));
        GuestConnectionException e = await Assert.ThrowsAsync<GuestConnectionException>(() => guest.ExecAsync(["sh", "-c", "kill -9 -1; sleep 1000"], Cancel));
        Assert.Contains("The agent in the guest was killed", e.Summary, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_system_that_powers_off_ends_the_guest()
    {
        await using Guest guest = await StartAsync(await BuilderAsync(InitSystem.Systemd));
        // systemd asks the command to end before it ends the guest.
        ExecResult? result = null;
        Exception? lost = await Record.ExceptionAsync(async () => result = await guest.ExecAsync(["sh", "-c", "systemctl poweroff; sleep 1000"], Cancel));
        Assert.True(result?.Exit.Signal == 15 || lost is GuestConnectionException, $"{result?.Exit} {lost}");
        Assert.Equal(new GuestExit(0, null), await guest.WaitForExitAsync(Cancel));
        Assert.Contains(guest.KernelLog.Lines, l => l.Text.Contains("Power down", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_init_that_is_not_there_is_named()
    {
        GuestBootException e = await Assert.ThrowsAsync<GuestBootException>(async () => await StartAsync(await BuilderAsync(InitSystem.Program("/sbin/none"))));
        Assert.Contains("the guest's root has no init: /sbin/none is missing or cannot be executed", e.Summary, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("host")]
    [InlineData("empty")]
    public async Task A_root_that_is_no_system_is_refused(string root)
    {
        GuestBuilder builder = new GuestBuilder().WithRoot(root == "host" ? GuestRoot.Host : GuestRoot.Empty).WithInit(InitSystem.Systemd);
        ArgumentException e = await Assert.ThrowsAsync<ArgumentException>(() => builder.StartAsync(Cancel));
        Assert.Contains($"the {root} root is no system", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("systemd", "systemd")]
    [InlineData("init", "init")]
    [InlineData("/sbin/runit-init", "/sbin/runit-init")]
    public void Inits_are_named(string text, string name) => Assert.Equal(name, InitSystem.Parse(text).ToString());

    [Fact]
    public void Anything_else_is_no_init() => Assert.Contains("name systemd, init, or an absolute path", Assert.Throws<ArgumentException>(() => InitSystem.Parse("sysv")).Message, StringComparison.Ordinal);

    [Fact]
    public async Task Ports_and_files_are_waited_for_without_programs_in_the_guest()
    {
        await using Guest guest = await StartAsync(new GuestBuilder().WithRoot(GuestRoot.Host));
        GuestProcess server = await guest.StartProcessAsync(new ExecOptions("sh", "-c", "sleep 0.3; touch /run/there; exec perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(4711, INADDR_LOOPBACK)); listen(S, 1); sleep 1000'"), Cancel);
        await guest.WaitForFileAsync("/run/there", TimeSpan.FromMinutes(1), Cancel);
        await guest.WaitForPortAsync(4711, TimeSpan.FromMinutes(1), Cancel);
        GuestTimeoutException e = await Assert.ThrowsAsync<GuestTimeoutException>(() => guest.WaitForPortAsync(4712, TimeSpan.FromMilliseconds(200), Cancel));
        Assert.Contains("nobody listened at TCP port 4712 of the guest within 200 ms", e.Summary, StringComparison.Ordinal);
        await Assert.ThrowsAsync<GuestTimeoutException>(() => guest.WaitForFileAsync("/run/never", TimeSpan.FromMilliseconds(200), Cancel));
        await Assert.ThrowsAsync<ExecException>(() => guest.WaitForFileAsync("relative", TimeSpan.FromMinutes(1), Cancel));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => guest.WaitForPortAsync(0, cancellationToken: Cancel));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        stop.CancelAfter(100);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => guest.WaitForFileAsync("/run/never", cancellationToken: stop.Token));
        Assert.Equal("still here", await ShellAsync(guest, "echo still here"));
    }
}
