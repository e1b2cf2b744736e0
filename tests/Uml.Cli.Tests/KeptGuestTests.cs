using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Uml.CI.Cli.Tests;

public sealed class KeptGuestTests : ToolTests
{
    private const int Kill = 9, Terminate = 15;

    [Fact]
    public async Task A_guest_stays_for_many_commands()
    {
        Run start = await RunAsync("guest", "start", "--name", "one");
        Assert.Equal((0, "one\n", ""), (start.ExitCode, start.Output, start.Error));
        Run first = await RunAsync("guest", "exec", "one", "--", "sh", "-c", "echo kept > /tmp/file; uname -r");
        Assert.True(first.ExitCode == 0, first.ToString());
        Run second = await RunAsync("guest", "exec", "one", "cat", "/tmp/file");
        Assert.Equal((0, "kept\n"), (second.ExitCode, second.Output));

        JsonElement listed = Assert.Single(await ListAsync());
        Assert.Equal(("one", "running", "debian:sid"), (listed.GetProperty("name").GetString(), listed.GetProperty("state").GetString(), listed.GetProperty("kernel").GetString()));
        Assert.Equal(first.Output.Trim(), listed.GetProperty("release").GetString());
        Run log = await RunAsync("guest", "log", "one");
        Assert.Contains("Linux version " + first.Output.Trim(), log.Output, StringComparison.Ordinal);

        Run stop = await RunAsync("guest", "stop", "one");
        Assert.Equal((0, "", ""), (stop.ExitCode, stop.Output, stop.Error));
        AssertNothingIsKept();
    }

    [Fact]
    public async Task Streams_and_exit_statuses_are_the_commands_own()
    {
        await StartAsync();
        try
        {
            byte[] data = new byte[3_000_000];
            new Random(1).NextBytes(data);
            Run copied = await RunAsync(["guest", "exec", "default", "sh", "-c", "cat; echo done >&2"], data);
            Assert.True(copied.OutputBytes.AsSpan().SequenceEqual(data), $"{copied.OutputBytes.Length} bytes, equal {copied.OutputBytes.AsSpan().CommonPrefixLength(data)}: {copied.Error}");
            Assert.Equal("done\n", copied.Error);
            Assert.Equal(42, (await RunAsync("guest", "exec", "default", "sh", "-c", "exit 42")).ExitCode);
            Assert.Equal(128 + Kill, (await RunAsync("guest", "exec", "default", "sh", "-c", "kill -9 $$")).ExitCode);
            Run missing = await RunAsync("guest", "exec", "default", "no-such-program");
            Assert.Equal(127, missing.ExitCode);
            Assert.Contains("no-such-program", missing.Error, StringComparison.Ordinal);
            Run late = await RunAsync("guest", "exec", "--timeout", "500ms", "default", "sleep", "50");
            Assert.Equal(124, late.ExitCode);
            Assert.Contains("did not end within 500 ms", late.Error, StringComparison.Ordinal);

            // No more of the input than the command wants.
            Run head = await RunAsync(["guest", "exec", "default", "head", "-c", "3"], data);
            Assert.Equal((0, 3), (head.ExitCode, head.OutputBytes.Length));

            Run closed = await ShellAsync("uml guest exec default yes | head -n 1; echo ${PIPESTATUS[0]}");
            Assert.Equal("y\n141\n", closed.Output);
        }
        finally
        {
            await StopAsync();
        }
    }

    [Fact]
    public async Task Environment_and_directory_are_those_of_each_command()
    {
        await StartAsync("--env", "OF_GUEST=1", "--mount", $"{Directory.Replace(":", "\\:", StringComparison.Ordinal)}:{Directory}:rw");
        try
        {
            Run run = await RunAsync(["guest", "exec", "-e", "GIVEN=2", "default", "sh", "-c", "echo $OF_GUEST $GIVEN $FROM_CALLER; pwd; echo there > file"], null, new Dictionary<string, string?> { ["FROM_CALLER"] = "3" });
            Assert.Equal((0, $"1 2 3\n{Directory}\n"), (run.ExitCode, run.Output));
            Assert.Equal("there\n", File.ReadAllText(this["file"]));
            Assert.Equal("/usr\n", (await RunAsync("guest", "exec", "-w", "/usr", "default", "pwd")).Output);
        }
        finally
        {
            await StopAsync();
        }
    }

    [Fact]
    public async Task Signals_go_to_the_command_and_its_callers_end_is_its_own()
    {
        await StartAsync();
        try
        {
            using (Process process = Start(["guest", "exec", "default", "sh", "-c", "trap 'echo cleaning; exit 7' TERM; echo ready; while :; do sleep 0.1; done"]))
            {
                await ReadyAsync(process);
                Signal(process, Terminate);
                Run run = await EndAsync(process, null);
                Assert.Equal((7, "cleaning\n"), (run.ExitCode, run.Output));
            }

            using (Process process = Start(["guest", "exec", "default", "sh", "-c", "echo ready; exec sleep 1234"]))
            {
                await ReadyAsync(process);
                Signal(process, Kill);
                await EndAsync(process, null);
            }

            Run left = await RunAsync("guest", "exec", "default", "sh", "-c", "for i in $(seq 100); do grep -lz 1234 /proc/[0-9]*/cmdline 2>/dev/null | grep -v /$$/ | xargs -r -n1 cat 2>/dev/null | grep -qz ^sleep || exit 0; sleep 0.1; done; exit 1");
            Assert.True(left.ExitCode == 0, left.ToString());
        }
        finally
        {
            await StopAsync();
        }
    }

    [Fact]
    public async Task A_command_that_nobody_listens_to_holds_up_no_other()
    {
        await StartAsync();
        try
        {
            using Process stalled = Start(["guest", "exec", "default", "sh", "-c", "echo ready; exec yes"]);
            await ReadyAsync(stalled);
            Run other = await RunAsync("guest", "exec", "default", "echo", "through");
            Assert.Equal("through\n", other.Output);
            Signal(stalled, Kill);
            await EndAsync(stalled, null);
        }
        finally
        {
            await StopAsync();
        }
    }

    [Fact]
    public async Task A_name_is_given_once()
    {
        await StartAsync();
        try
        {
            Run again = await RunAsync("guest", "start");
            Assert.Equal(125, again.ExitCode);
            Assert.Equal("uml: there is a guest \"default\" already: end it with \"uml guest stop default\", or give this one another --name\n", again.Error);
            Assert.Equal(0, (await RunAsync("guest", "exec", "default", "true")).ExitCode);
        }
        finally
        {
            await StopAsync();
        }
    }

    [Fact]
    public async Task A_guest_that_panicked_says_so_until_it_is_started_anew()
    {
        await StartAsync();
        Run panic = await RunAsync("guest", "exec", "default", "sh", "-c", "echo before; sleep 1; echo c > /proc/sysrq-trigger; sleep 60");
        Assert.True(panic.ExitCode == 123, panic.ToString());
        Assert.Equal("before\n", panic.Output);
        Assert.Contains("sysrq triggered crash", panic.Error, StringComparison.Ordinal);

        Run after = await RunAsync("guest", "exec", "default", "true");
        Assert.True(after.ExitCode == 123, after.ToString());
        Assert.StartsWith("uml: the guest \"default\" is no more: its kernel panicked", after.Error, StringComparison.Ordinal);
        Assert.Contains("sysrq triggered crash", after.Error, StringComparison.Ordinal);
        Assert.Equal("ended", Assert.Single(await ListAsync()).GetProperty("state").GetString());
        Run log = await RunAsync("guest", "log", "default");
        Assert.Contains("Kernel panic", log.Output, StringComparison.Ordinal);

        await StartAsync();
        Assert.Equal(0, (await RunAsync("guest", "exec", "default", "true")).ExitCode);
        await StopAsync();
    }

    [Fact]
    public async Task When_the_process_that_keeps_a_guest_is_killed_nothing_of_it_is_left()
    {
        await StartAsync();
        using Process running = Start(["guest", "exec", "default", "sh", "-c", "echo ready; exec sleep 60"]);
        await ReadyAsync(running);
        int owner = Assert.Single(await ListAsync()).GetProperty("processId").GetInt32();
        using (var process = Process.GetProcessById(owner))
            process.Kill();
        Run run = await EndAsync(running, null);
        Assert.True(run.ExitCode == 123, run.ToString());
        Assert.StartsWith("uml: the guest \"default\" is no more: the process that kept it was killed", run.Error, StringComparison.Ordinal);
        Assert.Equal(123, (await RunAsync("guest", "exec", "default", "true")).ExitCode);
        Assert.Equal(0, (await RunAsync("guest", "stop", "--all")).ExitCode);
        AssertNothingIsKept();
    }

    [Theory]
    [InlineData("--idle-timeout", "no command had run in it for 1 s")]
    [InlineData("--lifetime", "it had been kept for 1 s")]
    public async Task A_guest_is_not_kept_for_ever(string option, string reason)
    {
        await StartAsync(option, "1s");
        JsonElement guest;
        do
            await Task.Delay(100, Cancel);
        while ((guest = Assert.Single(await ListAsync())).GetProperty("state").GetString() != "ended");
        Assert.Contains(reason, guest.GetProperty("error").GetString(), StringComparison.Ordinal);
        await StopAsync();
    }

    [Fact]
    public async Task A_guest_in_use_is_not_idle()
    {
        await StartAsync("--idle-timeout", "8s");
        Run run = await RunAsync("guest", "exec", "default", "sh", "-c", "sleep 12; echo still here");
        Assert.Equal("still here\n", run.Output);
        await RunAsync("guest", "stop", "default");
    }

    [Fact]
    public async Task A_guest_that_does_not_boot_says_why_and_is_not_kept()
    {
        Run missing = await RunAsync("guest", "start", "--kernel", "/no/such/kernel");
        Assert.Equal(125, missing.ExitCode);
        Assert.Contains("/no/such/kernel", missing.Error, StringComparison.Ordinal);
        Run late = await RunAsync("guest", "start", "--boot-timeout", "2s", "--append", "initcall_blacklist=populate_rootfs rootwait root=/dev/nothing");
        Assert.True(late.ExitCode == 124, late.ToString());
        AssertNothingIsKept();
    }

    [Fact]
    public async Task A_signal_during_the_boot_ends_it()
    {
        using Process process = Start(["guest", "start", "--append", "initcall_blacklist=populate_rootfs rootwait root=/dev/nothing", "--kernel-log", this["log"]]);
        while (!File.Exists(this["log"]) || !File.ReadAllText(this["log"]).Contains("Linux version", StringComparison.Ordinal))
            await Task.Delay(50, Cancel);
        Signal(process, Terminate);
        Run run = await EndAsync(process, null);
        Assert.True(run.ExitCode == 128 + Terminate, run.ToString());
        AssertNothingIsKept();
    }

    [Fact]
    public async Task Descriptors_of_the_caller_are_not_kept_open()
    {
        // "cat" ends when everybody has closed the pipe.
        Run run = await ShellAsync("{ uml guest start 3>&1 4>&1 >/dev/null; echo started; } | cat; uml guest stop default");
        Assert.Equal((0, "started\n"), (run.ExitCode, run.Output));
    }

    [Fact]
    public async Task A_script_runs_as_a_step_of_a_workflow()
    {
        System.IO.Directory.CreateDirectory(this["work"]);
        File.WriteAllText(this["output"], "");
        await StartAsync("--mount", $"{this["output"]}:{this["output"]}:rw");
        try
        {
            var environment = new Dictionary<string, string?> { ["GITHUB_OUTPUT"] = this["output"] };
            File.WriteAllText(this["step.sh"], "echo \"release=$(uname -r)\" >> \"$GITHUB_OUTPUT\"\necho one\nfalse | true\necho two\n");
            Run run = await RunAsync(["guest", "sh", this["step.sh"]], null, environment);
            Assert.True(run is { ExitCode: 1, Output: "one\n", Error: "" }, run.ToString());
            Assert.StartsWith("release=7.", File.ReadAllText(this["output"]), StringComparison.Ordinal);
            Run left = await RunAsync("guest", "exec", "default", "sh", "-c", "for i in $(seq 50); do ls /run/uml-script-* >/dev/null 2>&1 || exit 0; sleep 0.1; done; exit 1");
            Assert.Equal(0, left.ExitCode);
        }
        finally
        {
            await StopAsync();
        }

        Run none = await RunAsync("guest", "sh", this["step.sh"]);
        Assert.Equal(125, none.ExitCode);
        Assert.StartsWith("uml: there is no guest \"default\"", none.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("uml: \"a/b\" is no name for a guest", "guest", "start", "--name", "a/b")]
    [InlineData("uml: \"..\" is no name for a guest", "guest", "exec", "..", "true")]
    [InlineData("uml: a guest and a command are needed", "guest", "exec", "one")]
    [InlineData("uml: there is no guest \"nobody\"", "guest", "exec", "nobody", "true")]
    [InlineData("uml: there is no guest \"nobody\"", "guest", "stop", "nobody")]
    [InlineData("uml: there is no guest \"nobody\"", "guest", "log", "nobody")]
    [InlineData("uml: name the guests to end, or give --all", "guest", "stop")]
    public async Task Mistakes_are_explained(string message, params string[] arguments)
    {
        Run run = await RunAsync(arguments);
        Assert.Equal(125, run.ExitCode);
        Assert.StartsWith(message, run.Error, StringComparison.Ordinal);
    }

    private static async Task ReadyAsync(Process process)
    {
        byte[] word = new byte["ready\n".Length];
        await process.StandardOutput.BaseStream.ReadExactlyAsync(word, Cancel);
        Assert.Equal("ready\n"u8, word);
    }

    private async Task StartAsync(params string[] options)
    {
        Run start = await RunAsync(["guest", "start", .. options]);
        Assert.True(start.ExitCode == 0, start.ToString());
    }

    private async Task StopAsync()
    {
        Run stop = await RunAsync("guest", "stop", "default");
        Assert.True(stop.ExitCode == 0, stop.ToString());
        AssertNothingIsKept();
    }

    private async Task<JsonElement[]> ListAsync()
    {
        Run list = await RunAsync("guest", "list", "--json");
        using var document = JsonDocument.Parse(list.Output);
        return [.. document.RootElement.EnumerateArray().Select(e => e.Clone())];
    }

    private void AssertNothingIsKept() =>
        Assert.Equal(["gate"], System.IO.Directory.EnumerateFileSystemEntries(Path.Combine(Runtime, "uml/guests-kept")).Select(Path.GetFileName));
}
