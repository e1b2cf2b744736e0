using System.Text.RegularExpressions;

namespace Uml.CI.Packages.Tests;

/// <summary>The first test of docs/dotnet.md, in an empty folder, with nothing but the packages.</summary>
public sealed class DocumentTests(Feed feed)
{
    private static readonly (string Language, string Text)[] Blocks = [.. Regex
        .Matches(File.ReadAllText(Path.Combine(Feed.Root, "docs/dotnet.md")), @"^```(?<language>\w+)\n(?<text>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(10))
        .Select(m => (m.Groups["language"].Value, m.Groups["text"].Value))];

    [Fact]
    public async Task The_first_test_passes_on_an_old_and_on_a_new_kernel()
    {
        using Folder folder = feed.CreateFolder();
        folder.Write("GuestTests.csproj", Blocks.First(b => b.Language == "xml").Text);
        folder.Write("global.json", Blocks.First(b => b.Language == "json").Text);
        folder.Write("HelloTests.cs", Blocks.First(b => b.Language == "csharp").Text);
        string[] command = Blocks.First(b => b.Language == "sh" && b.Text.StartsWith("dotnet test", StringComparison.Ordinal)).Text.Trim().Split(' ');

        Assert.Matches(@"succeeded: 1\b", await RunAsync("debian:bookworm"));
        Assert.Matches(@"succeeded: 1\b", await RunAsync("debian:sid", "--no-build"));
        // Not at run time: the build has the kernel ready, or says why not.
        folder.Write("bin/apt-config", "#!/bin/sh\nexit 1\n");
        File.SetUnixFileMode(folder["bin/apt-config"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        (int status, string output) = await Dotnet.TryAsync(
            feed, "dotnet", folder[""], ["build", "-tl:off"], ("UML_REQUIRED", "1"), ("UML_CACHE", folder["cache"]), ("PATH", $"{folder["bin"]}:{Environment.GetEnvironmentVariable("PATH")}"));
        Assert.NotEqual(0, status);
        Assert.Contains("error UML0008: debian:sid cannot be fetched", output, StringComparison.Ordinal);
        // It is the variable that says which kernel.
        Assert.Matches(@"failed: 1\b", await RunAsync("file:/no/kernel", "--no-build"));

        async Task<string> RunAsync(string kernel, params string[] more) =>
            (await Dotnet.TryAsync(feed, command[0], folder[""], [.. command[1..], .. more], ("UML_KERNEL", kernel))).Output;
    }

    [Fact]
    public async Task Tests_run_inside_kernels_with_the_commands_of_the_document()
    {
        using Folder folder = feed.CreateFolder().Copy("samples/InsideKernel");
        string[] commands = Blocks.First(b => b.Language == "sh" && b.Text.Contains("-p:UmlKernel", StringComparison.Ordinal)).Text.Trim().Split('\n');

        Assert.Equal(2, commands.Length);
        foreach (string[] command in commands.Select(c => c.Split(' ')))
            Assert.Matches(@"succeeded: [34]\b", await folder.DotnetAsync(command[1..]));
        Assert.Single(Directory.GetFiles(folder["results"], "*.trx"));
    }

    [Fact]
    public void Every_package_of_the_document_is_one_of_this_version()
    {
        string[] versions = [.. Directory.GetFiles(Path.Combine(Feed.Root, "samples"), "*.csproj", SearchOption.AllDirectories).Select(File.ReadAllText).Concat(Blocks.Select(b => b.Text))
            .SelectMany(t => Regex.Matches(t, "Include=\"Uml\\.\\w+\" Version=\"(?<version>[^\"]*)\"", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(10)))
            .Select(m => m.Groups["version"].Value)];

        Assert.NotEmpty(versions);
        Assert.All(versions, v => Assert.Equal(Feed.Version, v));
    }
}
