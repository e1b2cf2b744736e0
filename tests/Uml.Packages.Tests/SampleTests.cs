using System.Text.RegularExpressions;

namespace Uml.CI.Packages.Tests;

/// <summary>Every sample, copied to a folder outside of the repository, does with the packages what it is there for.</summary>
public sealed class SampleTests(Feed feed)
{
    [Fact]
    public void There_is_a_test_for_every_sample() =>
        // The workflows' steps are run by Uml.Cli.Tests.
        Assert.Equal(
            ["GuestTests", "InsideKernel", "NativeTool", "ThreeKernels", "workflows"],
            Directory.GetDirectories(Path.Combine(Feed.Root, "samples")).Select(d => Path.GetFileName(d)).Order(StringComparer.Ordinal));

    [Fact]
    public async Task A_library_passes_on_three_kernels()
    {
        using Folder folder = feed.CreateFolder().Copy("samples/ThreeKernels");

        string output = await folder.DotnetAsync("test", "--project", "SealedMemory.Tests", "--minimum-expected-tests", "3");

        Assert.Matches(@"succeeded: 3\b", output);
    }

    [Fact]
    public async Task A_native_tool_is_built_and_passes_once()
    {
        using Folder folder = feed.CreateFolder().Copy("samples/NativeTool");

        string output = await folder.DotnetAsync("build", "-tl:off", "-nologo");
        Assert.True(Regex.Count(output, @"(?m)^\s*Running ") == 3, output);
        Assert.Contains("  Running \"sid is newer\" on debian:sid (7.2", output, StringComparison.Ordinal);

        output = await folder.DotnetAsync("build", "-tl:off", "-nologo");
        Assert.DoesNotContain("Running ", output, StringComparison.Ordinal);

        output = await folder.DotnetAsync("build", "-tl:off", "-nologo", "-t:ShowRelease");
        Assert.Matches(@"The tool ran on 6\.1\.", output);

        // What has been changed is built and run again, and an old kernel is an error of the build.
        string source = File.ReadAllText(folder["release.c"]);
        folder.Write("release.c", source + "\n");
        folder.Write("NativeTool.csproj", File.ReadAllText(folder["NativeTool.csproj"]).Replace("--at-least;6.1", "--at-least;7.0", StringComparison.Ordinal));
        (int status, output) = await Dotnet.TryAsync(feed, "dotnet", folder[""], ["build", "-tl:off", "-nologo"]);
        Assert.NotEqual(0, status);
        Assert.Matches(@"release ?: error : 6\.1\.\S+ is older than 7\.0", output);
        Assert.Contains("NativeTool.csproj : error UML0005: The command \"every kernel is new enough\" on debian:bookworm exited with code 1.", output, StringComparison.Ordinal);
        Assert.True(Regex.Count(output, @"(?m)^\s*Running ") == 3, output);

        await folder.DotnetAsync("clean", "-tl:off", "-nologo");
        Assert.Empty(Directory.GetFiles(folder["obj"], "*.stamp", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task A_project_that_knows_nothing_of_guests_passes_on_the_host_and_in_kernels()
    {
        using Folder folder = feed.CreateFolder().Copy("samples/InsideKernel");

        Assert.Matches(@"succeeded: 4\b", await folder.DotnetAsync("test", "--minimum-expected-tests", "4"));
        Assert.Matches(@"succeeded: 4\b", await InKernelAsync("debian:bookworm", "6.1."));
        Assert.Matches(@"succeeded: 4\b", await InKernelAsync("debian:sid", "7.2."));
        Assert.Matches(@"failed: 1\b", await InKernelAsync("debian:sid", "6.1."));

        async Task<string> InKernelAsync(string kernel, string release) =>
            (await Dotnet.TryAsync(feed, "dotnet", folder[""], ["test", $"-p:UmlKernel={kernel}", $"-p:UmlEnvironment=EXPECTED_RELEASE={release}", "--minimum-expected-tests", "4"])).Output;
    }

    [Fact]
    public async Task Fixtures_pass()
    {
        using Folder folder = feed.CreateFolder().Copy("samples/GuestTests");

        string output = await folder.DotnetAsync("test", "--minimum-expected-tests", "5");

        Assert.Matches(@"failed: 0\b", output);

        folder.Write("FailingTests.cs", """
            using Uml.CI.TestHost;
            using Xunit;

            namespace GuestTests;

            public sealed class FailingTests : GuestTest
            {
                [Fact]
                public async Task Fails()
                {
                    await Guest.ExecAsync(["sh", "-c", "echo marker-of-the-kernel > /dev/kmsg; echo said"], TestContext.Current.CancellationToken);
                    Assert.Fail("as it should");
                }

                [Fact]
                public async Task Panics() => await Guest.ExecAsync(["sh", "-c", "echo c > /proc/sysrq-trigger"], TestContext.Current.CancellationToken);

                [Fact]
                public async Task Is_a_neighbour() => Assert.True((await Guest.ExecAsync(["true"], TestContext.Current.CancellationToken)).Success);

                [Fact(Timeout = 4000)]
                public async Task Hangs() => await Guest.ExecAsync(["sleep", "1000"], TestContext.Current.CancellationToken);
            }
            """);
        (int status, output) = await Dotnet.TryAsync(feed, "dotnet", folder[""], ["test", "--filter-class", "GuestTests.FailingTests", "--results-directory", folder["results"]]);
        Assert.Equal(2, status);
        Assert.Matches(@"failed: 3\b", output);
        Assert.Matches(@"succeeded: 1\b", output);
        Assert.DoesNotContain("AggregateException", output, StringComparison.Ordinal);
        string fails = output[output.IndexOf("failed GuestTests.FailingTests.Fails", StringComparison.Ordinal)..];
        Assert.Matches(@"(?s)^.{0,200}as it should.{0,600}marker-of-the-kernel", fails);
        Assert.Contains("Kernel panic - not syncing: sysrq triggered crash", output, StringComparison.Ordinal);
        string[] states = Directory.GetFiles(folder["results"], "guest-state.txt", SearchOption.AllDirectories);
        Assert.Contains(states, s => File.ReadAllText(s).Contains("\"sleep 1000\" sleeping in", StringComparison.Ordinal));
    }
}
