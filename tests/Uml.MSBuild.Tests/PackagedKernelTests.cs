using Xunit;

namespace Uml.CI.MSBuild;

/// <summary>Kernels from packages in a build: the project's NuGet.Config says where from.</summary>
public sealed class PackagedKernelTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("")]
    [InlineData("-mt")]
    [InlineData("-p:UmlTaskFactory=TaskHostFactory")]
    public async Task A_build_pulls_and_boots_a_kernel(string argument)
    {
        TestPackage package = await RealPackage.CreateAsync(Cancelled);
        string series = package.Version[..package.Version.LastIndexOf('.')];
        await using TestFeed feed = new TestFeed().Add(package);
        using Build build = NewBuild(feed.Config());
        build.WriteProject($"""
            <UmlKernel Include="{series}" />
            <UmlGuestCommand Include="release" Command="echo it runs on %24(uname -r)" />
            """, "project/test.proj");
        File.WriteAllText(build["project/uml.lock.json"], """{ "version": 1, "kernels": {} }""");

        build.StartBuild("project/test.proj", argument.Length > 0 ? [argument] : []);
        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.Contains($"Kernel: downloading Uml.Kernel.Image {package.Version} from loopback", build.Output, StringComparison.Ordinal);
        Assert.True(build.Output.Contains($"it runs on {package.Version}", StringComparison.Ordinal), build.Output);
        Assert.Equal(1, feed.Downloads);
        Assert.Contains(KernelLock.Load(build["project/uml.lock.json"]).Entries, e => e.Key == series && e.Value.PackageVersion == package.Version && e.Value.ContentHash is not null);
        await build.AssertGuestsGoneAsync([]);

        // Nothing is asked again, and nothing is run again.
        feed.Requests.Clear();
        build.StartBuild("project/test.proj", argument.Length > 0 ? [argument] : []);
        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.DoesNotContain("Kernel:", build.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("it runs on", build.Output, StringComparison.Ordinal);
        Assert.Empty(feed.Requests);
    }

    [Fact]
    public async Task What_is_wrong_is_an_error_of_the_project()
    {
        await using TestFeed feed = new();
        using Build build = NewBuild(feed.Config());
        string project = build.WriteProject("""<UmlKernel Include="7.3" />""", "project/test.proj");
        build.StartBuild("project/test.proj");
        Assert.Equal(1, await build.WaitAsync());
        Assert.True(build.Output.Contains($"{project} : error UML0008: 7.3 cannot be found: there is no package Uml.Kernel.Image on loopback", StringComparison.Ordinal), build.Output);

        build.WriteProject("""<UmlKernel Include="nuget:Uml.Kernel.Image@[7,6" />""", "project/test.proj");
        build.StartBuild("project/test.proj");
        Assert.Equal(1, await build.WaitAsync());
        Assert.True(build.Output.Contains($"{project} : error UML0009: ", StringComparison.Ordinal), build.Output);

        feed.Add("Uml.Kernel.Image", "7.3.4", new TestPackage("7.3.4", "no kernel"u8.ToArray()).Build());
        build.WriteProject("""<UmlKernel Include="7.3" />""", "project/test.proj");
        build.StartBuild("project/test.proj");
        Assert.Equal(1, await build.WaitAsync());
        Assert.True(build.Output.Contains($"{project} : error UML0008: 7.3: the package Uml.Kernel.Image 7.3.4 from the feed loopback ({feed.Address}) is refused: its kernel/linux is not an ELF executable", StringComparison.Ordinal), build.Output);
    }

    [Fact]
    public async Task A_feed_that_is_down_is_a_warning_and_Ctrl_C_ends_a_download()
    {
        TaskCompletionSource never = new();
        await using TestFeed feed = new TestFeed { HalfWay = never.Task }.Add(new TestPackage("7.3.4", new byte[100_000]));
        await using TestFeed broken = new() { Fails = 404 };
        using Build build = NewBuild(TestFeed.ConfigOf($"""
            <add key="broken" value="{broken.Address}" allowInsecureConnections="true" />
            <add key="loopback" value="{feed.Address}" allowInsecureConnections="true" />
            """));
        build.WriteProject("""<UmlKernel Include="7.3" />""", "project/test.proj");
        build.StartBuild("project/test.proj");
        await build.WaitForOutputAsync("downloading Uml.Kernel.Image 7.3.4");
        Assert.Contains("warning UML0011: Kernel: the feed broken", build.Output, StringComparison.Ordinal);
        while (feed.Downloads == 0)
            await Task.Delay(20, Cancelled);
        build.Signal("INT");
        Assert.NotEqual(0, await build.WaitAsync());
        Assert.Empty(Directory.EnumerateDirectories(build["cache/tmp"]));
    }

    /// <summary>A build in another directory than the project's, with a store of its own.</summary>
    private static Build NewBuild(string config)
    {
        var build = new Build();
        Directory.CreateDirectory(build["project"]);
        File.WriteAllText(build["project/NuGet.Config"], config);
        return build.With("UML_CACHE", build["cache"]).With("NUGET_PACKAGES", "");
    }
}
