using System.Text.Json;
using System.Xml.Linq;
using Xunit;

namespace Uml.CI.MSBuild;

/// <summary>One property runs a test project inside a kernel, and "dotnet test" is as it is on the host.</summary>
public sealed class TestInGuestTests(GuestProject project) : IClassFixture<GuestProject>
{
    private const string Old = "debian:bookworm", New = "debian:sid";

    private sealed record Run(int Status, string Output);

    [Theory]
    [InlineData(Old, "6.1.")]
    [InlineData(New, "7.")]
    public async Task Reports_exit_status_and_results_are_those_of_the_host(string kernel, string release)
    {
        using var results = new Build();
        string[] reports = ["--report-xunit-trx", "--report-xunit-trx-filename", "t.trx", "--report-junit", "--report-junit-filename", "t.xml", "--report-ctrf", "--report-ctrf-filename", "t.json"];
        Run host = await TestAsync(null, [.. reports, "--results-directory", results["host"]], ("DEMO_FAIL", "1"));
        Run guest = await TestAsync(kernel, [.. reports, "--results-directory", results["guest"]], ("DEMO_FAIL", "1"));

        Assert.Equal(2, host.Status);
        Assert.Equal(host.Status, guest.Status);
        Assert.Equal(Totals(host.Output), Totals(guest.Output));
        Assert.Equal(Outcomes(results["host/t.trx"]), Outcomes(results["guest/t.trx"]));
        Assert.Equal(10, Outcomes(results["guest/t.trx"]).Length);
        Assert.Equal(Counts(XDocument.Load(results["host/t.xml"]).Root!.Element("testsuite")!), Counts(XDocument.Load(results["guest/t.xml"]).Root!.Element("testsuite")!));
        Assert.Equal(Summary(results["host/t.json"]), Summary(results["guest/t.json"]));

        Assert.Contains($"release={release}", await File.ReadAllTextAsync(results["guest/t.trx"], TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.DoesNotContain($"release={release}", await File.ReadAllTextAsync(results["host/t.trx"], TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_kernel_of_a_feed_is_pulled_by_the_build_before_the_tests()
    {
        TestPackage package = await RealPackage.CreateAsync(TestContext.Current.CancellationToken);
        string series = package.Version[..package.Version.LastIndexOf('.')];
        await using TestFeed feed = new TestFeed().Add(package);
        using var results = new Build();
        string settings = Path.Combine(project.Directory, "NuGet.Config");
        await File.WriteAllTextAsync(settings, feed.Config(), TestContext.Current.CancellationToken);
        // Its name is a version's.
        Directory.CreateDirectory(Path.Combine(project.Directory, series));
        try
        {
            (string, string)[] variables = [("UML_CACHE", results["cache"]), ("NUGET_PACKAGES", "")];
            using (Build build = project.Start(["build", "--no-restore", "-nologo", "-nodeReuse:false", $"-p:UmlKernel={series}"], variables))
                Assert.True(await build.WaitAsync() == 0, build.Output);
            Run run = await TestAsync(series, ["--report-xunit-trx", "--report-xunit-trx-filename", "t.trx", "--results-directory", results["r"]], variables);
            Assert.True(run.Status == 0, run.Output);
            Assert.Contains($"release={package.Version}", await File.ReadAllTextAsync(results["r/t.trx"], TestContext.Current.CancellationToken), StringComparison.Ordinal);
            Assert.Equal(1, feed.Downloads);
        }
        finally
        {
            Directory.Delete(Path.Combine(project.Directory, series));
            File.Delete(settings);
        }
    }

    [Fact]
    public async Task Lists_and_filters_are_those_of_the_host()
    {
        foreach (string[] arguments in (string[][])[["--list-tests"], ["--filter-trait", "Category=fails"], ["--filter-method", "*Takes"], ["--filter-method", "*nothing*"]])
        {
            Run host = await TestAsync(null, arguments, ("DEMO_FAIL", "1"));
            Run guest = await TestAsync(New, arguments, ("DEMO_FAIL", "1"));

            Assert.Equal(host.Status, guest.Status);
            Assert.Equal(Totals(host.Output), Totals(guest.Output));
            Assert.Equal(Names(host.Output), Names(guest.Output));
        }
    }

    [Fact]
    public async Task Properties_describe_the_guest()
    {
        using var results = new Build();
        Run run = await TestAsync(
            New,
            ["-p:UmlMemory=300M", "-p:UmlKernelArguments=demo.one=1 demo.two=\\\"a\\", "-p:UmlEnvironment=DEMO_VARIABLE=*a ? \"b\\\" ü%3BOTHER=c", "--report-xunit-trx", "--report-xunit-trx-filename", "t.trx", "--results-directory", results["r"]]);

        Assert.True(run.Status == 0, run.Output);
        string output = XDocument.Load(results["r/t.trx"]).Root!.Value;
        Assert.InRange(int.Parse(output.Split("MemTotal:")[1].Split("kB")[0]), 250_000, 300 * 1024);
        Assert.True(output.Contains("demo.one=1 demo.two=\\\"a\\ ", StringComparison.Ordinal), output.Split("cmdline=")[1].Split('\n')[0]);
        Assert.Contains("variable=*a ? \"b\\\" ü\n", output, StringComparison.Ordinal);
        Assert.Contains($"directory={project.Directory}/bin/", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Attachments_are_where_the_run_says_they_are()
    {
        Run run = await TestAsync(New, []);

        string path = AttachmentOf(run);
        Assert.Equal("the attached text ü", await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken));
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_is_no_file_is_not_brought_to_the_host(bool link)
    {
        using var elsewhere = new Build();
        Directory.CreateDirectory(elsewhere["target"]);
        Run run = await TestAsync(New, [], ("DEMO_LINK", link ? elsewhere["target"] : ""));

        string path = AttachmentOf(run);
        Assert.False(Path.Exists(path) && (Directory.Exists(path) || new FileInfo(path).LinkTarget is not null), $"{path} was planted");
        Assert.Empty(Directory.GetFileSystemEntries(Path.GetDirectoryName(path)!, ".uml-*"));
        Assert.Empty(Directory.GetFileSystemEntries(elsewhere["target"]));
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    [Fact]
    public async Task A_panic_is_a_crashed_run_with_the_oops()
    {
        Run run = await TestAsync(New, [], ("DEMO_PANIC", "1"));

        Assert.NotEqual(0, run.Status);
        Assert.Contains("Kernel panic - not syncing: sysrq triggered crash", run.Output, StringComparison.Ordinal);
        Assert.Contains("Call Trace", run.Output, StringComparison.Ordinal);
        AssertSummaryIsNoSuccess(run);
    }

    [Fact]
    public async Task A_hang_ends_at_the_deadline_with_what_it_was_doing()
    {
        Run run = await TestAsync(New, ["-p:UmlTimeout=5s"], ("DEMO_HANG", "for ever"));

        Assert.NotEqual(0, run.Status);
        Assert.Contains("did not end within 5 s", run.Output, StringComparison.Ordinal);
        Assert.Contains("process ", run.Output, StringComparison.Ordinal);
        AssertSummaryIsNoSuccess(run);
    }

    [Fact]
    public async Task Under_VSTest_it_is_an_error_and_not_a_run_on_the_host()
    {
        using var build = new Build();
        build.WriteProject("");
        File.WriteAllText(build["vstest.proj"], File.ReadAllText(build["test.proj"]).Replace("</Project>", """<Target Name="VSTest"><Message Importance="high" Text="ran on the host" /></Target></Project>""", StringComparison.Ordinal));

        build.StartBuild("vstest.proj", "-t:VSTest", $"-p:UmlKernel={New}");

        Assert.NotEqual(0, await build.WaitAsync());
        Assert.Contains("error UML0013", build.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("ran on the host", build.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_kernel_that_is_not_there_is_one_line_and_no_success()
    {
        Run run = await TestAsync("file:/no/such/kernel", []);

        Assert.NotEqual(0, run.Status);
        Assert.Contains("/no/such/kernel", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    [InlineData("KILL")]
    public async Task A_signal_at_any_moment_leaves_nothing(string signal)
    {
        int[] moments = [.. Enumerable.Range(0, 4).Select(_ => Random.Shared.Next(3000)), 4000];
        foreach (int moment in moments)
        {
            using Build run = project.Start(["test", "--no-build", $"-p:UmlKernel={New}"], ("DEMO_HANG", "for ever"));
            await Task.Delay(moment, TestContext.Current.CancellationToken);
            int[] processes = run.GuestProcesses();

            run.Signal(signal);

            await run.WaitAsync();
            await run.AssertGuestsGoneAsync(processes, $"SIG{signal} after {moment} ms");
        }
    }

    [Fact]
    public async Task A_program_runs_in_the_guest_with_its_arguments_and_status()
    {
        using Build host = project.Start(["run", "--no-build", "--", "-list", "methods"]);
        using Build guest = project.Start(["run", "--no-build", $"-p:UmlKernel={Old}", "--", "-list", "methods"]);
        Assert.Equal(0, await host.WaitAsync());
        Assert.Equal(0, await guest.WaitAsync());
        Assert.Contains("OrdinaryTests.Says_where_it_runs", guest.Output, StringComparison.Ordinal);
        Assert.Equal(host.Output, guest.Output);

        using Build failing = project.Start(["run", "--no-build", $"-p:UmlKernel={Old}"], ("DEMO_FAIL", "1"));
        Assert.Equal(1, await failing.WaitAsync());
    }

    // Tests run in any order, and on a busy machine none may have come to its end: then it says that zero tests ran.
    private static void AssertSummaryIsNoSuccess(Run run)
    {
        Assert.Contains("Test run summary: ", run.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Test run summary: Passed!", run.Output, StringComparison.Ordinal);
    }

    private async Task<Run> TestAsync(string? kernel, string[] arguments, params (string, string)[] variables)
    {
        using Build run = project.Start(["test", "--no-build", .. kernel is null ? (string[])[] : [$"-p:UmlKernel={kernel}"], .. arguments], variables);
        int status = await run.WaitAsync();
        await run.AssertGuestsGoneAsync([]);
        return new Run(status, run.Output);
    }

    private static string AttachmentOf(Run run)
    {
        string line = run.Output.Split('\n').Single(l => l.Contains("OrdinaryTests.Attaches'", StringComparison.Ordinal));
        return line[(line.IndexOf("': ", StringComparison.Ordinal) + 3)..].Trim();
    }

    // The summary's lines but the duration, which differs.
    private static string[] Totals(string output) =>
        [.. output.Split('\n').Select(l => l.Trim()).Where(l => l.StartsWith("total:", StringComparison.Ordinal) || l.StartsWith("failed:", StringComparison.Ordinal) || l.StartsWith("succeeded:", StringComparison.Ordinal) || l.StartsWith("skipped:", StringComparison.Ordinal) || l.StartsWith("Discovered ", StringComparison.Ordinal))];

    private static string[] Names(string output) =>
        [.. output.Split('\n').Select(l => l.Trim()).Where(l => l.StartsWith("Demo.", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    private static string[] Outcomes(string trx)
    {
        XDocument document = XDocument.Load(trx);
        XNamespace space = document.Root!.Name.Namespace;
        return [.. document.Descendants(space + "UnitTestResult").Select(r => $"{(string?)r.Attribute("testName")}: {(string?)r.Attribute("outcome")} {r.Descendants(space + "ErrorInfo").Elements(space + "Message").FirstOrDefault()?.Value}").Order(StringComparer.Ordinal)];
    }

    private static string Counts(XElement suite) =>
        string.Join(' ', new[] { "tests", "failures", "errors", "skipped" }.Select(n => $"{n}={(string?)suite.Attribute(n)}"));

    private static string Summary(string ctrf)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(ctrf));
        JsonElement summary = document.RootElement.GetProperty("results").GetProperty("summary");
        return string.Join(' ', new[] { "tests", "passed", "failed", "pending", "skipped", "other" }.Select(n => $"{n}={summary.GetProperty(n)}"));
    }
}
