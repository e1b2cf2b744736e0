using System.Diagnostics;
using System.Text.Json;
using System.Xml.Linq;

namespace Uml.CI.Cli.Tests;

public sealed class BootChartTests : ToolTests
{
    [Theory]
    [InlineData("debian:sid", "host")]
    [InlineData("debian:sid", "empty")]
    [InlineData("debian:bookworm", "host")]
    public async Task A_boot_is_taken_apart(string kernel, string root)
    {
        Run run = await RunAsync("boot-chart", "--kernel", kernel, "--root", root, "--runs", "2", "-o", "boot.svg", "--json", "boot.json");

        Assert.True(run.ExitCode == 0, run.ToString());
        XDocument.Parse(File.ReadAllText(this["boot.svg"]));
        Assert.Contains("chart: boot.svg", run.Output, StringComparison.Ordinal);
        Assert.Contains("initcalls", run.Output, StringComparison.Ordinal);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(this["boot.json"]));
        Assert.Equal(2, json.RootElement.GetProperty("boots").GetArrayLength());
        Assert.Equal(2, json.RootElement.GetProperty("totalsWithoutTracing").GetArrayLength());
        foreach (JsonElement boot in json.RootElement.GetProperty("boots").EnumerateArray())
        {
            Assert.True(boot.GetProperty("live").GetBoolean());
            JsonElement[] calls = [.. boot.GetProperty("initcalls").EnumerateArray()];
            Assert.InRange(calls.Length, 200, 1000);
            Assert.Contains(calls, c => c.GetProperty("name").GetString() == "init_hostfs");
            Assert.All(calls, c => Assert.True(c.TryGetProperty("duration", out _), c.ToString()));
            string?[] phases = [.. boot.GetProperty("phases").EnumerateArray().Select(p => $"{p.GetProperty("actor")}: {p.GetProperty("name")}")];
            Assert.Subset(phases.ToHashSet(), ((string?[])["Host: find the kernel", "Supervisor: fork, confine, execute", "Kernel: before the initcalls", "Kernel: to user space", "Agent: start", "Agent: mount /proc, /sys, ...", "End: power off", "End: clear away"]).ToHashSet());
            Assert.Equal(root == "host", phases.Contains("Command: run"));

            // Initcalls lie between the kernel's execution and the end. (Before the agent's start, too, but on a busy host their lines are
            // read late, and then they seem to be later than they were.)
            double from = Start(boot, "load, look at the host"), to = Start(boot, "power off");
            Assert.All(calls.Where(c => !c.TryGetProperty("module", out _)), c => Assert.InRange(c.GetProperty("start").GetDouble(), from, to));
        }
    }

    [Fact]
    public async Task A_page_needs_nothing_else()
    {
        Run run = await RunAsync("boot-chart", "--root", "empty", "--runs", "1", "-o", "boot.html");

        Assert.True(run.ExitCode == 0, run.ToString());
        string page = File.ReadAllText(this["boot.html"]);
        Assert.StartsWith("<!DOCTYPE html>", page, StringComparison.Ordinal);
        Assert.Contains("init_hostfs", page, StringComparison.Ordinal);
        Assert.DoesNotContain("src=", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Standard_output_gets_the_image_alone()
    {
        Run run = await RunAsync("boot-chart", "--root", "empty", "--runs", "1", "-o", "-");

        Assert.True(run.ExitCode == 0, run.ToString());
        XDocument.Parse(run.Output);
        Assert.Contains("longest phases", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_panic_is_charted_and_its_status_given()
    {
        Run run = await RunAsync("boot-chart", "--append", "initcall_blacklist=populate_rootfs", "-o", "boot.svg", "--json", "boot.json");

        Assert.True(run.ExitCode == 123, run.ToString());
        Assert.Contains("panic", run.Error, StringComparison.Ordinal);
        Assert.Contains("Unable to mount root fs", XDocument.Parse(File.ReadAllText(this["boot.svg"])).ToString(), StringComparison.Ordinal);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(this["boot.json"]));
        Assert.StartsWith("Kernel panic", json.RootElement.GetProperty("boots")[0].GetProperty("failure").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_boot_that_never_ends_is_charted_up_to_its_deadline()
    {
        Run run = await RunAsync("boot-chart", "--append", "initcall_blacklist=populate_rootfs rootwait root=/dev/nothing", "--boot-timeout", "2s", "-o", "boot.svg");

        Assert.True(run.ExitCode == 124, run.ToString());
        Assert.Contains("slowest of", run.Output, StringComparison.Ordinal);
        XDocument.Parse(File.ReadAllText(this["boot.svg"]));
    }

    [Fact]
    public async Task A_kernel_that_was_told_to_be_quiet_is_charted_without_initcalls()
    {
        Run run = await RunAsync("boot-chart", "--runs", "1", "--append", "initcall_debug=0 loglevel=1", "--root", "empty", "-o", "boot.svg");

        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Contains("does not tell its initcalls", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_commands_status_is_the_tools()
    {
        Run run = await RunAsync("boot-chart", "-o", "boot.svg", "--", "sh", "-c", "echo why >&2; exit 7");

        Assert.True(run.ExitCode == 7, run.ToString());
        Assert.Contains("ended with status 7: why", run.Error, StringComparison.Ordinal);
        Assert.True(File.Exists(this["boot.svg"]));
    }

    [Fact]
    public async Task What_is_not_there_cannot_be_run()
    {
        Run run = await RunAsync("boot-chart", "-o", "boot.svg", "no-such-program");

        Assert.True(run.ExitCode == 127, run.ToString());
        Assert.Contains("no-such-program", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("missing/boot.svg", "cannot be written")]
    [InlineData("directory.svg", "is a directory")]
    [InlineData("boot.png", "must end in .svg or .html")]
    public async Task A_chart_that_cannot_be_written_is_refused_before_any_boot(string file, string complaint)
    {
        System.IO.Directory.CreateDirectory(this["directory.svg"]);

        Run run = await RunAsync("boot-chart", "--kernel", "debian:sid", "-o", file);

        Assert.True(run.ExitCode == 125, run.ToString());
        Assert.Contains(complaint, run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("many")]
    [InlineData("-1")]
    public async Task A_number_of_boots_must_be_one(string runs)
    {
        Run run = await RunAsync("boot-chart", "--runs", runs);

        Assert.True(run.ExitCode == 125, run.ToString());
        Assert.Contains("is not a number of boots", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_full_disk_is_said()
    {
        File.CreateSymbolicLink(this["boot.svg"], "/dev/full");

        Run run = await RunAsync("boot-chart", "--root", "empty", "--runs", "1", "-o", "boot.svg");

        Assert.True(run.ExitCode == 125, run.ToString());
        Assert.Contains("\"boot.svg\" of --output cannot be written", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_older_chart_is_replaced_when_the_new_one_is_complete()
    {
        File.WriteAllText(this["boot.svg"], "old");

        Run failed = await RunAsync("boot-chart", "--append", "uml_dir=x", "-o", "boot.svg");
        Assert.True(failed.ExitCode == 125, failed.ToString());
        Assert.Equal("old", File.ReadAllText(this["boot.svg"]));

        Run run = await RunAsync("boot-chart", "--root", "empty", "--runs", "1", "-o", "boot.svg");
        Assert.True(run.ExitCode == 0, run.ToString());
        XDocument.Parse(File.ReadAllText(this["boot.svg"]));
        Assert.Equal(["boot.svg"], System.IO.Directory.GetFiles(Directory).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Ctrl_C_ends_it_with_nothing_left()
    {
        const int interrupt = 2;
        using Process process = Start(["boot-chart", "--runs", "1000", "--root", "empty", "-o", "boot.svg"]);
        await Task.Delay(1500, Cancel);
        Assert.False(process.HasExited);
        Assert.Equal(0, kill(process.Id, interrupt));
        Run run = await EndAsync(process, null);

        Assert.True(run.ExitCode == 130, run.ToString());
    }

    private static double Start(JsonElement boot, string phase) =>
        boot.GetProperty("phases").EnumerateArray().Single(p => p.GetProperty("name").GetString() == phase).GetProperty("start").GetDouble();

    [System.Runtime.InteropServices.DllImport("libc")]
    private static extern int kill(int pid, int signal);
}
