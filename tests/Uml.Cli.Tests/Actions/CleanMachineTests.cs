namespace Uml.CI.Cli.Tests;

/// <summary>The action on a machine that has nothing but an SDK and a C compiler: it builds its tool, keeps it in the cache, boots a kernel, and shows a failure at its line.</summary>
/// <remarks>
/// With <c>UML_TEST_CLEAN=1</c>, for a fresh image: the tests fetch packages and kernels and compile the guest's native
/// program as well. Without it these are this machine's own, and the home directory is empty.
/// </remarks>
public sealed class CleanMachineTests : ToolTests
{
    private static readonly bool s_clean = Environment.GetEnvironmentVariable("UML_TEST_CLEAN") is { Length: > 0 };

    [Fact]
    public async Task It_builds_its_tool_keeps_it_and_shows_a_failure_at_its_line()
    {
        await CheckOutAsync();
        WorkflowRunner runner = Runner();
        string file = Path.Combine(runner.Workspace, "tests/größe of.c");
        System.IO.Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        await File.WriteAllTextAsync(file, "#include <assert.h>\nint main(void)\n{\n    assert(sizeof(long) == 4);\n}\n", Cancel);
        Dictionary<string, string> inputs = new(StringComparer.Ordinal) { ["kernel"] = "debian:sid", ["run"] = "uname -r\ngcc -o /tmp/check 'tests/größe of.c'\n/tmp/check\n" };

        StepResult first = await runner.UseActionAsync(inputs);
        TestContext.Current.TestOutputHelper!.WriteLine(first.ToString());
        Assert.True(first.ExitCode == 134, first.ToString());
        Assert.Contains("Building uml, once; about a minute ...", first.Log.Lines);
        Assert.Contains("This machine runs guests.", first.Log.Lines);
        AssertPlace(first);
        string entry = Assert.Single(System.IO.Directory.GetDirectories(this["cache"]));
        Assert.Matches("^uml-tool-[a-z]+-[0-9.]+-x86_64-[0-9a-f]{32}$", Path.GetFileName(entry));

        // The next job has a fresh checkout and a cache.
        await CheckOutAsync();
        StepResult second = await runner.UseActionAsync(inputs);
        Assert.DoesNotContain("Building uml, once; about a minute ...", second.Log.Lines);
        AssertPlace(second);

        // Any source of the tool makes it another one.
        string key = Path.GetFileName(entry);
        foreach (string source in (string[])["src/Uml.Agent/Program.cs", "testimages/kernels/fast.config", "Directory.Packages.props", "uml"])
        {
            await File.AppendAllTextAsync(this[$"action/{source}"], "\n", Cancel);
            string changed = await KeyAsync();
            Assert.NotEqual(key, changed);
            key = changed;
        }

        // What is no source of it does not.
        await File.AppendAllTextAsync(this["action/docs/github.md"], "\n", Cancel);
        Assert.Equal(key, await KeyAsync());
    }

    [Fact]
    public async Task A_tool_that_cannot_be_built_is_told_where_it_is_seen()
    {
        await CheckOutAsync();
        await File.AppendAllTextAsync(this["action/src/Uml.Cli/Program.cs"], "<", Cancel);
        StepResult step = await Runner().UseActionAsync(new Dictionary<string, string>(StringComparer.Ordinal) { ["run"] = "true" });
        Assert.Equal((125, "unavailable"), (step.ExitCode, step.Outputs["status"]));
        Assert.Equal("the tool cannot be built: the log says why", Assert.Single(step.Log.Errors).Text);
        Assert.True(step.Log.Text.Contains("Program.cs(", StringComparison.Ordinal), step.ToString());
        Assert.Equal(step.Log.Commands.Count(c => c.Name == "group"), step.Log.Commands.Count(c => c.Name == "endgroup"));
    }

    private static void AssertPlace(StepResult step)
    {
        (Dictionary<string, string> place, string text) = Assert.Single(step.Log.Errors);
        Assert.Equal(("tests/größe of.c", "4"), (place["file"], place["line"]));
        Assert.Equal("main: Assertion `sizeof(long) == 4' failed.\n(debian:sid)", text);
        Assert.StartsWith("7.", step.Outputs["kernel-release"], StringComparison.Ordinal);
    }

    private WorkflowRunner Runner()
    {
        string dotnet = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').First(d => File.Exists(Path.Combine(d, "dotnet")));
        var runner = new WorkflowRunner(Directory, (program, arguments, environment, directory) => StartProgram(program, arguments, environment, directory))
        {
            ActionDirectory = this["action"],
            CacheDirectory = System.IO.Directory.CreateDirectory(this["cache"]).FullName,
            SearchPath = $"/usr/bin:/bin:{dotnet}",
        };
        if (!s_clean)
        {
            string home = Environment.GetEnvironmentVariable("HOME") ?? "/";
            runner.Variables["NUGET_PACKAGES"] = Environment.GetEnvironmentVariable("NUGET_PACKAGES") ?? Path.Combine(home, ".nuget/packages");
            runner.Variables["XDG_CACHE_HOME"] = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") ?? Path.Combine(home, ".cache");
            runner.Variables["HOME"] = System.IO.Directory.CreateDirectory(this["home"]).FullName;
        }

        return runner;
    }

    private async Task<string> KeyAsync()
    {
        Run run = await ShellAsync("GITHUB_OUTPUT=/dev/stdout action/action/find");
        Assert.Equal(0, run.ExitCode);
        return run.Output["cache-key=".Length..].TrimEnd('\n');
    }

    // As actions/checkout leaves it: the sources, all of them new.
    private async Task CheckOutAsync()
    {
        string root = Environment.GetEnvironmentVariable("UML_TEST_SOURCES") is { Length: > 0 } given ? given : Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../.."));
        Assert.True(File.Exists(Path.Combine(root, "Uml.CI.sln")), $"{root} is no checkout: name one by UML_TEST_SOURCES");
        Run run = await ShellAsync($$"""
            set -e; root='{{root}}'; rm -rf action; mkdir action
            (cd "$root"; tar -c action action.yml docs src testimages uml Directory.* global.json) | tar -x -m -C action
            if [ -z '{{(s_clean ? "clean" : "")}}' ]; then mkdir -p action/artifacts/publish; cp -r "$root/artifacts/publish/Uml.Agent" action/artifacts/publish/; fi
            """);
        Assert.True(run.ExitCode == 0, run.ToString());
    }
}
