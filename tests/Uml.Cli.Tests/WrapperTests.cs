namespace Uml.CI.Cli.Tests;

/// <summary>The script at the root of the source tree, in a tree of its own with a compiler that is none.</summary>
public sealed class WrapperTests : ToolTests
{
    private const string Dotnet = """
        #!/bin/sh
        case $1 in
        --version) echo 10.0.100 ;;
        publish)
            echo built >> "$BUILDS"
            while [ "$1" != -o ]; do shift; done
            sleep 0.5
            printf '#!/bin/sh\necho "tool: $*"\n' > "$2/uml"; chmod +x "$2/uml"
            ;;
        esac
        """;

    [Fact]
    public async Task It_builds_once_and_again_when_a_source_is_newer()
    {
        Dictionary<string, string?> environment = await TreeAsync();
        Run first = await ShellAsync("'tree of mine/uml' run 'a b'", environment);
        Assert.True(first.ExitCode == 0, first.ToString());
        Assert.Equal("tool: run a b\n", first.Output);
        Assert.Equal("Building uml, once; about a minute ...\n", first.Error);

        Run second = await ShellAsync("cd / && '" + this["tree of mine/uml"] + "' x", environment);
        Assert.Equal(("tool: x\n", ""), (second.Output, second.Error));

        File.SetLastWriteTimeUtc(this["tree of mine/src/Uml.Guest/x.cs"], DateTime.UtcNow.AddMinutes(1));
        await ShellAsync("'tree of mine/uml' x", environment);
        Assert.Equal("built\nbuilt\n", File.ReadAllText(this["builds"]));
    }

    [Fact]
    public async Task Two_at_once_build_once()
    {
        Dictionary<string, string?> environment = await TreeAsync();
        Run run = await ShellAsync("'tree of mine/uml' 1 & 'tree of mine/uml' 2 & wait", environment);
        Assert.Equal(["tool: 1", "tool: 2"], run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal));
        Assert.Equal("built\n", File.ReadAllText(this["builds"]));
    }

    [Fact]
    public async Task It_works_through_links_and_the_search_path()
    {
        Dictionary<string, string?> environment = await TreeAsync();
        Run run = await ShellAsync("mkdir links; ln -s '../tree of mine/uml' links/one; ln -s one links/two; links/two a; PATH=\"$PWD/links:$PATH\"; two b", environment);
        Assert.Equal("tool: a\ntool: b\n", run.Output);
    }

    [Fact]
    public async Task A_missing_sdk_is_named()
    {
        Dictionary<string, string?> environment = await TreeAsync();
        File.Delete(this["bin/dotnet"]);
        foreach (string program in (string[])["sh", "dirname", "readlink", "find", "head", "mkdir", "flock", "grep", "tr"])
            File.CreateSymbolicLink(this[$"bin/{program}"], $"/usr/bin/{program}");
        environment["PATH"] = this["bin"];
        Run run = await ShellAsync("'tree of mine/uml' x", environment);
        Assert.Equal(125, run.ExitCode);
        Assert.Contains(".NET 10 SDK", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_build_that_fails_is_told_and_leaves_nothing()
    {
        Dictionary<string, string?> environment = await TreeAsync();
        File.WriteAllText(this["bin/dotnet"], "#!/bin/sh\n[ $1 = --version ] && exit 0\necho 'x.cs(1,1): error CS1: no'\nexit 1\n");
        Run run = await ShellAsync("'tree of mine/uml' x", environment);
        Assert.Equal(125, run.ExitCode);
        Assert.Contains("error CS1: no", run.Error, StringComparison.Ordinal);
        Assert.Contains("build.log", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(System.IO.Directory.GetDirectories(this["tree of mine/artifacts/uml"]), d => char.IsAsciiDigit(Path.GetFileName(d)[0]));
    }

    private async Task<Dictionary<string, string?>> TreeAsync()
    {
        foreach (string project in (string[])["Cli", "TestRun", "Guest", "Kernel", "Wire", "Agent"])
        {
            System.IO.Directory.CreateDirectory(this[$"tree of mine/src/Uml.{project}"]);
            await File.WriteAllTextAsync(this[$"tree of mine/src/Uml.{project}/x.cs"], "", Cancel);
        }

        File.Copy(Path.Combine(AppContext.BaseDirectory, "wrapper.sh"), this["tree of mine/uml"]);
        System.IO.Directory.CreateDirectory(this["bin"]);
        await File.WriteAllTextAsync(this["bin/dotnet"], Dotnet, Cancel);
        foreach (string script in (string[])["tree of mine/uml", "bin/dotnet"])
            File.SetUnixFileMode(this[script], (UnixFileMode)0x1ed);
        return new Dictionary<string, string?> { ["PATH"] = $"{this["bin"]}:/usr/bin:/bin", ["BUILDS"] = this["builds"] };
    }
}
