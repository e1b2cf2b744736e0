using System.Diagnostics;
using System.Globalization;
using Uml.CI.Wire;

namespace Uml.CI.Cli.Tests;

/// <summary>Conversations with the virtualisation server, as autopkgtest has them.</summary>
public sealed class AutopkgtestTests : ToolTests
{
    private const int Terminate = 15, KillSignal = 9;
    private const string Minimal = "debian:trixie", Systemd = "debian:trixie#systemd";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private static string Server { get; } = Path.Combine(AppContext.BaseDirectory, "autopkgtest-virt-uml");

    /// <summary>A server that is talked to.</summary>
    private sealed class Conversation(Process process) : IDisposable
    {
        private readonly Task<string> _error = process.StandardError.ReadToEndAsync(Cancel);

        public Process Process => process;

        public async Task<string> HearAsync() => await process.StandardOutput.ReadLineAsync(Cancel).AsTask().WaitAsync(Patience, Cancel) ?? $"(end) {await _error}";

        public async Task<string> SayAsync(string line)
        {
            await process.StandardInput.WriteLineAsync(line.AsMemory(), Cancel);
            await process.StandardInput.FlushAsync(Cancel);
            return await HearAsync();
        }

        /// <summary>Opens the testbed; its scratch directory.</summary>
        public async Task<string> OpenAsync(string command = "open")
        {
            string[] answer = (await SayAsync(command)).Split(' ');
            Assert.True(answer is ["ok", ['/', ..]], string.Join(' ', answer));
            return Uri.UnescapeDataString(answer[1]);
        }

        /// <summary>The program that runs commands, with its arguments.</summary>
        public async Task<string[]> CommandAsync()
        {
            string[] answer = (await SayAsync("print-execute-command")).Split(' ');
            Assert.True(answer is ["ok", _], string.Join(' ', answer));
            return [.. answer[1].Split(',').Select(Uri.UnescapeDataString)];
        }

        /// <summary>Lets it end; its exit status and what it said.</summary>
        public async Task<(int Status, string Error)> EndAsync()
        {
            process.StandardInput.Close();
            await process.WaitForExitAsync(Cancel).WaitAsync(Patience, Cancel);
            return (process.ExitCode, await _error);
        }

        public void Dispose()
        {
            if (!process.HasExited)
                process.Kill();
            process.Dispose();
        }
    }

    private async Task<Conversation> ConverseAsync(params string[] arguments)
    {
        var conversation = new Conversation(StartProgram(Server, arguments, null));
        Assert.Equal("ok", await conversation.HearAsync());
        return conversation;
    }

    private async Task<Run> ExecuteAsync(string[] program, byte[]? input, params string[] command)
    {
        using Process process = StartProgram(program[0], [.. program[1..], .. command], null);
        return await EndAsync(process, input);
    }

    private async Task<string> ShellInAsync(string[] program, string script)
    {
        Run run = await ExecuteAsync(program, null, "sh", "-ec", script);
        Assert.True(run.ExitCode == 0, $"{script}: {run}");
        return run.Output.TrimEnd('\n');
    }

    // An image of a distribution needs programs and packages of the host; where they are missing the test says so.
    private async Task NeedAsync(string image)
    {
        foreach (string program in (string[])["mmdebstrap", "sqfstar", "unshare", "mkfs.ext4"])
            Assert.SkipUnless(new[] { "/usr/bin", "/usr/sbin", "/bin", "/sbin" }.Any(d => File.Exists(Path.Combine(d, program))), $"the program {program} is not installed");
        using Process process = Start(["image", "build", image]);
        Run built = await EndAsync(process, null);
        Assert.True(built.ExitCode == 0, built.ToString());
    }

    [Fact]
    public async Task A_whole_conversation()
    {
        await NeedAsync(Minimal);
        using Conversation server = await ConverseAsync("--root", Minimal);
        Assert.Equal("ok isolation-machine revert revert-full-system root-on-testbed reboot", await server.SayAsync("capabilities"));
        string scratch = await server.OpenAsync();
        string[] program = await server.CommandAsync();
        Assert.Equal("1777 0:0", await ShellInAsync(program, $"stat -c '%a %u:%g' {scratch}"));
        Assert.Equal("0 /root", await ShellInAsync(program, "echo $(id -u) $HOME"));
        await ShellInAsync(program, $"touch /etc/mark {scratch}/kept");

        Assert.Equal("ok", await server.SayAsync("reboot"));
        Assert.Equal($"/etc/mark\n{scratch}/kept\n1777", await ShellInAsync(program, $"ls /etc/mark {scratch}/kept; stat -c %a {scratch}"));

        Assert.Equal(scratch, await server.OpenAsync("revert"));
        Assert.Equal("none", await ShellInAsync(await server.CommandAsync(), $"ls /etc/mark {scratch}/* 2>/dev/null || echo none"));

        Assert.Equal("ok", await server.SayAsync("close"));
        Run closed = await ExecuteAsync(program, null, "true");
        Assert.Equal(RelayedCommand.Failed, closed.ExitCode);
        Assert.Contains("there is no testbed", closed.Error, StringComparison.Ordinal);
        Assert.Equal(scratch, await server.OpenAsync());
        Assert.Equal("ok", await server.SayAsync("auxverb_debug_fail"));
        Assert.Equal("ok", await server.SayAsync("quit"));
        (int status, string error) = await server.EndAsync();
        Assert.Equal(0, status);
        Assert.Contains("Run /init as init process", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Commands_are_as_their_own_program()
    {
        await NeedAsync(Minimal);
        using Conversation server = await ConverseAsync("--root", Minimal);
        await server.OpenAsync();
        string[] program = await server.CommandAsync();

        byte[] data = new byte[3_000_000];
        new Random(1).NextBytes(data);
        Run copied = await ExecuteAsync(program, data, "sh", "-c", "cat; echo done >&2");
        Assert.True(copied.OutputBytes.AsSpan().SequenceEqual(data), $"{copied.OutputBytes.Length} bytes, equal {copied.OutputBytes.AsSpan().CommonPrefixLength(data)}: {copied.Error}");
        Assert.Equal("done\n", copied.Error);

        foreach ((string script, int status) in ((string, int)[])[("exit 0", 0), ("exit 1", 1), ("exit 125", 125), ("exit 253", 253), ("exit 254", 253), ("exit 255", 253), ("kill -9 $$", 128 + KillSignal)])
            Assert.Equal((script, status), (script, (await ExecuteAsync(program, null, "sh", "-c", script)).ExitCode));
        Run missing = await ExecuteAsync(program, null, "no-such-program");
        Assert.Equal((127, "uml: no-such-program: No such file or directory\n"), (missing.ExitCode, missing.Error));

        // A child that holds the output is not waited for.
        var clock = Stopwatch.StartNew();
        Assert.Equal("now\n", (await ExecuteAsync(program, null, "sh", "-c", "sleep 1000 & echo now")).Output);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(500));

        string big = new('x', 120_000);
        Assert.Equal($"{big.Length} a b|\n", (await ExecuteAsync(program, null, "sh", "-c", "echo \"${#1} $2|\"", "sh", big, "a b")).Output);
        Assert.Equal("1 ü\n\n", (await ExecuteAsync(program, null, "sh", "-c", "echo \"$# $1\"", "sh", "ü\n")).Output);

        Run[] many = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => ExecuteAsync(program, null, "sh", "-c", "sleep 0.2; echo $1; exit $1", "sh", i.ToString(CultureInfo.InvariantCulture))));
        Assert.Equal(Enumerable.Range(0, 8).Select(i => (i, $"{i}\n")), many.Select(r => (r.ExitCode, r.Output)));

        Run head = await ShellAsync($"'{program[0]}' {program[1]} {program[2]} yes | head -n 1; echo ${{PIPESTATUS[0]}}");
        Assert.Equal("y\n141\n", head.Output);

        // Descriptors that are closed are no reason to fail.
        Assert.Equal("0\n", (await ShellAsync($"'{program[0]}' {program[1]} {program[2]} true <&- 2>&-; echo $?")).Output);

        // A program that is killed takes its command along.
        using (Process killed = StartProgram(program[0], [.. program[1..], "sh", "-c", "echo up; exec sleep 4321"], null))
        {
            Assert.Equal("up", await killed.StandardOutput.ReadLineAsync(Cancel));
            killed.Kill();
        }

        Assert.Equal("gone", await ShellInAsync(program, "for i in $(seq 100); do grep -qsaz '^4321$' /proc/[0-9]*/cmdline || { echo gone; exit; }; sleep 0.1; done; echo there"));
        Assert.Equal("ok", await server.SayAsync("quit"));
        Assert.Equal(0, (await server.EndAsync()).Status);
    }

    [Fact]
    public async Task Files_and_directories_are_copied_both_ways()
    {
        await NeedAsync(Minimal);
        using Conversation server = await ConverseAsync("--root", Minimal);
        string scratch = await server.OpenAsync();
        string[] program = await server.CommandAsync();
        await ShellAsync("mkdir -p tree/sub; echo one > tree/sub/file; printf '#!/bin/sh\\n' > tree/run; chmod 750 tree/run; ln -s sub/file tree/link; ln -s tree way");
        string here = ProtocolLine.Encode(Directory);

        Assert.Equal("ok", await server.SayAsync($"copydown {here}/way/ {scratch}/t/"));
        Assert.Equal("750 sub/file one", await ShellInAsync(program, $"cd {scratch}/t; echo $(stat -c %a run) $(readlink link) $(cat link)"));
        // What is there stays.
        await ShellInAsync(program, $"mkdir {scratch}/m; echo old > {scratch}/m/old; ln -s m {scratch}/lm");
        Assert.Equal("ok", await server.SayAsync($"copydown {here}/tree/ {scratch}/m/"));
        Assert.Equal("ok", await server.SayAsync($"copyup {scratch}/lm/ {here}/back/"));
        Assert.Equal("750 sub/file one old\n", (await ShellAsync("cd back; echo $(stat -c %a run) $(readlink link) $(cat link) $(cat old)")).Output);

        Assert.Equal("ok", await server.SayAsync($"copydown {here}/tree/run {scratch}/a%20%C3%BC"));
        Assert.Equal("755", await ShellInAsync(program, $"stat -c %a '{scratch}/a ü'"));
        Assert.Equal("ok", await server.SayAsync($"copyup {scratch}/a%20%C3%BC {here}/up"));
        Assert.Equal(File.ReadAllText(this["tree/run"]), File.ReadAllText(this["up"]));
        Assert.True(File.GetUnixFileMode(this["up"]).HasFlag(UnixFileMode.UserExecute));
        Assert.Equal("ok", await server.SayAsync($"copydown {here}/tree/sub/file {scratch}/plain"));
        Assert.Equal("644 one", await ShellInAsync(program, $"echo $(stat -c %a {scratch}/plain) $(cat {scratch}/plain)"));

        foreach (string failing in (string[])[$"copyup {scratch}/none {here}/x", $"copyup {scratch}/none/ {here}/y/", $"copydown {here}/none {scratch}/x", $"copydown {here}/none/ {scratch}/y/", $"copydown {here}/tree/run /proc/none"])
            Assert.Equal((failing, "copy-failed"), (failing, await server.SayAsync(failing)));
        Assert.Equal("ok", await server.SayAsync("quit"));
        Assert.Equal(0, (await server.EndAsync()).Status);
    }

    [Fact]
    public async Task A_copy_that_takes_too_long_is_given_up()
    {
        await NeedAsync(Minimal);
        using var server = new Conversation(StartProgram(Server, ["--root", Minimal], new Dictionary<string, string?> { ["AUTOPKGTEST_VIRT_COPY_TIMEOUT"] = "1" }));
        Assert.Equal("ok", await server.HearAsync());
        string scratch = await server.OpenAsync();
        string[] program = await server.CommandAsync();
        await ShellInAsync(program, $"mkfifo {scratch}/never");
        Assert.Equal("timeout", await server.SayAsync($"copyup {scratch}/never {ProtocolLine.Encode(this["never"])}"));
        Assert.Equal("fine", await ShellInAsync(program, "echo fine"));
        Assert.Equal("ok", await server.SayAsync("quit"));
        Assert.Equal(0, (await server.EndAsync()).Status);
    }

    [Fact]
    public async Task Systemd_is_up_when_the_testbed_is_open_and_after_a_reboot()
    {
        await NeedAsync(Systemd);
        using Conversation server = await ConverseAsync("--root", Systemd);
        string scratch = await server.OpenAsync();
        string[] program = await server.CommandAsync();
        Assert.Equal("running systemd", await ShellInAsync(program, "echo $(systemctl is-system-running) $(cat /proc/1/comm)"));
        string first = await ShellInAsync(program, $"echo 1 > {scratch}/kept; touch /etc/mark; cat /proc/sys/kernel/random/boot_id");
        Assert.Equal("ok", await server.SayAsync("reboot"));
        Assert.Equal("running 1 /etc/mark", await ShellInAsync(program, $"echo $(systemctl is-system-running) $(cat {scratch}/kept) $(ls /etc/mark)"));
        Assert.NotEqual(first, await ShellInAsync(program, "cat /proc/sys/kernel/random/boot_id"));

        // A test that reboots its system itself.
        await ShellInAsync(program, "touch /run/autopkgtest-reboot-prepare-mark; (while [ -e /run/autopkgtest-reboot-prepare-mark ]; do sleep 0.1; done; reboot) >/dev/null 2>&1 &");
        Assert.Equal("ok", await server.SayAsync("reboot prepare-only"));
        Assert.Equal("running 1", await ShellInAsync(program, $"echo $(systemctl is-system-running) $(cat {scratch}/kept)"));
        Assert.Equal("ok", await server.SayAsync("quit"));
        Assert.Equal(0, (await server.EndAsync()).Status);
    }

    [Fact]
    public async Task The_hosts_own_root_is_a_testbed_without_reboot()
    {
        using Conversation server = await ConverseAsync("--root", "host");
        Assert.Equal("ok isolation-machine revert revert-full-system root-on-testbed", await server.SayAsync("capabilities"));
        await server.OpenAsync();
        (int status, string error) = await EndAfterAsync(server, "reboot");
        Assert.Equal((12, "autopkgtest-virt-uml: failure: \"reboot\" is not among the capabilities\n"), (status, error));
    }

    [Theory]
    [InlineData("open open", "\"open\" while the testbed is open")]
    [InlineData("close", "\"close\" while no testbed is open")]
    [InlineData("revert", "\"revert\" while no testbed is open")]
    [InlineData("reboot", "\"reboot\" while no testbed is open")]
    [InlineData("print-execute-command", "\"print-execute-command\" while no testbed is open")]
    [InlineData("copyup+/a+/b", "\"copyup\" while no testbed is open")]
    [InlineData("open copyup+/a", "too few arguments for \"copyup\"")]
    [InlineData("open copyup+/a+/b+/c", "too many arguments for \"copyup\"")]
    [InlineData("open copydown+/a/+/b", "copydown: either both paths end in / or none does: /a/ /b")]
    [InlineData("open shell", "too few arguments for \"shell\"")]
    [InlineData("capabilities+x", "too many arguments for \"capabilities\"")]
    [InlineData("wake%20up", "there is no command \"wake up\"")]
    [InlineData("", "end of the commands: is the caller gone?")]
    [InlineData("open", "end of the commands: is the caller gone?")]
    public async Task What_makes_no_sense_ends_the_server_and_the_testbed(string commands, string message)
    {
        using Conversation server = await ConverseAsync("--root", "host");
        string[] lines = commands.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < lines.Length; i++)
        {
            string answer = await server.SayAsync(lines[i].Replace('+', ' '));
            Assert.StartsWith(i < lines.Length - 1 || lines[i] == "open" && lines.Length == 1 ? "ok" : "(end)", answer, StringComparison.Ordinal);
        }

        Assert.Equal((12, $"autopkgtest-virt-uml: failure: {message}\n"), await server.EndAsync());
    }

    [Fact]
    public async Task A_testbed_that_cannot_be_opened_is_told_in_one_line()
    {
        using Conversation server = await ConverseAsync("--root", "image:no-such-image");
        (int status, string error) = await EndAfterAsync(server, "open");
        Assert.Equal(12, status);
        Assert.StartsWith("autopkgtest-virt-uml: failure: ", error, StringComparison.Ordinal);
        Assert.Contains("no-such-image", Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);

        Run nothing = await ShellAsync("autopkgtest-virt-uml </dev/null");
        Assert.Equal(ExitStatus.NotProvided, nothing.ExitCode);
        Assert.StartsWith("uml: no testbed was named: ", nothing.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Terminate)]
    [InlineData(KillSignal)]
    public async Task A_server_that_is_killed_leaves_nothing(int signal)
    {
        using Conversation server = await ConverseAsync("--root", "host");
        await server.OpenAsync();
        string[] program = await server.CommandAsync();
        Task<Run> running = ExecuteAsync(program, null, "sleep", "1000");
        Signal(server.Process, signal);
        Assert.Equal(RelayedCommand.Failed, (await running).ExitCode);
        await server.Process.WaitForExitAsync(Cancel);
        Assert.Equal(128 + signal, server.Process.ExitCode);
    }

    [Theory]
    [InlineData("open", new[] { "open" })]
    [InlineData(" copyup  a%20b\t%2Ftmp%2f%C3%BC%25 ", new[] { "copyup", "a b", "/tmp/ü%" })]
    [InlineData("shell /d A=1%202 B=%zz", new[] { "shell", "/d", "A=1 2", "B=%zz" })]
    [InlineData("a+b", new[] { "a+b" })]
    [InlineData("  ", new string[0])]
    public void Words_are_as_in_a_url(string line, string[] words) => Assert.Equal(words, ProtocolLine.Decode(line));

    [Theory]
    [InlineData("/usr/bin/uml-agent_1.2~x", "/usr/bin/uml-agent_1.2~x")]
    [InlineData("/a b,c%\nü", "/a%20b%2Cc%25%0A%C3%BC")]
    public void Words_are_written_as_in_a_url(string word, string text)
    {
        Assert.Equal(text, ProtocolLine.Encode(word));
        Assert.Equal([word], ProtocolLine.Decode(text));
    }

    [Theory]
    [InlineData(null, 300)]
    [InlineData("", 300)]
    [InlineData("7", 7)]
    [InlineData("0", 300)]
    [InlineData("soon", 300)]
    public void The_time_for_a_copy_is_a_number_of_seconds(string? text, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), VirtualServer.ReadCopyTimeout(text));

    private static async Task<(int Status, string Error)> EndAfterAsync(Conversation server, string command)
    {
        Assert.StartsWith("(end)", await server.SayAsync(command), StringComparison.Ordinal);
        return await server.EndAsync();
    }
}
