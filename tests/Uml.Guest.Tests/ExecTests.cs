using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;

namespace Uml.CI.Tests;

public sealed class ExecOnOldKernel(OldGuest shared) : ExecTests(shared.Guest), IClassFixture<OldGuest>;

public sealed class ExecOnNewKernel(NewGuest shared) : ExecTests(shared.Guest), IClassFixture<NewGuest>;

/// <summary>Commands in a guest behave as they would on the host.</summary>
public abstract class ExecTests(Guest guest)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_guest_runs_its_own_kernel()
    {
        ExecResult result = await guest.ExecAsync(["uname", "-r"], Cancel);
        Assert.Equal(guest.Kernel.Release, result.StandardOutput.Trim());
        Assert.NotEqual(File.ReadAllText("/proc/sys/kernel/osrelease").Trim(), result.StandardOutput.Trim());
    }

    [Theory]
    [InlineData("exit 0", 0, null)]
    [InlineData("exit 12", 12, null)]
    [InlineData("exit 255", 255, null)]
    [InlineData("kill -9 $$", 137, 9)]
    [InlineData("kill -TERM $$", 143, 15)]
    [InlineData("kill -SEGV $$", 139, 11)]
    public async Task The_exit_status_is_the_commands_own(string script, int code, int? signal)
    {
        ExecResult result = await guest.Shell(script);
        Assert.Equal(code, result.ExitCode);
        Assert.Equal(signal, result.Exit.Signal);
    }

    [Fact]
    public async Task What_was_written_before_the_end_is_not_lost_when_it_is_read_afterwards()
    {
        // More than the guest sends unasked, and no more than that and a pipe hold, so that the command ends although nobody reads.
        const int length = (1024 * 1024) + 60_000;
        GuestProcess process = await guest.StartProcessAsync(new ExecOptions("head", "-c", $"{length}", "/dev/zero"), Cancel);
        while ((await guest.Shell($"test -d /proc/{process.ProcessId}")).Success)
            await Task.Delay(10, Cancel);
        using var output = new MemoryStream();
        await process.StandardOutput.CopyToAsync(output, Cancel);
        Assert.Equal(length, output.Length);
        Assert.True((await process.WaitAsync(Cancel)).Success);
    }

    [Theory]
    [InlineData("no-such-command", 127)]
    [InlineData("/no/such/command", 127)]
    [InlineData("/etc/passwd", 126)]
    [InlineData("/etc", 126)]
    [InlineData("", 127)]
    public async Task A_command_that_cannot_be_started_says_why(string program, int code)
    {
        ExecException e = await Assert.ThrowsAsync<ExecException>(() => guest.ExecAsync([program], Cancel));
        Assert.Equal(code, e.ExitCode);
        Assert.Contains(program, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Standard_output_and_error_arrive_apart()
    {
        ExecResult result = await guest.Shell("echo out; echo err >&2; printf end");
        Assert.Equal("out\nend", result.StandardOutput);
        Assert.Equal("err\n", result.StandardError);
    }

    [Fact]
    public async Task Arguments_arrive_as_they_are()
    {
        string[] arguments = ["a b", "", "ünï ☃", "$HOME \"'`\\", "line\nbreak", new('x', 100_000)];
        ExecResult result = await guest.ExecAsync(["printf", "%s\\0", .. arguments], Cancel);
        Assert.Equal(arguments, result.StandardOutput.TrimEnd('\0').Split('\0'));
    }

    [Fact]
    public async Task Environment_and_directory_and_user_are_as_asked()
    {
        ExecResult result = await guest.ExecAsync(
            new ExecOptions("sh", "-c", "echo $NAME; pwd; id -u; id -g; id -G; echo $HOME")
            {
                Environment = ExecOptionsEnvironment(("NAME", "wert ☃")),
                WorkingDirectory = "/usr/lib",
                User = "nobody",
            },
            Cancel);
        Assert.Equal("", result.StandardError);
        Assert.Equal(["wert ☃", "/usr/lib", "65534", "65534", "65534", "/nonexistent"], result.StandardOutput.TrimEnd().Split('\n'));
    }

    [Fact]
    public async Task Another_users_command_cannot_write_roots_files()
    {
        ExecResult result = await guest.ExecAsync(new ExecOptions("sh", "-c", "touch /etc/uml-test 2>&1; grep -E '^(Uid|CapEff)' /proc/self/status") { User = "65534:65534" }, Cancel);
        Assert.Contains("Permission denied", result.StandardOutput, StringComparison.Ordinal);
        Assert.Contains("Uid:\t65534\t65534\t65534\t65534", result.StandardOutput, StringComparison.Ordinal);
        Assert.Contains("CapEff:\t0000000000000000", result.StandardOutput, StringComparison.Ordinal);
        ExecException e = await Assert.ThrowsAsync<ExecException>(() => guest.ExecAsync(new ExecOptions("true") { User = "no-such-user" }, Cancel));
        Assert.Contains("no-such-user", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_working_directory_is_named()
    {
        ExecException e = await Assert.ThrowsAsync<ExecException>(() => guest.ExecAsync(new ExecOptions("true") { WorkingDirectory = "/no/where" }, Cancel));
        Assert.Contains("/no/where", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Fifty_megabytes_of_output_arrive_whole()
    {
        ExecResult result = await guest.Shell("head -c 50000000 /dev/urandom | tee /tmp/big; sha256sum </tmp/big >&2; rm /tmp/big");
        Assert.Equal(50_000_000, result.StandardOutputBytes.Length);
        Assert.Equal(result.StandardError.Split(' ')[0], Convert.ToHexStringLower(SHA256.HashData(result.StandardOutputBytes.Span)));
    }

    [Fact]
    public async Task Twenty_megabytes_of_input_arrive_whole()
    {
        byte[] input = RandomNumberGenerator.GetBytes(20_000_000);
        GuestProcess process = await guest.StartProcessAsync(new ExecOptions("sha256sum") { RedirectStandardInput = true }, Cancel);
        await using (Stream stdin = process.StandardInput)
            await stdin.WriteAsync(input, Cancel);
        using var reader = new StreamReader(process.StandardOutput);
        Assert.StartsWith(Convert.ToHexStringLower(SHA256.HashData(input)), await reader.ReadToEndAsync(Cancel), StringComparison.Ordinal);
        Assert.Equal(0, (await process.WaitAsync(Cancel)).ExitCode);
    }

    [Fact]
    public async Task Ten_thousand_small_writes_arrive_in_order()
    {
        GuestProcess process = await guest.StartProcessAsync(new ExecOptions("cat") { RedirectStandardInput = true }, Cancel);
        var expected = new StringBuilder();
        Task writing = Task.Run(async () =>
        {
            for (int i = 0; i < 10_000; i++)
                await process.StandardInput.WriteAsync(Encoding.ASCII.GetBytes($"{i}\n"), Cancel);
            await process.StandardInput.DisposeAsync();
        }, Cancel);
        for (int i = 0; i < 10_000; i++)
            expected.Append(i).Append('\n');
        using var reader = new StreamReader(process.StandardOutput);
        string output = await reader.ReadToEndAsync(Cancel);
        await writing;
        Assert.Equal(expected.ToString(), output);
    }

    [Fact]
    public async Task A_command_that_does_not_read_its_input_stalls_nobody()
    {
        GuestProcess deaf = await guest.StartProcessAsync(new ExecOptions("sleep", "1000") { RedirectStandardInput = true }, Cancel);
        Task writing = deaf.StandardInput.WriteAsync(new byte[16_000_000], Cancel).AsTask();
        Assert.Equal("hi", (await guest.ExecAsync(["printf", "hi"], Cancel)).StandardOutput);
        Assert.False(writing.IsCompleted);
        deaf.Signal(9);
        Assert.Equal(137, (await deaf.WaitAsync(Cancel)).ExitCode);
        await writing; // What nobody reads any more goes nowhere.
    }

    [Fact]
    public async Task A_reader_that_does_not_read_stalls_only_its_own_command()
    {
        GuestProcess flood = await guest.StartProcessAsync(new ExecOptions("cat", "/dev/zero"), Cancel);
        await Task.Delay(200, Cancel);
        Assert.Equal("hi", (await guest.ExecAsync(["printf", "hi"], Cancel)).StandardOutput);
        flood.Signal(15);
        Assert.Equal(143, await Exit(flood));

        // The end comes when what was sent has been read.
        static async Task<int> Exit(GuestProcess process)
        {
            await process.StandardOutput.CopyToAsync(Stream.Null, Cancel);
            return (await process.WaitAsync(Cancel)).ExitCode;
        }
    }

    [Fact]
    public async Task Many_commands_run_at_once()
    {
        ExecResult[] results = await Task.WhenAll(Enumerable.Range(0, 24).Select(i => guest.Shell($"read x < /proc/uptime; seq 2000 | tail -1; exit {i}")));
        for (int i = 0; i < results.Length; i++)
        {
            Assert.Equal(i, results[i].ExitCode);
            Assert.Equal("2000\n", results[i].StandardOutput);
        }
    }

    [Fact]
    public async Task Long_commands_do_not_wear_the_agent_out()
    {
        string argument = new('x', 120_000);
        for (int round = 0; round < 20; round++)
        {
            ExecResult[] results = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => guest.ExecAsync(["printf", "%s%s%s", argument, argument, argument], Cancel)));
            Assert.All(results, r => Assert.Equal(360_000, r.StandardOutputBytes.Length));
        }
    }

    [Fact]
    public async Task A_daemon_left_behind_holds_nothing_up()
    {
        var clock = Stopwatch.StartNew();
        ExecResult result = await guest.Shell("(sleep 50; echo late) & echo early");
        Assert.Equal("early\n", result.StandardOutput);
        Assert.Equal("next\n", (await guest.Shell("echo next")).StandardOutput);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(45), "the daemon held the command or the next one up");
    }

    [Fact]
    public async Task Signals_reach_the_whole_process_group()
    {
        GuestProcess process = await guest.StartProcessAsync(new ExecOptions("sh", "-c", "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 1; done"), Cancel);
        using var reader = new StreamReader(process.StandardOutput);
        Assert.Equal("ready", await reader.ReadLineAsync(Cancel));
        process.Signal(2);
        Assert.Equal("caught", await reader.ReadLineAsync(Cancel));
        Assert.Equal(3, (await process.WaitAsync(Cancel)).ExitCode);
    }

    [Fact]
    public async Task A_terminal_is_a_terminal_and_can_be_resized()
    {
        GuestProcess process = await guest.StartProcessAsync(
            new ExecOptions("sh", "-c", "tty; stty size; trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.1; done; tty </dev/tty") { Terminal = new TerminalSize(100, 30), RedirectStandardInput = true }, Cancel);
        using var reader = new StreamReader(process.StandardOutput);
        Assert.StartsWith("/dev/pts/", await reader.ReadLineAsync(Cancel), StringComparison.Ordinal);
        Assert.Equal("30 100", await reader.ReadLineAsync(Cancel));
        Assert.Equal("ready", await reader.ReadLineAsync(Cancel));
        process.Resize(new TerminalSize(120, 40));
        Assert.Equal("40 120", await reader.ReadLineAsync(Cancel));
        Assert.Equal(0, (await process.WaitAsync(Cancel)).ExitCode);
    }

    [Fact]
    public async Task Ctrl_C_and_Ctrl_D_work_on_a_terminal()
    {
        GuestProcess process = await guest.StartProcessAsync(new ExecOptions("sh", "-c", "echo ready; cat; echo end; sleep 100") { Terminal = new TerminalSize(80, 24), RedirectStandardInput = true }, Cancel);
        using var reader = new StreamReader(process.StandardOutput);
        Assert.Equal("ready", await reader.ReadLineAsync(Cancel));
        await process.StandardInput.WriteAsync("\u0004"u8.ToArray(), Cancel);
        Assert.Equal("end", await reader.ReadLineAsync(Cancel));
        await process.StandardInput.WriteAsync("\u0003"u8.ToArray(), Cancel);
        Assert.Equal(130, (await process.WaitAsync(Cancel)).ExitCode);
    }

    [Fact]
    public async Task What_programs_expect_is_mounted()
    {
        ExecResult result = await guest.Shell(
            "set -e; test -r /proc/self/status; test -d /sys/kernel; test -c /dev/null; test -c /dev/ptmx; test -d /dev/pts; "
            + "echo x > /dev/shm/x; echo x > /run/x; f=$(mktemp); test -e /dev/fd/0; ls /dev/stdout >/dev/null; "
            + "awk '$2 == \"/\" {print $3}' /proc/mounts; cat /proc/sys/kernel/hostname; cat /sys/class/net/lo/operstate; ls /lib/modules/$(uname -r)/modules.dep");
        Assert.Equal("", result.StandardError);
        string[] lines = result.StandardOutput.TrimEnd().Split('\n');
        Assert.Equal("overlay", lines[0]);
        Assert.Equal("uml", lines[1]);
        Assert.EndsWith("modules.dep", lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Orphans_are_reaped()
    {
        await guest.Shell("for i in 1 2 3 4 5 6 7 8; do (sleep 0.2 & ) ; done");
        await Task.Delay(3000, Cancel);
        Assert.Equal("0", (await guest.Shell("grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l")).StandardOutput.Trim());
    }

    [Fact]
    public async Task A_deadline_names_the_stuck_task_and_leaves_the_guest_usable()
    {
        GuestTimeoutException e = await Assert.ThrowsAsync<GuestTimeoutException>(
            () => guest.ExecAsync(new ExecOptions("sh", "-c", "sleep 61.5; true") { Timeout = TimeSpan.FromSeconds(1) }, Cancel));
        Assert.Contains("sleep 61.5", e.GuestState, StringComparison.Ordinal);
        Assert.Contains("sleeping in", e.GuestState, StringComparison.Ordinal);
        Assert.Equal("hi", (await guest.ExecAsync(["printf", "hi"], Cancel)).StandardOutput);
        // The whole group was killed, not the shell alone.
        await Guests.Eventually(() => guest.Shell("pgrep -f 'sleep 61[.]5'").GetAwaiter().GetResult().ExitCode == 1, "the stuck task is gone");
    }

    [Fact]
    public async Task Cancelling_ends_the_command_and_not_the_guest()
    {
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        Task<ExecResult> running = guest.ExecAsync(["sleep", "72.5"], cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        await Guests.Eventually(() => guest.Shell("pgrep -f 'sleep 72[.]5'").GetAwaiter().GetResult().ExitCode == 1, "the command is gone");
    }

    private static System.Collections.Immutable.ImmutableSortedDictionary<string, string> ExecOptionsEnvironment(params (string, string)[] variables) =>
        new ExecOptions("x").Environment.AddRange(variables.Select(v => KeyValuePair.Create(v.Item1, v.Item2)));
}
