using System.Text.RegularExpressions;
using Xunit;

namespace Uml.CI.MSBuild;

/// <summary>A project's UmlGuestCommand items run after its build, and again when something they depend on has changed.</summary>
public sealed class GuestCommandTests
{
    [Fact]
    public async Task Every_command_runs_on_every_kernel_once()
    {
        using var build = new Build();
        build.WriteProject("""
            <UmlKernel Include="debian:bookworm;debian:sid" />
            <UmlGuestCommand Include="echo here is $(uname -r)" />
            <UmlGuestCommand Include="only here" Command="echo only $(uname -r)" Kernel="debian:sid" />
            """.Replace("$(", "%24(", StringComparison.Ordinal));

        build.StartBuild();
        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.Equal(3, Regex.Count(build.Output, @"(?m)^\s*Running "));
        Assert.Matches("here is 6\\.1\\.", build.Output);
        Assert.Matches("here is 7\\.2\\.", build.Output);
        Assert.Matches("only 7\\.2\\.", build.Output);

        build.StartBuild(arguments: "-v:normal");
        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.DoesNotContain("Running ", build.Output, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(build.GuestDirectory));
    }

    [Fact]
    public async Task What_has_changed_runs_again()
    {
        using var build = new Build();
        Directory.CreateDirectory(build["data/deep"]);
        File.WriteAllText(build["data/deep/a"], "1");
        File.WriteAllText(build["input"], "1");
        const string Items = """
            <UmlArtifact Include="data" GuestPath="/opt/data" />
            <UmlGuestCommand Include="read" Command="cat /opt/data/deep/*; exit ${STATUS:-0}" Inputs="input" METADATA />
            """;
        await RunsAsync(true);
        await RunsAsync(false);

        // As long and as old as before.
        DateTime time = File.GetLastWriteTimeUtc(build["data/deep/a"]);
        File.WriteAllText(build["data/deep/a"], "2");
        await RunsAsync(true);
        File.SetLastWriteTimeUtc(build["data/deep/a"], time.AddDays(-1));
        await RunsAsync(true);
        File.WriteAllText(build["data/deep/b"], "");
        await RunsAsync(true);
        File.Delete(build["data/deep/b"]);
        await RunsAsync(true);
        File.SetUnixFileMode(build["data/deep/a"], UnixFileMode.UserRead);
        await RunsAsync(true);
        File.WriteAllText(build["input"], "22");
        await RunsAsync(true);
        await RunsAsync(true, """Memory="300M" """);
        await RunsAsync(false, """Memory="300M" """);
        await RunsAsync(true, """Memory="300M" Kernel="debian:bookworm" """);
        // What fails has not passed.
        await RunsAsync(true, """EnvironmentVariables="STATUS=3" """, status: 1);
        await RunsAsync(true, """EnvironmentVariables="STATUS=3" """, status: 1);
        await RunsAsync(true, """Memory="300M" Kernel="debian:bookworm" """, delete: true);

        async Task RunsAsync(bool runs, string metadata = "", int status = 0, bool delete = false)
        {
            if (delete)
                File.Delete(build["obj/test.proj.UmlGuestCommands.stamp"]);
            build.WriteProject(Items.Replace("METADATA", metadata, StringComparison.Ordinal));
            build.StartBuild();
            int actual = await build.WaitAsync();
            Assert.True(actual == status, $"{actual} {build.Output}");
            Assert.True(build.Output.Contains("Running ", StringComparison.Ordinal) == runs, $"should have run: {runs} {metadata} {build.Output}");
        }
    }

    [Fact]
    public async Task A_failure_is_the_projects_and_the_others_run()
    {
        using var build = new Build();
        string project = build.WriteProject("""
            <UmlGuestCommand Include="first" Command="echo first" />
            <UmlGuestCommand Include="second" Command="exit 3" />
            <UmlGuestCommand Include="third" Command="echo third" />
            """);

        build.StartBuild();
        Assert.Equal(1, await build.WaitAsync());
        Assert.Contains($"{project} : error UML0005: The command \"second\" on debian:sid exited with code 3.", build.Output, StringComparison.Ordinal);
        Assert.Equal(3, Regex.Count(build.Output, @"(?m)^\s*Running "));

        build.StartBuild();
        Assert.Equal(1, await build.WaitAsync());
        Assert.Equal("second", Regex.Match(build.Output, "(?m)^\\s*Running \"(?<name>\\w+)\"", RegexOptions.ExplicitCapture).Groups["name"].Value);
        Assert.Equal(1, Regex.Count(build.Output, @"(?m)^\s*Running "));
    }

    [Fact]
    public async Task An_empty_root_takes_words()
    {
        using var build = new Build();
        File.WriteAllText(build["words.c"], """
            #include <stdio.h>
            int main(int count, char **words) { printf("%d words, the last is %s\n", count, words[count - 1]); return 0; }
            """);
        build.WriteProject(
            """
            <UmlArtifact Include="words" GuestPath="/opt/words" />
            <UmlGuestCommand Include="/opt/words one  two" Root="empty" />
            <UmlGuestCommand Include="with a space" Arguments="/opt/words;one two" Root="empty" />
            """,
            build: """<Exec Command="gcc -static -o words words.c" />""");

        build.StartBuild();

        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.Contains("3 words, the last is two", build.Output, StringComparison.Ordinal);
        Assert.Contains("2 words, the last is one two", build.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("UML0009", """<UmlArtifact Include="file" GuestDirectory="/opt" /><UmlGuestCommand Include="true" />""", "\"file\" has no metadatum GuestPath (it has GuestDirectory)")]
    [InlineData("UML0009", """<UmlArtifact Include="missing" GuestPath="/opt" /><UmlGuestCommand Include="true" />""", "\"missing\" does not exist")]
    [InlineData("UML0009", """<UmlGuestCommand Include="true" Timeout="1" />""", "\"true\" has the unknown metadatum Timeout")]
    [InlineData("UML0009", """<UmlGuestCommand Include="true" TimeoutSeconds="soon" />""", "TimeoutSeconds \"soon\"")]
    [InlineData("UML0009", """<UmlGuestCommand Include="true" Command="true" Arguments="true" />""", "both Command, for a shell, and Arguments")]
    [InlineData("UML0009", """<UmlKernel Include="nonsense:x" />""", "unknown scheme")]
    [InlineData("UML0009", """<UmlGuestCommand Include="true" Kernel="nonsense:x" />""", "unknown scheme")]
    [InlineData("UML0008", """<UmlKernel Include="./no-kernel" />""", "no-kernel does not exist")]
    [InlineData("UML0007", """<UmlGuestCommand Include="true" Memory="much" />""", "\"much\"")]
    [InlineData("UML0004", """<UmlGuestCommand Include="sleep 60" TimeoutSeconds="1" />""", "did not end within 1 s")]
    public async Task What_is_wrong_has_a_code_and_names_the_item(string code, string items, string text)
    {
        using var build = new Build();
        File.WriteAllText(build["file"], "");
        string project = build.WriteProject(items);

        build.StartBuild();

        Assert.Equal(1, await build.WaitAsync());
        Match error = Regex.Match(build.Output, @"(?m)^\s*(?<file>\S+) : error (?<code>\w+): (?<text>.*)$", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(10));
        Assert.True(error.Success, build.Output);
        Assert.Equal((project, code), (error.Groups["file"].Value, error.Groups["code"].Value));
        Assert.Contains(text, error.Groups["text"].Value, StringComparison.Ordinal);
        Assert.DoesNotContain("MSB4", build.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-m:4")]
    [InlineData("-m:4", "-mt")]
    public async Task Several_projects_are_built_at_once_each_in_its_own_directory(params string[] switches)
    {
        using var build = new Build();
        string[] names = ["one", "two", "three", "four"];
        foreach (string name in names)
        {
            build.WriteProject($"""
                <UmlArtifact Include="file" GuestPath="/opt/" />
                <UmlGuestCommand Include="cat /opt/file; pwd" Inputs="file" />
                """, $"{name}/test.proj", $"""<RunInGuest Command="echo task in %24(pwd)" Artifacts="@(UmlArtifact)" />""");
            File.WriteAllText(build[$"{name}/file"], $"the file of {name}\n");
        }

        File.WriteAllText(build["all.proj"], """
            <Project DefaultTargets="Build">
              <Target Name="Build">
                <MSBuild Projects="one/test.proj;two/test.proj;three/test.proj;four/test.proj" BuildInParallel="true" />
              </Target>
            </Project>
            """);

        build.StartBuild("all.proj", switches);

        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.All(names, n => Assert.Contains($"the file of {n}", build.Output, StringComparison.Ordinal));
        Assert.All(names, n => Assert.Matches($@"(?m)^\s*(\d+>)?{Regex.Escape(build[n])}$", build.Output));
        Assert.All(names, n => Assert.Contains($"task in {build[n]}", build.Output, StringComparison.Ordinal));
        Assert.All(names, n => Assert.True(File.Exists(build[$"{n}/obj/test.proj.UmlGuestCommands.stamp"]), n));
        Assert.Empty(Directory.EnumerateFileSystemEntries(build.GuestDirectory));
    }

    [Fact]
    public async Task Under_mt_the_targets_tasks_need_no_process_of_their_own()
    {
        using var build = new Build();
        build.WriteProject("""<UmlGuestCommand Include="true" />""");

        build.StartBuild("test.proj", "-mt", "-v:diagnostic");

        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.Contains("Running \"true\"", build.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("ran in TaskHost", build.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Neither_kernels_nor_commands_are_for_builds_that_do_not_want_them()
    {
        using var build = new Build();
        build.WriteProject("""<UmlKernel Include="./no-kernel" /><UmlGuestCommand Include="false" />""");

        foreach (string switches in (string[])["-p:DesignTimeBuild=true", "-p:UmlRestoreKernelsOnBuild=false -p:UmlRunGuestCommandsOnBuild=false"])
        {
            build.StartBuild("test.proj", switches.Split(' '));
            Assert.True(await build.WaitAsync() == 0, build.Output);
        }
    }
}
