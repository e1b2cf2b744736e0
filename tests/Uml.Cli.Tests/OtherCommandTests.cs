using System.Text.Json;

namespace Uml.CI.Cli.Tests;

public sealed class OtherCommandTests : ToolTests
{
    [Fact]
    public async Task Doctor_runs_a_guest()
    {
        Run run = await RunAsync("doctor", "--json");
        Assert.True(run.ExitCode == 0, run.ToString());
        using JsonDocument json = JsonDocument.Parse(run.OutputBytes);
        Assert.True(json.RootElement.GetProperty("canRunGuests").GetBoolean());
        string?[] names = [.. json.RootElement.GetProperty("checks").EnumerateArray().Select(c => c.GetProperty("name").GetString())];
        Assert.Subset(names.ToHashSet(), ((string?[])["machine", "memory directory", "limits", "agent", "kernel store", "apt", "default kernel", "ptrace", "confinement", "guest"]).ToHashSet());
    }

    [Fact]
    public async Task Doctor_says_what_is_missing_and_fails()
    {
        Run run = await RunAsync(["doctor"], null, new Dictionary<string, string?> { ["UML_TMPDIR"] = "/proc" });
        Assert.Equal(125, run.ExitCode);
        Assert.Contains("FAIL  memory directory", run.Output, StringComparison.Ordinal);
        Assert.Contains("-> mount a tmpfs", run.Output, StringComparison.Ordinal);
        Assert.Contains("cannot run guests", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Version_names_the_kernel_and_the_agent()
    {
        Run run = await RunAsync("--version");
        Assert.Matches(@"^uml \d+\.\d+\.\d+\ndefault kernel: debian:sid \(.*\)\nagent: /.*/uml-agent\n$", run.Output);
    }

    [Fact]
    public async Task Kernels_are_listed_and_pinned()
    {
        Run pull = await RunAsync("kernel", "pull", "--lock", "debian:sid");
        Assert.True(pull.ExitCode == 0, pull.ToString());
        Assert.Matches(@"^debian:sid: Linux \d.*, .* in /", pull.Output);
        Assert.Contains($"pinned in {this["uml.lock.json"]}", pull.Output, StringComparison.Ordinal);

        Run list = await RunAsync("kernel", "list");
        Assert.Contains("debian:sid", list.Output, StringComparison.Ordinal);
        using JsonDocument json = JsonDocument.Parse((await RunAsync("kernel", "list", "--json")).OutputBytes);
        JsonElement kernel = json.RootElement.EnumerateArray().Single(k => k.GetProperty("references").EnumerateArray().Any(r => r.GetString() == "debian:sid"));
        string sha256 = kernel.GetProperty("sha256").GetString()!;

        // The pinned kernel runs; with another one pinned, nothing else is taken in its place.
        Assert.Equal(0, (await RunAsync("run", "true")).ExitCode);
        File.WriteAllText(this["uml.lock.json"], File.ReadAllText(this["uml.lock.json"]).Replace(sha256, new string('0', 64), StringComparison.Ordinal));
        Run other = await RunAsync("run", "--dry-run", "true");
        Assert.Equal(125, other.ExitCode);
        Assert.Contains("pinned", other.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("kernel", "remove", "debian:nothing")]
    [InlineData("kernel", "pull", "nothing")]
    [InlineData("kernel", "frobnicate")]
    [InlineData("kernel")]
    [InlineData("completion", "tcsh")]
    [InlineData("frobnicate")]
    [InlineData]
    public async Task What_makes_no_sense_is_bad_usage(params string[] arguments)
    {
        Run run = await RunAsync(arguments, null);
        Assert.Equal(125, run.ExitCode);
        Assert.NotEmpty(run.Error);
        Assert.Empty(run.Output);
    }

    [Theory]
    [InlineData("bash", "bash -n")]
    [InlineData("zsh", "grep -q compdef")]
    [InlineData("fish", "grep -q 'complete -c uml'")]
    public async Task Completion_scripts_are_printed(string shell, string check)
    {
        Run run = await ShellAsync($"uml completion {shell} | {check}");
        Assert.True(run.ExitCode == 0, run.ToString());
    }

    [Fact]
    public async Task Bash_completes_options_and_kernels()
    {
        Run run = await ShellAsync("""
            eval "$(uml completion bash)"
            complete_line() { COMP_LINE=$1 COMP_POINT=${#1}; read -ra COMP_WORDS <<<"$1"; [[ $1 == *' ' ]] && COMP_WORDS+=(''); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _uml; printf '%s\n' "${COMPREPLY[@]}"; }
            complete_line 'uml run --kernel-l'; complete_line 'uml run --root e'; complete_line 'uml kernel pull debian:si'; complete_line 'uml do'
            """);
        Assert.Equal("--kernel-log\nempty\ndebian:sid\ndoctor\n", run.Output);
    }
}
