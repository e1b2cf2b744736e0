using System.Diagnostics;

namespace Uml.CI.Tests;

/// <summary>Every boot ends, in a result or in an error that says why; nothing of a guest is left.</summary>
public sealed class LifetimeTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(Guests.Old)]
    [InlineData("debian:trixie")]
    [InlineData(Guests.New)]
    public async Task An_empty_guest_holds_what_was_copied_in_and_nothing_else(string kernel)
    {
        string busybox = Path.Combine(AppContext.BaseDirectory, "uml-agent");
        Guest guest = await Guests.StartAsync(kernel, b => b.WithRoot(GuestRoot.Empty).WithArtifact(busybox, "/bin/tool"));
        // The agent is the one static program at hand; without a role it prints its usage and exits with 2.
        ExecResult result = await guest.ExecAsync(["tool"], Cancel);
        Assert.Equal(2, result.ExitCode);
        Assert.StartsWith("usage: uml-agent", result.StandardError, StringComparison.Ordinal);
        ExecException e = await Assert.ThrowsAsync<ExecException>(() => guest.ExecAsync(["sh"], Cancel));
        Assert.Equal(127, e.ExitCode);
        await guest.DisposeAndVerify();
    }

    [Theory]
    [InlineData(Guests.Old)]
    [InlineData(Guests.New)]
    public async Task A_panic_ends_the_command_with_the_kernels_words(string kernel)
    {
        Guest guest = await Guests.StartAsync(kernel);
        KernelPanicException e = await Assert.ThrowsAsync<KernelPanicException>(() => guest.Shell("echo c > /proc/sysrq-trigger"));
        Assert.Contains("sysrq triggered crash", e.Summary, StringComparison.Ordinal);
        Assert.Contains("Call Trace", e.KernelLogTail, StringComparison.Ordinal);
        Assert.Equal(KernelComplaintKind.Panic, e.Report!.Kind);
        await Assert.ThrowsAsync<KernelPanicException>(() => guest.ExecAsync(["true"], Cancel));
        await guest.DisposeAndVerify();
    }

    [Theory]
    [InlineData(Guests.Old)]
    [InlineData(Guests.New)]
    public async Task Words_of_a_panic_are_no_panic(string kernel)
    {
        Guest guest = await Guests.StartAsync(kernel);
        ExecResult result = await guest.Shell("echo 'Kernel panic - not syncing: just words' | tee /dev/kmsg /dev/console");
        Assert.Equal(0, result.ExitCode);
        Assert.Equal("Kernel panic - not syncing: just words\n", result.StandardOutput);
        await guest.DisposeAndVerify();
    }

    [Theory]
    [InlineData(Guests.Old)]
    [InlineData(Guests.New)]
    public async Task A_guest_that_powers_itself_off_is_lost_not_successful(string kernel)
    {
        Guest guest = await Guests.StartAsync(kernel);
        GuestConnectionException e = await Assert.ThrowsAsync<GuestConnectionException>(() => guest.Shell("echo 7 > /proc/exitcode; echo o > /proc/sysrq-trigger; sleep 100"));
        Assert.Contains("ended by itself", e.Summary, StringComparison.Ordinal);
        await guest.DisposeAndVerify();
    }

    [Theory]
    [InlineData(Guests.Old)]
    [InlineData(Guests.New)]
    public async Task A_kernel_that_finds_no_user_space_fails_with_its_log(string kernel)
    {
        // Without the initramfs there is no root to mount.
        KernelPanicException e = await Assert.ThrowsAsync<KernelPanicException>(
            () => Guests.StartAsync(kernel, b => b.WithKernelArguments("initcall_blacklist=populate_rootfs")));
        Assert.Contains("Unable to mount root fs", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Guests.Old)]
    [InlineData(Guests.New)]
    public async Task A_kernel_that_hangs_ends_at_the_boot_deadline(string kernel)
    {
        // A root device that never comes is waited for, for ever.
        GuestBootException e = await Assert.ThrowsAsync<GuestBootException>(() => Guests.StartAsync(
            kernel, b => b.WithKernelArguments("initcall_blacklist=populate_rootfs", "root=/dev/nowhere", "rootwait").WithBootTimeout(TimeSpan.FromSeconds(3))));
        Assert.Contains("did not reach its user space within 3 s", e.Summary, StringComparison.Ordinal);
        Assert.Contains("Waiting for root device", e.KernelLogTail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_console_that_is_not_there_is_said_by_the_agent()
    {
        GuestBootException e = await Assert.ThrowsAsync<GuestBootException>(() => Guests.StartAsync(configure: b => b.WithKernelArguments("initcall_blacklist=ssl_init")));
        Assert.Contains("/dev/ttyS0", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(60)]
    [InlineData(120)]
    public async Task A_start_that_is_cancelled_leaves_nothing(int milliseconds)
    {
        string name = $"uml-cancelled-{Guid.NewGuid():N}";
        using var cancel = new CancellationTokenSource(milliseconds);
        try
        {
            await using Guest guest = await Guest.StartAsync(Guests.Builder().Options with { Name = name }, cancel.Token);
        }
        catch (OperationCanceledException)
        {
        }

        // The name is the one thing a failed start leaves in our hands: what StartAsync started is gone when it returns.
        Assert.Empty(Guests.ProcessesOf(name, -1));
        Assert.Empty(Directory.GetDirectories(MemoryDirectory.Find(GuestOptions.MinimumMemory), name));
    }

    [Theory]
    [InlineData(Guests.Old)]
    [InlineData(Guests.New)]
    public async Task A_guest_with_fifty_processes_leaves_nothing(string kernel)
    {
        Guest guest = await Guests.StartAsync(kernel);
        await guest.Shell("for i in $(seq 50); do sleep 1000 & done >/dev/null 2>&1");
        await guest.DisposeAndVerify();
    }

    [Fact]
    public async Task Thirty_two_guests_at_once_all_succeed()
    {
        Guest[] guests = await Task.WhenAll(Enumerable.Range(0, 32).Select(i => Guests.StartAsync(configure: b => b.WithHostname($"guest{i}"))));
        string[] names = await Task.WhenAll(guests.Select(async g => (await g.Shell("cat /proc/sys/kernel/hostname")).StandardOutput.Trim()));
        Assert.Equal(Enumerable.Range(0, 32).Select(i => $"guest{i}"), names);
        await Task.WhenAll(guests.Select(g => g.DisposeAndVerify()));
    }

    [Fact]
    public async Task The_clock_starts_where_it_was_told()
    {
        Guest guest = await Guests.StartAsync(configure: b => b.WithClock(new DateTimeOffset(2001, 2, 3, 4, 5, 6, TimeSpan.Zero)));
        Assert.StartsWith("2001-02-03 04:0", (await guest.ExecAsync(["date", "-u", "+%F %T"], Cancel)).StandardOutput, StringComparison.Ordinal);
        await guest.DisposeAndVerify();
    }

    [Fact]
    public async Task The_kernel_log_is_whole_in_its_file_and_streams()
    {
        using var host = new TemporaryDirectory();
        Guest guest = await Guests.StartAsync(configure: b => b.WithKernelLog(host["kernel.log"]));
        await guest.Shell("for i in $(seq 2000); do echo line $i > /dev/kmsg; done");
        Task<int> counting = Task.Run(async () =>
        {
            int lines = 0;
            await foreach (KernelLogLine line in guest.KernelLog.ReadLinesAsync(Cancel))
                lines += line.Text.StartsWith("line ", StringComparison.Ordinal) && line.KernelTime is not null ? 1 : 0;
            return lines;
        }, Cancel);
        await guest.DisposeAndVerify();
        Assert.Equal(2000, await counting);
        string[] file = await File.ReadAllLinesAsync(host["kernel.log"], Cancel);
        Assert.Equal(2000, file.Count(l => l.Contains("] line ", StringComparison.Ordinal)));
        Assert.Contains(file, l => l.Contains("Linux version " + guest.Kernel.Release, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_kernel_warning_is_reported_and_a_printed_one_is_not()
    {
        Guest guest = await Guests.StartAsync();
        await guest.Shell("echo 'WARNING: CPU: 0 PID: 1 at mm/x.c:1 foo+0x1/0x2'; echo 'BUG: KASAN: words' > /dev/console");
        Assert.Empty(guest.KernelLog.Complaints);
        await guest.DisposeAndVerify();
    }

    [Theory]
    [InlineData(Guests.Old)]
    [InlineData(Guests.New)]
    public async Task A_guest_that_is_disposed_of_powers_off(string kernel)
    {
        using var host = new TemporaryDirectory();
        Guest guest = await Guests.StartAsync(kernel, b => b.WithMount(host.Path, "/mnt", MountMode.ReadWrite));
        await guest.Shell("echo kept > /mnt/file");
        await guest.DisposeAndVerify();
        Assert.Equal(new GuestExit(0, null), await guest.WaitForExitAsync(Cancel));
        Assert.Contains("reboot: ", guest.KernelLog.ToString(), StringComparison.Ordinal);
        Assert.Equal("kept\n", await File.ReadAllTextAsync(host["file"], Cancel));
    }

    [Fact]
    public async Task A_log_that_cannot_be_written_stops_nobody()
    {
        Guest guest = await Guests.StartAsync(configure: b => b.WithKernelLog("/dev/full"));
        await Assert.ThrowsAsync<KernelPanicException>(() => guest.Shell("echo c > /proc/sysrq-trigger").WaitAsync(TimeSpan.FromSeconds(30), Cancel));
        await guest.DisposeAndVerify();
    }

    [Fact]
    public async Task A_disposed_guest_says_so()
    {
        Guest guest = await Guests.StartAsync();
        await guest.DisposeAndVerify();
        await guest.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => guest.ExecAsync(["true"], Cancel));
    }

    [Fact]
    public async Task A_command_that_runs_while_the_guest_is_taken_down_ends()
    {
        Guest guest = await Guests.StartAsync();
        Task<ExecResult> running = guest.ExecAsync(["sleep", "1000"], Cancel);
        await Task.Delay(50, Cancel);
        await guest.DisposeAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => running.WaitAsync(TimeSpan.FromSeconds(20), Cancel));
        Assert.IsNotType<TimeoutException>(running.Exception?.InnerException);
    }

    [Theory]
    [InlineData(Guests.Old)]
    [InlineData(Guests.New)]
    public async Task Killing_the_kernel_from_outside_is_a_lost_guest_and_leaves_nothing(string kernel)
    {
        Guest guest = await Guests.StartAsync(kernel);
        Task<ExecResult> running = guest.Shell("for i in $(seq 50); do sleep 1000 & done; wait");
        await Task.Delay(300, Cancel);
        using (var process = Process.GetProcessById(guest.ProcessId))
            process.Kill();
        GuestConnectionException e = await Assert.ThrowsAsync<GuestConnectionException>(() => running);
        Assert.Contains("killed by signal 9", e.Summary, StringComparison.Ordinal);
        await guest.DisposeAndVerify();
    }

    [Theory]
    [InlineData(Guests.Old)]
    [InlineData(Guests.New)]
    public async Task Killing_the_supervisor_is_a_lost_guest_and_leaves_nothing(string kernel)
    {
        Guest guest = await Guests.StartAsync(kernel);
        Task<ExecResult> running = guest.Shell("for i in $(seq 50); do sleep 1000 & done; wait");
        await Task.Delay(300, Cancel);
        using (var process = Process.GetProcessById(guest.SupervisorProcessId))
            process.Kill();
        await Assert.ThrowsAsync<GuestConnectionException>(() => running);
        await Guests.Eventually(() => !Directory.Exists(guest.Directory) && Guests.ProcessesOf(guest.Directory, guest.ProcessId).Count == 0, "nothing of the guest is left");
        await guest.DisposeAndVerify();
    }
}
