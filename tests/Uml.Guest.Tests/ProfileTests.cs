using System.Globalization;

namespace Uml.CI.Tests;

/// <summary>
/// Each kernel profile does what it is for. The variable UML_PROFILE_KERNELS names a directory with a kernel for each, built by
/// <c>uml kernel build</c>: DIR/timetravel/linux and so on, or the executable itself as DIR/timetravel. A profile that is not there
/// is skipped, by name.
/// </summary>
public sealed class ProfileTests
{
    [Fact]
    public async Task Under_virtual_time_an_hour_of_sleep_takes_no_hour()
    {
        await using Guest guest = await Guests.StartAsync(Kernel("timetravel"), b => b.WithVirtualTime());
        // The command's deadline, two minutes of the host's time, is what a real hour would not meet.
        ExecResult result = await guest.Shell("date +%s; sleep 3600; date +%s");
        long[] seconds = [.. result.StandardOutput.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(s => long.Parse(s, CultureInfo.InvariantCulture))];
        Assert.InRange(seconds[1] - seconds[0], 3600, 3601);

        // Time stands still while nobody waits for anything: what passes between two commands is at most one timer's wait.
        ExecResult before = await guest.Shell("cut -d. -f1 /proc/uptime");
        await Task.Delay(TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken);
        ExecResult after = await guest.Shell("cut -d. -f1 /proc/uptime");
        Assert.InRange(long.Parse(after.StandardOutput, CultureInfo.InvariantCulture) - long.Parse(before.StandardOutput, CultureInfo.InvariantCulture), 0, 120);
    }

    [Fact]
    public async Task Counts_of_coverage_come_out_when_the_guest_ends()
    {
        using var directory = new TemporaryDirectory();
        string counts = directory["counts"];
        await using (Guest guest = await Guests.StartAsync(Kernel("coverage"), b => b.WithCoverage(counts)))
            Assert.Equal(0, (await guest.Shell("cat /etc/hostname")).ExitCode);
        string[] files = Directory.GetFiles(counts, "*.gcda", SearchOption.AllDirectories);
        // What a guest with the host's files cannot do without.
        Assert.Contains(files, f => f.EndsWith("/fs/hostfs/hostfs_kern.gcda", StringComparison.Ordinal));
        Assert.All(files, f => Assert.True(new FileInfo(f).Length > 0, f));
    }

    [Theory]
    [InlineData("SLAB_LINEAR_OVERFLOW", KernelReportKind.Kasan)]
    [InlineData("READ_AFTER_FREE", KernelReportKind.Kasan)]
    [InlineData("ARRAY_BOUNDS", KernelReportKind.Ubsan)]
    public async Task Debug_reports_what_is_planted(string mistake, KernelReportKind kind)
    {
        await using Guest guest = await Guests.StartAsync(Kernel("debug"));
        await guest.Shell($"mount -t debugfs none /sys/kernel/debug && echo {mistake} > /sys/kernel/debug/provoke-crash/DIRECT");
        Assert.Contains(guest.KernelLog.Reports, r => r.Kind == kind);
    }

    [Fact]
    public async Task The_kernels_own_tests_run_and_report()
    {
        await using Guest guest = await Guests.StartAsync(Kernel("kunit"), b => b.WithBootTimeout(TimeSpan.FromMinutes(5)));
        Assert.Contains(guest.KernelLog.Lines, l => l.Text.TrimStart().StartsWith("KTAP version", StringComparison.Ordinal));
        Assert.Contains(guest.KernelLog.Lines, l => l.Text.Contains("# example: ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Every_cpu_is_there()
    {
        await using Guest guest = await Guests.StartAsync(Kernel("smp"), b => b.WithCpus(2));
        Assert.Equal("2", (await guest.Shell("grep -c ^processor /proc/cpuinfo")).StandardOutput.Trim());
    }

    private static string Kernel(string profile)
    {
        string? directory = Environment.GetEnvironmentVariable("UML_PROFILE_KERNELS");
        string path = Path.Combine(directory ?? "", profile);
        if (Directory.Exists(path))
            path = Path.Combine(path, "linux");
        if (directory is null || !File.Exists(path))
            Assert.Skip($"no kernel with the profile {profile}: build one, and name the directory it is in in UML_PROFILE_KERNELS");
        return $"file:{path}";
    }
}
