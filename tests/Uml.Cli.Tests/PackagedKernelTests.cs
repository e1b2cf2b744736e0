namespace Uml.CI.Cli.Tests;

/// <summary>Kernels from packages, as the tool gets them.</summary>
public sealed class PackagedKernelTests : ToolTests
{
    private Dictionary<string, string?> Environment => new() { ["UML_CACHE"] = this["cache"], ["NUGET_PACKAGES"] = null };

    [Fact]
    public async Task A_kernel_of_a_feed_boots_and_is_pinned()
    {
        TestPackage package = await RealPackage.CreateAsync(Cancel);
        string series = package.Version[..package.Version.LastIndexOf('.')];
        await using TestFeed feed = new TestFeed().Add(package).Add(new TestPackage("99.1.0-rc1", [1]));
        await File.WriteAllTextAsync(this["NuGet.Config"], feed.Config(), Cancel);

        Run run = await RunAsync(["run", "--kernel", series, "uname", "-r"], null, Environment);
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.StartsWith(package.Version, run.Output, StringComparison.Ordinal);

        run = await RunAsync(["kernel", "pull", "--lock", package.Version, $"{series}.*", "latest"], null, Environment);
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.True(4 == run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length, run.ToString());
        Assert.Equal(1, feed.Downloads);
        Assert.Equal([series, package.Version, "latest"], KernelLock.Load(this["uml.lock.json"]).Entries.Keys);
        Assert.Single(System.IO.Directory.EnumerateDirectories(this["cache/kernels"]));

        run = await RunAsync(["run", "--kernel", "7.3", "true"], null, Environment);
        Assert.Equal(125, run.ExitCode);
        Assert.Equal("uml: 7.3 cannot be found: Uml.Kernel.Image has no such version on loopback", run.Error.Split(", but")[0]);
    }

    [Fact]
    public async Task Tests_run_on_a_kernel_of_a_folder()
    {
        TestPackage package = await RealPackage.CreateAsync(Cancel);
        package.PutInto(this["feed"]);
        await File.WriteAllTextAsync(this["NuGet.Config"], TestFeed.ConfigOf("""<add key="folder" value="feed" />"""), Cancel);
        Run run = await RunAsync(["test", TestCommandTests.Assembly, "--kernel", "latest", "--filter-method", "*.Runs_on_any"], null, Environment);
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.StartsWith($"Demo.Tests [latest]: 1 passed, 0 failed on Linux {package.Version}", run.Output, StringComparison.Ordinal);
    }
}
