using Xunit;

namespace Uml.CI;

/// <summary>Which SDK's NuGet client is taken.</summary>
public sealed class DotNetSdkTests
{
    [Fact]
    public void The_newest_that_this_runtime_can_run_is_taken()
    {
        using Scratch scratch = new();
        int own = Environment.Version.Major;
        string[] versions = ["8.0.404", $"{own}.0.900-preview.1.26104.118", $"{own}.0.899", $"{own + 1}.0.100", "7.0.410", "NuGetFallbackFolder"];
        foreach (string version in versions)
            scratch.Write($"sdk/{version}/NuGet.Protocol.dll", "");
        Directory.CreateDirectory(scratch[$"sdk/{own}.9.999"]);
        HostTools host = new() { DotNetRoots = [scratch.Path] };
        Assert.Equal(scratch[$"sdk/{own}.0.900-preview.1.26104.118"], DotNetSdk.Find(host)!.Directory);
        Directory.Delete(scratch[$"sdk/{own}.0.900-preview.1.26104.118"], recursive: true);
        Assert.Equal(scratch[$"sdk/{own}.0.899"], DotNetSdk.Find(host)!.Directory);
        Directory.Delete(scratch[$"sdk/{own}.0.899"], recursive: true);
        Assert.Equal(scratch["sdk/8.0.404"], DotNetSdk.Find(host)!.Directory);
        Directory.Delete(scratch["sdk/8.0.404"], recursive: true);
        Assert.Equal(scratch[$"sdk/{own + 1}.0.100"], DotNetSdk.Find(host)!.Directory);
        Directory.Delete(scratch[$"sdk/{own + 1}.0.100"], recursive: true);
        Assert.Null(DotNetSdk.Find(host));
        Assert.Contains($"none in {scratch.Path}: install it", SdkAssemblies.WhyMissing(host), StringComparison.Ordinal);
    }

    [Fact]
    public void It_is_looked_for_where_dotnet_is()
    {
        using Scratch scratch = new();
        scratch.Write("real/dotnet", "", executable: true);
        Directory.CreateDirectory(scratch["bin"]);
        File.CreateSymbolicLink(scratch["bin/dotnet"], scratch["real/dotnet"]);
        IReadOnlyList<string> roots = DotNetSdk.Roots(new HostTools { Variable = name => name == "PATH" ? scratch["bin"] : null });
        Assert.Contains(HostLibraries.RealPath(scratch["real"]), roots);
        roots = DotNetSdk.Roots(new HostTools { Variable = name => name == "DOTNET_HOST_PATH" ? scratch["bin/dotnet"] : null });
        Assert.Equal(HostLibraries.RealPath(scratch["real"]), roots[0]);
        roots = DotNetSdk.Roots(new HostTools { Variable = name => name == "DOTNET_ROOT" ? scratch["real"] : null });
        Assert.Equal(HostLibraries.RealPath(scratch["real"]), roots[0]);

        // The one that runs these tests.
        Assert.NotNull(DotNetSdk.Find(HostTools.Default));
    }
}
