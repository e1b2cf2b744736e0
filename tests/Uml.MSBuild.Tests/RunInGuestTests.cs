using System.Text.RegularExpressions;
using Xunit;

namespace Uml.CI.MSBuild;

public sealed class RunInGuestTests
{
    [Fact]
    public async Task A_command_runs_and_its_lines_are_messages()
    {
        using Build build = new Build().Start("""<RunInGuest Command="echo out; echo err &gt;&amp;2; uname -n" />""");

        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.Matches(@"(?m)^\s*out$", build.Output);
        Assert.Matches(@"(?m)^\s*err$", build.Output);
        Assert.Matches(@"(?m)^\s*uml$", build.Output);
        Assert.DoesNotContain("warning", build.Output, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(build.GuestDirectory));
    }

    [Fact]
    public async Task Everything_can_be_said()
    {
        using var build = new Build();
        File.WriteAllText(build["a file"], "content");
        Directory.CreateDirectory(build["shared"]);
        build.Start("""
            <ItemGroup>
              <Thing Include="a file" GuestPath="/opt/a copy" />
              <Share Include="shared" GuestPath="/mnt/shared" Mode="rw" />
            </ItemGroup>
            <RunInGuest Memory="300M" Artifacts="@(Thing)" Mounts="@(Share)" EnvironmentVariables="A=b=c;D=" WorkingDirectory="/opt"
                        Command="cat 'a copy'; echo; echo $A; pwd; awk '/MemTotal/ { print ($2 &lt; 310000) }' /proc/meminfo; echo said &gt; /mnt/shared/file" KernelLog="logs/kernel.log">
              <Output TaskParameter="ConsoleOutput" ItemName="Line" />
              <Output TaskParameter="ExitCode" PropertyName="Status" />
            </RunInGuest>
            <Message Importance="high" Text="lines: @(Line, '|') status: $(Status)" />
            """);

        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.Contains("lines: content|b=c|/opt|1 status: 0", build.Output, StringComparison.Ordinal);
        Assert.Equal("said\n", await File.ReadAllTextAsync(build["shared/file"], TestContext.Current.CancellationToken));
        string log = await File.ReadAllTextAsync(build["logs/kernel.log"], TestContext.Current.CancellationToken);
        Assert.Contains("Linux version", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_host_root_starts_in_the_projects_directory_and_keeps_it_as_it_is()
    {
        using var build = new Build();
        File.WriteAllText(build["file"], "content");
        build.Start("""<RunInGuest Command="cat file; rm file; touch other" />""");

        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.Contains("content", build.Output, StringComparison.Ordinal);
        Assert.True(File.Exists(build["file"]));
        Assert.False(File.Exists(build["other"]));
    }

    [Fact]
    public async Task Lines_are_items_whatever_they_hold()
    {
        using var build = new Build();
        string[] lines = ["a;b", "100%41", @"C:\dir\*.cs", "$(HOME) @(Line) '?'", "ünï©ode"];
        File.WriteAllLines(build["lines"], lines);
        build.Start("""
            <RunInGuest Arguments="cat;lines"><Output TaskParameter="ConsoleOutput" ItemName="Line" /></RunInGuest>
            <Message Importance="high" Text="count: @(Line->Count())" />
            <WriteLinesToFile File="copy" Lines="@(Line)" />
            """);

        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.Contains("count: 5", build.Output, StringComparison.Ordinal);
        Assert.Equal(lines, await File.ReadAllLinesAsync(build["copy"], TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("UML0002", """Command="true" Mounts="@(BadMount)" """, "/proc/no/mount/point")]
    [InlineData("UML0003", """Command="echo c &gt; /proc/sysrq-trigger" """, "sysrq triggered crash")]
    [InlineData("UML0004", """Command="sleep 60" TimeoutSeconds="1" """, "did not end within 1 s")]
    [InlineData("UML0005", """Command="exit 3" """, "\"exit 3\" exited with code 3")]
    [InlineData("UML0005", """Command="kill -9 $$" """, "was killed by signal 9")]
    [InlineData("UML0006", """Arguments="no-such-program;--help" """, "no-such-program")]
    [InlineData("UML0007", "", "needs a command")]
    [InlineData("UML0007", """Command="true" Arguments="true" """, "needs a command")]
    [InlineData("UML0007", """Command="true" Memory="much" """, "\"much\"")]
    [InlineData("UML0007", """Command="true" Memory="1M" """, "1M of memory is too little")]
    [InlineData("UML0007", """Command="true" Artifacts="no-guest-path" """, "GuestPath")]
    [InlineData("UML0007", """Command="true" Artifacts="@(Missing)" """, "does not exist on the host")]
    [InlineData("UML0007", """Command="true" Mounts="@(BadMode)" """, "\"rwx\" is not a mode")]
    [InlineData("UML0007", """Command="true" EnvironmentVariables="=x" """, "NAME=VALUE")]
    [InlineData("UML0007", """Command="true" TimeoutSeconds="-1" """, "TimeoutSeconds is -1")]
    [InlineData("UML0008", """Command="true" Kernel="file:/no/such/kernel" """, "/no/such/kernel")]
    [InlineData("UML0008", """Command="true" Kernel="nonsense:x" """, "unknown scheme")]
    public async Task What_goes_wrong_has_a_code(string code, string parameters, string text)
    {
        using Build build = new Build().Start($"""
            <ItemGroup>
              <BadMount Include="/etc" GuestPath="/proc/no/mount/point" />
              <BadMode Include="/etc" GuestPath="/mnt" Mode="rwx" />
              <Missing Include="missing" GuestPath="/mnt" />
            </ItemGroup>
            <RunInGuest {parameters} />
            """);

        Assert.True(await build.WaitAsync() == 1, build.Output);
        // The task's own place in the project, and one line.
        Match error = Regex.Match(build.Output, @"(?m)^\s*(?<file>.*test\.proj)\(\d+,\d+\): error (?<code>\w+): (?<text>.*)$", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(10));
        Assert.True(error.Success, build.Output);
        Assert.Equal(code, error.Groups["code"].Value);
        Assert.Contains(text, error.Groups["text"].Value, StringComparison.Ordinal);
        Assert.DoesNotContain("MSB4", build.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("   at Uml.", build.Output, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(build.GuestDirectory));
    }

    [Fact]
    public async Task A_host_without_guests_is_told_from_a_command_that_failed()
    {
        using Build build = new Build().With("UML_TMPDIR", "/no/such/directory").Start("""<RunInGuest Command="true" />""");

        Assert.Equal(1, await build.WaitAsync());
        Assert.Contains("error UML0001: ", build.Output, StringComparison.Ordinal);
        Assert.Contains("/no/such/directory", build.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_status_can_be_left_to_the_caller()
    {
        using Build build = new Build().Start("""
            <RunInGuest Command="exit 3" IgnoreExitCode="true"><Output TaskParameter="ExitCode" PropertyName="Status" /></RunInGuest>
            <Message Importance="high" Text="status: $(Status)" />
            """);

        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.Contains("status: 3", build.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Errors_and_warnings_of_the_command_are_the_builds()
    {
        const string Command = "echo 'a.c(3,4): error A1: bad'; echo 'b.c(5): warning B2: hm' &gt;&amp;2";
        using Build build = new Build().Start($"""<RunInGuest Command="{Command}" />""", "-consoleLoggerParameters:Summary");
        Assert.Equal(1, await build.WaitAsync());
        Assert.Contains("1 Warning(s)", build.Output, StringComparison.Ordinal);
        Assert.Contains("1 Error(s)", build.Output, StringComparison.Ordinal);

        using Build ignoring = new Build().Start($"""<RunInGuest Command="{Command}" IgnoreStandardErrorWarningFormat="true" />""", "-consoleLoggerParameters:Summary");
        Assert.True(await ignoring.WaitAsync() == 0, ignoring.Output);
        Assert.Contains("0 Warning(s)", ignoring.Output, StringComparison.Ordinal);

        using Build strict = new Build().Start("""<RunInGuest Command="echo oh &gt;&amp;2" LogStandardErrorAsError="true" />""");
        Assert.Equal(1, await strict.WaitAsync());
        Assert.Matches(@"(?m)error\s*: oh", strict.Output);
    }

    [Fact]
    public void None_of_MSBuilds_assemblies_lies_beside_the_task() =>
        Assert.DoesNotContain(
            Directory.GetFiles(Path.GetDirectoryName(Build.Metadata("TaskAssembly"))!).Select(Path.GetFileName),
            f => f!.StartsWith("Microsoft.Build", StringComparison.Ordinal) || f.StartsWith("Microsoft.NET.StringTools", StringComparison.Ordinal));
}
