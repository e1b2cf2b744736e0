using System.Diagnostics;
using System.Text.Json;

namespace Uml.CI.Cli.Tests;

public sealed class FailureTests : ToolTests
{
    // A root device that never comes.
    private const string NeverReachesUserSpace = "initcall_blacklist=populate_rootfs rootwait root=/dev/nothing";

    [Fact]
    public async Task A_panic_is_told_with_its_stack()
    {
        Run run = await RunAsync("run", "--json", "run.json", "sh", "-c", "echo before; sleep 0.3; echo c > /proc/sysrq-trigger");
        Assert.True(run.ExitCode == 123, run.ToString());
        Assert.Equal("before\n", run.Output);
        Assert.Contains("sysrq triggered crash", run.Error, StringComparison.Ordinal);
        Assert.Contains("Call Trace:", run.Error, StringComparison.Ordinal);
        Assert.Contains("write_sysrq_trigger", run.Error, StringComparison.Ordinal);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(this["run.json"]));
        Assert.Equal("panic", json.RootElement.GetProperty("outcome").GetString());
        Assert.Contains(json.RootElement.GetProperty("reports").EnumerateArray(), r => r.GetProperty("kind").GetString() == "Panic");
        Assert.True(File.Exists(json.RootElement.GetProperty("kernelLog").GetString()));
    }

    [Fact]
    public async Task A_text_about_a_panic_is_none()
    {
        Run run = await RunAsync("run", "sh", "-c", "echo 'Kernel panic - not syncing: x'; echo 'Kernel panic - not syncing: y' > /dev/kmsg");
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal("Kernel panic - not syncing: x\n", run.Output);
    }

    [Fact]
    public async Task A_deadline_names_the_stuck_task()
    {
        var clock = Stopwatch.StartNew();
        Run run = await RunAsync("run", "--timeout", "2s", "--copy-out", "/etc/hostname:out", "--", "sh", "-c", "echo begun; sleep 60; true");
        Assert.True(run.ExitCode == 124, run.ToString());
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(50));
        Assert.Equal("begun\n", run.Output);
        Assert.Contains("2 s", run.Error, StringComparison.Ordinal);
        Assert.Contains("sleep 60", run.Error, StringComparison.Ordinal);
        Assert.Contains("nanosleep", run.Error, StringComparison.Ordinal);
        Assert.True(File.Exists(this["out"]), run.ToString());
    }

    [Fact]
    public async Task A_kernel_that_never_reaches_user_space_ends_with_its_log()
    {
        Run run = await RunAsync("run", "--boot-timeout", "3s", "--append", NeverReachesUserSpace, "--root", "empty", "--", "true");
        Assert.True(run.ExitCode == 124, run.ToString());
        Assert.Contains("3 s", run.Error, StringComparison.Ordinal);
        Assert.Contains("Waiting for root device", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_panic_at_boot_is_a_panic()
    {
        Run run = await RunAsync("run", "--append", "initcall_blacklist=populate_rootfs", "true");
        Assert.True(run.ExitCode == 123, run.ToString());
        Assert.Contains("Unable to mount root fs", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_guest_that_switches_itself_off_is_lost()
    {
        Run run = await RunAsync("run", "sh", "-c", "echo o > /proc/sysrq-trigger; sleep 20");
        Assert.True(run.ExitCode == 123, run.ToString());
        Assert.Contains("ended by itself", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--json")]
    [InlineData("--kernel-log")]
    public async Task A_file_that_cannot_be_written_is_told_before_the_boot(string option)
    {
        Run run = await RunAsync("run", option, "no such directory/file", "touch", "ran");
        Assert.Equal(125, run.ExitCode);
        Assert.Contains(option, run.Error, StringComparison.Ordinal);
        Assert.Contains("no such directory/file", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_report_that_cannot_be_finished_is_a_failure()
    {
        Run run = await RunAsync("run", "--json", "/dev/full", "true");
        Assert.Equal(125, run.ExitCode);
        Assert.Contains("--json", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_host_without_room_for_memory_says_what_to_do()
    {
        Run run = await RunAsync(["run", "true"], null, new Dictionary<string, string?> { ["UML_TMPDIR"] = "/proc" });
        Assert.Equal(125, run.ExitCode);
        Assert.Contains("/proc", run.Error, StringComparison.Ordinal);
        Assert.Contains("UML_TMPDIR", run.Error, StringComparison.Ordinal);
    }
}
