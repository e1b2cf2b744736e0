using System.Collections.Immutable;
using System.Diagnostics;

namespace Uml.CI.Tests;

/// <summary>Runs the demonstration tests in guests.</summary>
public sealed class GuestRunTests : IDisposable
{
    private static readonly string[] Kernels = ["debian:bookworm", "debian:sid"];
    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("uml testrun ü ");
    private readonly Notes _notes = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Delete(recursive: true);

    [Fact]
    public async Task A_guest_gives_what_the_host_gives()
    {
        string results = Path.Combine(_scratch.FullName, "results");
        ImmutableArray<GuestTestRun> runs = await TestRun.RunAsync(Cases.Options(Cases.Harmless, Kernels) with { ResultsDirectory = results }, _notes, Cancel);
        Assert.Equal(Kernels, runs.Select(r => r.Kernel));
        Assert.StartsWith("6.1", runs[0].Release, StringComparison.Ordinal);
        Assert.All(runs, r => Assert.False(r.Succeeded));
        Assert.All(runs, r => Assert.Empty(r.Errors));

        // What is named for its kernel is the only difference.
        Dictionary<string, string> host = await HostAsync();
        Dictionary<string, string> sid = Outcomes(runs[1]);
        Dictionary<string, string> bookworm = Outcomes(runs[0]);
        Assert.Equal(host, sid);
        Assert.Equal("passed, passed", sid["Demo.TwinTests.Has_equal_rows(value: 7)"]);
        Assert.Equal("passed", sid["Demo.KernelTests.Needs_a_new_kernel"]);
        Assert.Equal("failed", bookworm["Demo.KernelTests.Needs_a_new_kernel"]);
        bookworm["Demo.KernelTests.Needs_a_new_kernel"] = "passed";
        Assert.Equal(host, bookworm);

        TestResult failure = runs[1].Results.Single(r => r.ShortName == "Fails");
        Assert.Contains("Strings differ", failure.Message, StringComparison.Ordinal);
        Assert.Contains("MixedTests.Fails()", failure.StackTrace, StringComparison.Ordinal);
        Assert.Equal("Xunit.Sdk.EqualException", failure.ExceptionType);
        Assert.Equal("not today", runs[1].Results.Single(r => r.Outcome == TestOutcome.Skipped).Message);
        Assert.Equal(["a warning of the test"], runs[1].Results.Single(r => r.ShortName == "Warns").Warnings);
        Assert.StartsWith("kernel 7", runs[1].Results.Single(r => r.MethodName == "Says_which_kernel_it_runs_in").Output, StringComparison.Ordinal);
        Assert.Contains(("Category", "kernel"), runs[1].Results.Single(r => r.MethodName == "Runs_on_any").Traits);

        foreach (string kernel in (string[])["debian-bookworm", "debian-sid"])
        {
            string directory = Path.Combine(results, "Demo.Tests", kernel);
            Assert.Equal("attached text", await File.ReadAllTextAsync(Path.Combine(directory, "attachments/Demo.MixedTests.Attaches/note.txt"), Cancel));
            Assert.Equal([0, 1, 2, 255], await File.ReadAllBytesAsync(Path.Combine(directory, "attachments/Demo.MixedTests.Attaches/bytes"), Cancel));
            Assert.Contains("Linux version", await File.ReadAllTextAsync(Path.Combine(directory, "kernel.log"), Cancel), StringComparison.Ordinal);
            Assert.Equal(
                ["a line of its own", "a line on standard error", "without an end ", "{ not json", "{\"$type\":\"of its own\"}"],
                (await File.ReadAllLinesAsync(Path.Combine(directory, "output.log"), Cancel)).Order(StringComparer.Ordinal));
        }

        string trx = Path.Combine(_scratch.FullName, "r.trx");
        string junit = Path.Combine(_scratch.FullName, "r.xml");
        string ctrf = Path.Combine(_scratch.FullName, "r.json");
        TestReport.Write(ReportFormat.Trx, trx, runs);
        TestReport.Write(ReportFormat.JUnit, junit, runs);
        TestReport.Write(ReportFormat.Ctrf, ctrf, runs);
        Assert.All([Reports.ReadTrx(trx), Reports.ReadJUnit(junit), Reports.ReadCtrf(ctrf)], r =>
        {
            Assert.Equal(runs.Sum(x => x.Count(TestOutcome.Failed)), r.Failed);
            Assert.Equal(runs.SelectMany(x => x.Results.Select(t => $"{t.Name} [{x.Kernel}]")).Order(StringComparer.Ordinal), r.Names.Order(StringComparer.Ordinal));
        });
    }

    [Fact]
    public async Task A_panic_fails_the_test_that_made_it_and_those_it_kept_from_running()
    {
        // In the order of their names: one before, two in the theory after it.
        ImmutableArray<GuestTestRun> runs = await TestRun.RunAsync(Cases.Options(Cases.Dangerous("A_passes", "Panics_the_kernel", "Switches_the_kernel_off"), Kernels), _notes, Cancel);
        Assert.All(runs, run =>
        {
            Assert.Equal([("A_passes", TestOutcome.Passed, false), ("Panics_the_kernel", TestOutcome.Failed, false), ("Switches_the_kernel_off", TestOutcome.Failed, true)], run.Results.Select(r => (r.ShortName, r.Outcome, r.NeverBegan)));
            Assert.Contains("sysrq triggered crash", run.Results[1].Message, StringComparison.Ordinal);
            Assert.Contains("write_sysrq_trigger", run.Results[1].StackTrace, StringComparison.Ordinal);
            Assert.StartsWith("not run: the guest's kernel panicked", run.Results[2].Message, StringComparison.Ordinal);
            Assert.Single(run.Errors);
            Assert.Contains("Kernel panic", File.ReadAllText(run.KernelLogFile!), StringComparison.Ordinal);
            Assert.False(run.Succeeded);
        });
    }

    [Theory]
    [InlineData("Switches_the_kernel_off", "ended by itself")]
    [InlineData("Exits", "exit status 3")]
    public async Task An_early_end_is_a_failure(string method, string message)
    {
        GuestTestRun run = Assert.Single(await TestRun.RunAsync(Cases.Options(Cases.Dangerous("A_passes", method), "debian:sid"), _notes, Cancel));
        Assert.Equal([TestOutcome.Passed, TestOutcome.Failed], run.Results.Select(r => r.Outcome));
        Assert.Contains(message, run.Results[1].Message, StringComparison.Ordinal);
        Assert.Contains(message, Assert.Single(_notes.Errors), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("debian:bookworm")]
    [InlineData("debian:sid")]
    public async Task A_panic_after_the_last_test_is_an_error(string kernel)
    {
        using var panic = new ManualResetEventSlim();
        TestRunOptions options = Cases.Options(Cases.Dangerous("A_passes", "Leaves_a_panic_behind"), kernel);
        options = options with
        {
            Guests = [options.Guests[0] with { KernelLogListener = l => Signal(l.Text) }],
            ResultsDirectory = _scratch.FullName,
        };
        // Else the guest might be gone before it comes to its panic.
        _notes.Hold = line => Assert.True(line != "a panic follows" || panic.Wait(TimeSpan.FromSeconds(60), Cancel), "no panic");

        GuestTestRun run = Assert.Single(await TestRun.RunAsync(options, _notes, Cancel));

        Assert.Equal([TestOutcome.Passed, TestOutcome.Passed], run.Results.Select(r => r.Outcome));
        Assert.Contains("sysrq triggered crash", Assert.Single(run.Errors), StringComparison.Ordinal);
        Assert.False(run.Succeeded);
        Assert.Contains("Kernel panic", await File.ReadAllTextAsync(run.KernelLogFile!, Cancel), StringComparison.Ordinal);

        void Signal(string line)
        {
            if (line.Contains("Kernel panic", StringComparison.Ordinal))
                panic.Set();
        }
    }

    [Fact]
    public async Task A_status_of_failure_without_a_failed_test_is_an_error()
    {
        GuestTestRun run = Assert.Single(await TestRun.RunAsync(Cases.Options(Cases.Dangerous("A_passes", "Leaves_a_status_behind"), "debian:sid"), _notes, Cancel));
        Assert.Equal([TestOutcome.Passed, TestOutcome.Passed], run.Results.Select(r => r.Outcome));
        Assert.Equal(["the test program ended with exit status 3 though no test failed\nnot content"], run.Errors);
        Assert.False(run.Succeeded);
    }

    [Fact]
    public async Task A_hang_ends_at_its_deadline_with_what_the_guest_was_doing()
    {
        GuestTestRun run = Assert.Single(await TestRun.RunAsync(Cases.Options(Cases.Dangerous("A_passes", "Hangs", "Never_comes_to_run"), "debian:sid") with { Timeout = TimeSpan.FromSeconds(6) }, _notes, Cancel));
        Assert.Equal([("A_passes", false), ("Hangs", false), ("Never_comes_to_run", true)], run.Results.Select(r => (r.ShortName, r.NeverBegan)));
        Assert.Equal("the tests did not end within 6 s", run.Results[1].Message);
        Assert.Contains("process ", run.Results[1].StackTrace, StringComparison.Ordinal);
        Assert.True(File.Exists(run.KernelLogFile));
    }

    [Fact]
    public async Task A_guest_that_does_not_come_up_fails_every_test()
    {
        TestRunOptions options = Cases.Options(new TestFilter { Classes = ["Demo.KernelTests"] }, "debian:sid");
        options = options with { Guests = [options.Guests[0] with { KernelArguments = ["initcall_blacklist=populate_rootfs"] }] };
        GuestTestRun run = Assert.Single(await TestRun.RunAsync(options, _notes, Cancel));
        Assert.Equal(2, run.Results.Count(r => r.NeverBegan));
        Assert.Contains("panicked", Assert.Single(run.Errors), StringComparison.Ordinal);
        Assert.Equal("", run.Release);
    }

    [Fact]
    public async Task The_first_failure_stops_everything_if_asked()
    {
        TestRunOptions options = Cases.Options(new TestFilter { Classes = ["Demo.MixedTests"] }, Kernels) with { StopOnFail = true, Jobs = 1 };
        ImmutableArray<GuestTestRun> runs = await TestRun.RunAsync(options, _notes, Cancel);
        Assert.Contains(runs, r => r.Stopped && r.Results.IsEmpty);
        Assert.Contains(runs, r => r.Count(TestOutcome.Failed) > 0 && r.Results.Length < 6);
        Assert.Empty(_notes.Errors);
        Assert.All(runs, r => Assert.False(r.Succeeded));
    }

    [Fact]
    public async Task Cancelling_ends_it_and_leaves_nothing()
    {
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        TestRunOptions options = Cases.Options(Cases.Dangerous("A_passes", "Hangs"), Kernels);
        // Other tests have guests too; these are known by a word on their command line.
        string mark = $"mark={Guid.NewGuid():N}";
        options = options with { Guests = [.. options.Guests.Select(g => g with { KernelArguments = [mark] })] };
        Task<ImmutableArray<GuestTestRun>> running = TestRun.RunAsync(options, _notes, cancellation.Token);
        await _notes.FirstTest.Task.WaitAsync(TimeSpan.FromSeconds(60), Cancel);
        Assert.NotEmpty(ProcessesWith(mark));
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        Assert.Empty(ProcessesWith(mark));
    }

    [Fact]
    public async Task No_test_is_an_error()
    {
        await RefusedAsync(Cases.Options(new TestFilter { Classes = ["No.Such"] }, "debian:sid"), "no test meets the filter");
        await RefusedAsync(Cases.Options(Cases.Harmless), "no kernel");
        await RefusedAsync(Cases.Options(Cases.Harmless, "debian:sid", "debian:sid"), "debian:sid is there twice");
        await RefusedAsync(Cases.Options(Cases.Harmless, "debian:sid") with { Assemblies = [] }, "no test assembly");
        await RefusedAsync(Cases.Options(Cases.Harmless, "debian:sid") with { Assemblies = [Cases.Assembly, Cases.Assembly] }, "there twice");
        Assert.Empty(_notes.Results);
    }

    [Fact]
    public async Task Tests_are_listed_without_a_guest()
    {
        ImmutableArray<string> tests = await TestRun.ListAsync(Cases.Assembly, new TestFilter { Traits = ["Category=kernel"] }, Cancel);
        Assert.Equal(["Demo.KernelTests.Needs_a_new_kernel", "Demo.KernelTests.Runs_on_any", "Demo.PassingTests.Says_which_kernel_it_runs_in"], tests);
    }

    [Fact]
    public async Task Finding_tests_has_a_deadline()
    {
        string path = Cases.Path.Replace("Uml.TestRun.Cases", "Uml.TestRun.V2Cases", StringComparison.Ordinal).Replace("Demo.Tests", "Demo.V2.Tests", StringComparison.Ordinal);
        string mark = $"mark={Guid.NewGuid():N}";
        TestAssembly assembly = TestAssembly.Open(path, ["sh", "-c", $"sleep 1000; : {mark}"]);
        var timeout = TimeSpan.FromMilliseconds(300);

        await RefusedAsync(Cases.Options(new TestFilter(), "debian:sid") with { Assemblies = [assembly], Timeout = timeout }, "were not found on this host within 0.3 s");
        await Assert.ThrowsAsync<TestRunException>(() => TestRun.ListAsync(assembly, new TestFilter(), timeout, Cancel));
        using var cancellation = new CancellationTokenSource(timeout);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => TestRun.ListAsync(assembly, new TestFilter(), cancellation.Token));

        Assert.Empty(ProcessesWith(mark));
    }

    private async Task RefusedAsync(TestRunOptions options, string reason) =>
        Assert.Contains(reason, (await Assert.ThrowsAsync<TestRunException>(() => TestRun.RunAsync(options, _notes, Cancel))).Message, StringComparison.Ordinal);

    private static List<string> ProcessesWith(string word)
    {
        var found = new List<string>();
        foreach (string process in Directory.EnumerateDirectories("/proc").Where(d => char.IsAsciiDigit(Path.GetFileName(d)[0])))
        {
            try
            {
                if (File.ReadAllText($"{process}/cmdline").Contains(word, StringComparison.Ordinal))
                    found.Add(process);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It has ended in the meantime, or is somebody else's.
            }
        }

        return found;
    }

    private static Dictionary<string, string> Outcomes(GuestTestRun run) =>
        ByName(run.Results.Select(r => (r.Name, r.Outcome switch { TestOutcome.NotRun => "pending", TestOutcome o => o.ToString().ToLowerInvariant() })));

    // Several tests may have one name.
    private static Dictionary<string, string> ByName(IEnumerable<(string Name, string Outcome)> tests) =>
        tests.GroupBy(t => t.Name, StringComparer.Ordinal).ToDictionary(g => g.Key, g => string.Join(", ", g.Select(t => t.Outcome)), StringComparer.Ordinal);

    // The same tests on the host, as xunit's own runner reports them.
    private async Task<Dictionary<string, string>> HostAsync()
    {
        string report = Path.Combine(_scratch.FullName, "host.xml");
        using Process process = Process.Start(new ProcessStartInfo(Cases.Path[..^".dll".Length], ["-trait-", "Danger=yes", "-xml", report, "-noColor", "-noLogo"]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        await Task.WhenAll(process.StandardOutput.ReadToEndAsync(Cancel), process.StandardError.ReadToEndAsync(Cancel), process.WaitForExitAsync(Cancel));
        return ByName(System.Xml.Linq.XElement.Load(report).Descendants("test").Select(t => (
            Unescape((string)t.Attribute("name")!),
            (string?)t.Attribute("result") switch { "Pass" => "passed", "Fail" => "failed", "Skip" => "skipped", _ => "pending" })));
    }

    // Names stand in xunit's XML as C# writes them.
    private static string Unescape(string name) => name.Replace("\\\"", "\"", StringComparison.Ordinal).Replace("\\\\", "\\", StringComparison.Ordinal);
}
