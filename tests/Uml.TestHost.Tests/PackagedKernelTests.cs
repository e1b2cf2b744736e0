using Xunit;

namespace Uml.CI.TestHost;

/// <summary>Fixtures with kernels from packages.</summary>
public sealed class PackagedKernelTests
{
    [Fact]
    public async Task Fixtures_take_kernels_from_the_users_feeds()
    {
        TestPackage package = await RealPackage.CreateAsync(TestContext.Current.CancellationToken);
        string series = package.Version[..package.Version.LastIndexOf('.')];
        await using TestFeed feed = new TestFeed().Add(package);
        DirectoryInfo home = Directory.CreateTempSubdirectory("uml-testhost-home-");
        try
        {
            string settings = Path.Combine(home.FullName, ".nuget/NuGet/NuGet.Config");
            Directory.CreateDirectory(Path.GetDirectoryName(settings)!);
            await File.WriteAllTextAsync(settings, feed.Config(), TestContext.Current.CancellationToken);
            using ChildRun run = ChildRun.OfClass(
                "PackagedCases", ("HOME", home.FullName), ("DOTNET_CLI_HOME", home.FullName), ("NUGET_PACKAGES", ""), ("UML_CACHE", Path.Combine(home.FullName, "cache")), ("UML_KERNEL", series));
            Dictionary<string, Result> results = await run.WaitAsync();
            Assert.Equal(["Of_the_attribute [latest]", "Of_the_builder", "Of_the_environment"], results.Keys.Order(StringComparer.Ordinal));
            Assert.All(results.Values, r => Assert.True(r.Status == "passed", r.Everything));
            Assert.Contains($"package {package.Version} for latest", results["Of_the_attribute [latest]"].Output, StringComparison.Ordinal);
            Assert.Contains($"package {package.Version} for {series}", results["Of_the_environment"].Output, StringComparison.Ordinal);
            Assert.Equal(1, feed.Downloads);
            await run.AssertNothingLeftAsync();
        }
        finally
        {
            home.Delete(recursive: true);
        }
    }
}
