using System.Diagnostics;
using System.Text.Json;
using System.Xml.Linq;

namespace Uml.CI.Cli.Tests;

public sealed class TestCommandTests : ToolTests
{
    private const int Interrupt = 2, Terminate = 15;

    /// <summary>The test assembly that the tests here run.</summary>
    internal static string Assembly { get; } = Path.Combine(AppContext.BaseDirectory.Replace("Uml.Cli.Tests", "Uml.TestRun.Cases", StringComparison.Ordinal), "Demo.Tests.dll");

    private static string V2Assembly { get; } = Assembly.Replace("Uml.TestRun.Cases", "Uml.TestRun.V2Cases", StringComparison.Ordinal).Replace("Demo.Tests", "Demo.V2.Tests", StringComparison.Ordinal);

    [Fact]
    public async Task Tests_that_pass_are_a_success()
    {
        Run run = await RunAsync("test", Assembly, "--filter", "/*/Demo/KernelTests/Runs*", "--verbose");
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.StartsWith("passed Demo.KernelTests.Runs_on_any [debian:sid]\nDemo.Tests [debian:sid]: 1 passed, 0 failed on Linux ", run.Output, StringComparison.Ordinal);
        Assert.Contains("\nDemo.KernelTests  1 passed\n", run.Output, StringComparison.Ordinal);
        Assert.Matches(@"\npassed: 1 passed, 0 failed in .* m?s\n$", run.Output);
        Assert.Empty(run.Error);
    }

    [Fact]
    public async Task A_test_that_fails_on_one_of_two_kernels_is_named_and_a_failure()
    {
        Run run = await RunAsync(
            "test", "-k", "debian:bookworm", "-k", "debian:sid", "--filter-class", "Demo.KernelTests", Assembly,
            "--report-trx", "r.trx", "--report-junit", "r.xml", "--report-ctrf", "r.json", "--results-directory", "what is left");
        Assert.True(run.ExitCode == 1, run.ToString());
        Assert.Contains("FAILED Demo.KernelTests.Needs_a_new_kernel [debian:bookworm]\n  Linux 6.1", run.Output, StringComparison.Ordinal);
        Assert.Matches(@"\n  Needs_a_new_kernel +FAILED +passed\n  1 more +1 passed +1 passed\n", run.Output);
        Assert.Matches(@"\nFAILED: 3 passed, 1 failed in ", run.Output);

        XElement trx = XElement.Load(this["r.trx"]);
        Assert.Equal("1", (string?)trx.Descendants(trx.Name.Namespace + "Counters").Single().Attribute("failed"));
        Assert.Equal(4, XElement.Load(this["r.xml"]).Descendants("testcase").Select(c => (string?)c.Attribute("name")).Distinct(StringComparer.Ordinal).Count());
        using JsonDocument ctrf = JsonDocument.Parse(File.ReadAllText(this["r.json"]));
        Assert.Equal(4, ctrf.RootElement.GetProperty("results").GetProperty("summary").GetProperty("tests").GetInt32());
        Assert.True(File.Exists(this["what is left/Demo.Tests/debian-bookworm/kernel.log"]));
    }

    [Theory]
    [InlineData(Interrupt)]
    [InlineData(Terminate)]
    public async Task A_signal_ends_all_of_it(int signal)
    {
        using Process process = Start(["test", Assembly, "-k", "debian:sid", "-k", "debian:bookworm", "--filter-method", "*.A_passes", "--filter-method", "*.Hangs", "--verbose"]);
        Assert.StartsWith("passed Demo.DangerousTests.A_passes", await process.StandardOutput.ReadLineAsync(Cancel), StringComparison.Ordinal);
        var clock = Stopwatch.StartNew();
        Signal(process, signal);
        Run run = await EndAsync(process, null);
        Assert.True(run.ExitCode == 128 + signal, run.ToString());
        Assert.Equal("uml: interrupted\n", run.Error);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(60), "it waited for the test that hangs");
    }

    [Fact]
    public async Task Tests_are_listed()
    {
        Run run = await RunAsync("test", Assembly, "--list-tests", "--filter-trait", "Category=kernel");
        Assert.Equal((0, "Demo.KernelTests.Needs_a_new_kernel\nDemo.KernelTests.Runs_on_any\nDemo.PassingTests.Says_which_kernel_it_runs_in\n"), (run.ExitCode, run.Output));
    }

    [Theory]
    [InlineData("no test assembly was named")]
    [InlineData("there is no missing.dll", "missing.dll")]
    [InlineData("is not a .NET assembly", "/bin/true")]
    [InlineData("no test meets the filter", "ASSEMBLY", "--filter-class", "No.Such")]
    [InlineData("there are no such tests", "ASSEMBLY", "--list-tests", "--filter-class", "No.Such")]
    [InlineData("is not a test filter", "ASSEMBLY", "--filter", "Demo")]
    [InlineData("do not go together", "ASSEMBLY", "--filter", "/Demo", "--filter-class", "X")]
    [InlineData("is not a trait", "ASSEMBLY", "--filter-trait", "X")]
    [InlineData("debian:sid is there twice", "ASSEMBLY", "-k", "debian:sid", "-k", "debian:sid")]
    [InlineData("neither a file nor a reference", "ASSEMBLY", "-k", "debian:sid", "-k", "nonsense")]
    [InlineData("is not a number of guests", "ASSEMBLY", "--jobs", "0")]
    [InlineData("--report-ctrf", "ASSEMBLY", "--report-ctrf", "no such directory/file")]
    public async Task What_makes_no_sense_is_told_before_anything_boots(string reason, params string[] arguments)
    {
        Run run = await RunAsync(["test", .. arguments.Select(a => a == "ASSEMBLY" ? Assembly : a)], null);
        Assert.True(run.ExitCode == 125, run.ToString());
        Assert.Empty(run.Output);
        Assert.Contains(reason, run.Error.Split('\n')[0], StringComparison.Ordinal);
        Assert.All(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries), l => Assert.StartsWith("uml: ", l, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_report_that_cannot_be_finished_is_a_failure()
    {
        Run run = await RunAsync("test", Assembly, "--filter-method", "*.Runs_on_any", "--report-junit", "/dev/full");
        Assert.True(run.ExitCode == 125, run.ToString());
        Assert.Contains("--report-junit", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_cannot_be_kept_is_a_failure()
    {
        File.WriteAllText(this["a file"], "");
        Run before = await RunAsync("test", Assembly, "--filter-method", "*.Runs_on_any", "--results-directory", "a file");
        Assert.True(before.ExitCode == 125, before.ToString());
        Assert.Contains("a file", before.Error, StringComparison.Ordinal);

        string output = this["left/Demo.Tests/debian-sid/output.log"];
        System.IO.Directory.CreateDirectory(Path.GetDirectoryName(output)!);
        File.CreateSymbolicLink(output, "/dev/full");
        Run run = await RunAsync("test", Assembly, "--filter-method", "*.Writes_past_*", "--results-directory", "left");
        Assert.True(run.ExitCode == 1, run.ToString());
        Assert.Contains("the output of the test program cannot be kept: No space left", run.Output, StringComparison.Ordinal);
        Assert.Contains("1 passed, 0 failed, 1 error", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_assemblies_are_two_runs()
    {
        string other = this["other"];
        System.IO.Directory.CreateDirectory(other);
        foreach (string file in System.IO.Directory.GetFiles(Path.GetDirectoryName(Assembly)!))
            File.Copy(file, Path.Combine(other, Path.GetFileName(file)));
        Run run = await RunAsync("test", Assembly, "other/Demo.Tests.dll", "--filter-method", "*.Runs_on_any", "--results-directory", "left");
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Contains("passed: 2 passed, 0 failed", run.Output, StringComparison.Ordinal);
        Assert.Equal(2, System.IO.Directory.GetFiles(this["left"], "kernel.log", SearchOption.AllDirectories).Length);
    }

    [Fact]
    public async Task Tests_of_xunit_v2_run_too()
    {
        Run list = await RunAsync("test", V2Assembly, "--list-tests", "--filter-class", "Demo.V2.OldTests", "--filter-not-method", "*.Takes");
        Assert.Equal((0, "Demo.V2.OldTests.Fails\nDemo.V2.OldTests.Is_skipped\nDemo.V2.OldTests.Says_which_kernel_it_runs_in\n"), (list.ExitCode, list.Output));

        Run run = await RunAsync("test", V2Assembly, "-k", "debian:bookworm", "-k", "debian:sid", "--filter-not-trait", "Danger=yes", "--report-ctrf", "r.json");
        Assert.True(run.ExitCode == 1, run.ToString());
        Assert.Contains("FAILED Demo.V2.OldTests.Fails [debian:bookworm]\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("[debian:sid] a line of its own\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("\nFAILED: 6 passed, 2 failed, 2 skipped in ", run.Output, StringComparison.Ordinal);
        using JsonDocument ctrf = JsonDocument.Parse(File.ReadAllText(this["r.json"]));
        Assert.Equal(10, ctrf.RootElement.GetProperty("results").GetProperty("summary").GetProperty("tests").GetInt32());
    }

    [Fact]
    public async Task A_panic_in_a_test_of_xunit_v2_is_that_tests()
    {
        Run run = await RunAsync("test", V2Assembly, "--filter", "/*/*/OldDangerousTests");
        Assert.True(run.ExitCode == 1, run.ToString());
        Assert.StartsWith("FAILED Demo.V2.OldDangerousTests.Panics_the_kernel [debian:sid]\n  the guest's kernel panicked: sysrq triggered crash\n", run.Output, StringComparison.Ordinal);
    }
}
