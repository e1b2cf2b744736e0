using System.Text.Json;

namespace Uml.CI.Cli.Tests;

public sealed class RunTests : ToolTests
{
    [Fact]
    public async Task The_guest_has_a_kernel_of_its_own()
    {
        Run run = await RunAsync("run", "--", "uname", "-r");
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Matches(@"^\d+\.\d+\S*\n$", run.Output);
        Assert.NotEqual(File.ReadAllText("/proc/sys/kernel/osrelease"), run.Output);
        Assert.Empty(run.Error);
    }

    [Theory]
    [InlineData("exit 0", 0)]
    [InlineData("exit 12", 12)]
    [InlineData("exit 255", 255)]
    [InlineData("kill -9 $$", 137)]
    [InlineData("kill -TERM $$", 143)]
    public async Task The_commands_status_is_the_tools(string script, int status)
    {
        Run run = await RunAsync("run", "sh", "-c", script);
        Assert.True(run.ExitCode == status, run.ToString());
        Assert.Empty(run.Error);
    }

    [Theory]
    [InlineData(127, "no-such-command", "no-such-command")]
    [InlineData(127, "/no/such/file", "/no/such/file")]
    [InlineData(126, "/etc/passwd", "/etc/passwd")]
    [InlineData(126, "/etc", "/etc")]
    [InlineData(125, "/no/where", "--workdir", "/no/where", "true")]
    [InlineData(125, "nobody-here", "--user", "nobody-here", "true")]
    [InlineData(125, "no command", "--memory", "1G")]
    [InlineData(125, "--bogus", "--bogus", "true")]
    [InlineData(125, "\"soon\"", "--timeout", "soon", "true")]
    [InlineData(125, "64M", "--memory", "64M", "true")]
    [InlineData(125, "CONFIG_SMP", "--cpus", "2", "true")]
    [InlineData(125, "/no/kernel", "--kernel", "/no/kernel", "true")]
    [InlineData(125, "/no/such", "--mount", "/no/such:/x", "true")]
    [InlineData(125, "mem=1G", "--append", "quiet mem=1G", "true")]
    public async Task What_cannot_be_run_is_named_in_one_line(int status, string named, params string[] arguments)
    {
        Run run = await RunAsync(["run", .. arguments], null);
        Assert.True(run.ExitCode == status, run.ToString());
        Assert.Contains(named, run.Error, StringComparison.Ordinal);
        Assert.All(run.Error.TrimEnd('\n').Split('\n'), line => Assert.StartsWith("uml: ", line, StringComparison.Ordinal));
        Assert.Empty(run.Output);
    }

    [Fact]
    public async Task Options_behind_the_command_are_its_own()
    {
        Run run = await RunAsync("run", "--memory", "256M", "echo", "-n", "--memory", "@x", "[y]", "--", "z");
        Assert.Equal("--memory @x [y] -- z", run.Output);
    }

    [Fact]
    public async Task The_current_directory_and_the_environment_are_kept()
    {
        var environment = new Dictionary<string, string?> { ["COLOUR"] = "grün", ["SSH_AUTH_SOCK"] = "/x", ["GIVEN"] = "1", ["CLASH"] = "old" };
        Run run = await RunAsync(["run", "-e", "CLASH=new", "--env", "EXTRA=a=b", "sh", "-c", "pwd; echo \"$COLOUR $CLASH $EXTRA ${SSH_AUTH_SOCK:-none} $(id -un) $USER\""], null, environment);
        Assert.Equal($"{Directory}\ngrün new a=b none root root\n", run.Output);
    }

    [Fact]
    public async Task An_empty_root_holds_nothing_and_its_environment_is_clean()
    {
        const string library = "/host/lib/x86_64-linux-gnu:/host/usr/lib/x86_64-linux-gnu:/host/lib64";
        string loader = System.IO.Path.GetFullPath("/lib64/ld-linux-x86-64.so.2");
        string real = new FileInfo(loader).ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? loader;
        Run run = await RunAsync(
            ["run", "--root", "empty", "--mount", "/:/host", "-e", "GIVEN", "-w", "/tmp", "--", "/host" + real, "--library-path", library, "/host/usr/bin/env"],
            null, new Dictionary<string, string?> { ["GIVEN"] = "1", ["OTHER"] = "2", ["TERM"] = null });
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Equal(["GIVEN", "HOME", "LOGNAME", "PATH", "USER"], run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('=')[0]).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_command_runs_as_another_user()
    {
        Run run = await RunAsync("run", "--user", "nobody", "--workdir", "/", "sh", "-c", "id -un; echo $HOME; pwd");
        Assert.Equal("nobody\n/nonexistent\n/\n", run.Output);
    }

    [Fact]
    public async Task What_the_guest_does_to_its_root_stays_there()
    {
        File.WriteAllText(this["keep"], "kept");
        Run run = await RunAsync("run", "sh", "-c", "rm keep; echo more > new; ls");
        Assert.Equal(0, run.ExitCode);
        Assert.Equal("new\n", run.Output);
        Assert.True(File.Exists(this["keep"]));
        Assert.False(File.Exists(this["new"]));
    }

    [Fact]
    public async Task Json_says_what_happened()
    {
        Run run = await RunAsync("run", "--json", "run.json", "--kernel-log", "kernel.log", "--memory", "256M", "sh", "-c", "exit 3");
        Assert.Equal(3, run.ExitCode);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(this["run.json"]));
        JsonElement root = json.RootElement;
        Assert.Equal("exited", root.GetProperty("outcome").GetString());
        Assert.Equal(3, root.GetProperty("exitStatus").GetInt32());
        Assert.Equal(["sh", "-c", "exit 3"], root.GetProperty("command").EnumerateArray().Select(e => e.GetString()));
        Assert.Equal("debian:sid", root.GetProperty("kernel").GetProperty("reference").GetString());
        Assert.Equal(64, root.GetProperty("kernel").GetProperty("sha256").GetString()!.Length);
        Assert.Equal(256L << 20, root.GetProperty("guest").GetProperty("memory").GetInt64());
        Assert.NotNull(root.GetProperty("guest").GetProperty("confinement").GetString());
        Assert.True(root.GetProperty("milliseconds").GetProperty("kernel").GetDouble() > 0);
        Assert.True(root.GetProperty("milliseconds").GetProperty("total").GetDouble() > root.GetProperty("milliseconds").GetProperty("kernel").GetDouble());
        Assert.Equal(this["kernel.log"], root.GetProperty("kernelLog").GetString());
        Assert.Contains("Linux version " + root.GetProperty("kernel").GetProperty("release").GetString(), File.ReadAllText(this["kernel.log"]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_dry_run_prints_the_kernels_command_line_and_starts_nothing()
    {
        Run run = await RunAsync("run", "--dry-run", "--memory", "300M", "--append", "panic_on_warn=1", "sh", "-c", "echo 'it is'; touch ran");
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Contains("mem=300M", run.Output, StringComparison.Ordinal);
        Assert.Contains("panic_on_warn=1", run.Output, StringComparison.Ordinal);
        Assert.Contains("umid=", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain('{', run.Output);
        Assert.Contains(@"sh -c 'echo '\''it is'\''; touch ran'", run.Output, StringComparison.Ordinal);
        // A shell takes it as one command.
        Run parsed = await ShellAsync("bash -n <<'END'\n" + run.Output + "END\n");
        Assert.True(parsed.ExitCode == 0, parsed.ToString());
    }

    [Fact]
    public async Task A_dry_run_fetches_nothing()
    {
        Run run = await RunAsync("run", "--dry-run", "--kernel", "debian:nosuchsuite", "true");
        Assert.Equal(125, run.ExitCode);
        Assert.Contains("uml kernel pull", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Verbose_says_more_on_standard_error()
    {
        Run run = await RunAsync("run", "-v", "echo", "x");
        Assert.Equal("x\n", run.Output);
        Assert.Contains("confinement:", run.Error, StringComparison.Ordinal);
        Assert.Contains("ready after", run.Error, StringComparison.Ordinal);
    }
}
