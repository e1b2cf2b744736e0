using Xunit;

namespace Uml.CI.MSBuild;

public sealed class SampleTests
{
    [Fact]
    public async Task The_sample_builds_a_tool_and_runs_it_in_a_guest_once()
    {
        string[] arguments = ["build", Path.Combine(Build.Metadata("Samples"), "MSBuildTask"), "-c", Build.Metadata("Configuration"), "-tl:off", "-nodeReuse:false", "-p:BuildProjectReferences=false"];
        using Build build = new Build().StartDotnet([.. arguments, "-t:Rebuild"]);
        Assert.True(await build.WaitAsync() == 0, build.Output);
        Assert.Matches(@"The tool ran on: \d+\.\d+", build.Output);

        using Build again = new Build().StartDotnet(arguments);
        Assert.True(await again.WaitAsync() == 0, again.Output);
        Assert.DoesNotContain("The tool ran on", again.Output, StringComparison.Ordinal);
    }
}
