namespace Uml.CI.Packages.Tests;

public sealed class ToolTests(Feed feed)
{
    [Fact]
    public async Task The_tool_is_installed_and_runs_a_guest()
    {
        using Folder folder = feed.CreateFolder();
        await folder.DotnetAsync("tool", "install", "Uml.Cli", "--version", Feed.Version, "--tool-path", folder["tools"], "--configfile", folder["NuGet.Config"]);

        (int status, string output) = await Dotnet.TryAsync(feed, folder["tools/uml"], folder[""], ["run", "--kernel", "debian:bookworm", "--", "sh", "-c", "uname -r; exit 7"]);

        Assert.Equal(7, status);
        Assert.StartsWith("6.1.", output, StringComparison.Ordinal);
    }
}
