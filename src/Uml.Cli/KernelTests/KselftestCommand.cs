using System.Collections.Immutable;
using System.CommandLine;
using System.CommandLine.Parsing;

namespace Uml.CI.Cli;

/// <summary><c>uml kselftest</c>: the kernel's own selftests in a guest.</summary>
internal sealed class KselftestCommand
{
    private const string ExitStatuses = """
        Exit status:
          0      every test passed, was skipped or failed as expected, and at least one passed
          1      a test failed, crashed or took too long; a target could not be built; the kernel
                 complained; no test ran
          125    no target could be built; no kernel; bad usage; a file could not be written
          128+n  signal n ended the run
        """;

    private readonly Argument<string[]> _targets = new("TARGET") { Arity = ArgumentArity.ZeroOrMore, Description = "Directories of tools/testing/selftests: size, timers, net/forwarding" };
    private readonly Option<string?> _source = new("--source", "-s") { HelpName = "SOURCE", Description = "Kernel tree, tarball, or debian-source:VERSION to build the tests from. Default: the tree the current directory is in" };
    private readonly Option<string?> _installed = new("--installed") { HelpName = "DIR", Description = "Run tests that are installed there (INSTALL_PATH) instead of building; TARGETs are collections to pick" };
    private readonly Option<string?> _kernel = new("--kernel", "-k") { HelpName = "REFERENCE", Description = "Kernel to run them on. Default: $UML_KERNEL, else debian:sid" };
    private readonly Option<string[]> _tests = new("--test", "-t") { HelpName = "COLLECTION:TEST", Description = "Run only this test; without a TARGET, builds what it belongs to. Repeatable" };
    private readonly Option<string[]> _skip = new("--skip", "-S") { HelpName = "COLLECTION:TEST", Description = "Leave this test out. Repeatable" };
    private readonly Option<bool> _list = new("--list", "-l") { Description = "Name the tests and run none" };
    private readonly Option<bool> _netns = new("--netns", "-n") { Description = "A network of its own for each test" };
    private readonly Option<TimeSpan?> _timeout = new("--timeout", "-o") { HelpName = "TIME", Description = "How long each test may take, instead of its own limit (its settings file, else 45s)", CustomParser = GuestOptionSet.ParseDuration };
    private readonly Option<long?> _memory = new("--memory", "-m") { HelpName = "SIZE", Description = "Memory of the guest, such as 1G (default)", CustomParser = GuestOptionSet.ParseMemory };
    private readonly Option<int?> _cpus = new("--cpus") { HelpName = "N", Description = "Number of CPUs; more than one needs a kernel with SMP", CustomParser = GuestOptionSet.ParseCpus };
    private readonly Option<string[]> _append = new("--append") { HelpName = "ARGUMENTS", Description = "Append arguments to the kernel's command line. Repeatable" };
    private readonly Option<string?> _kernelLog = new("--kernel-log") { HelpName = "FILE", Description = "Write the kernel's log to a file" };
    private readonly Option<bool> _failed = new("--failed") { Description = "Show only tests that failed, and the totals" };
    private readonly ComplaintOptionSet _complaints = new();
    private readonly ReportOptionSet _reports = new();

    private KselftestCommand()
    {
        _kernel.CompletionSources.Add(_ => GuestOptionSet.Kernels());
        _kernel.Validators.Add(GuestOptionSet.CheckKernels);
    }

    public static Command Create()
    {
        var options = new KselftestCommand();
        var command = new Command("kselftest", "Build the kernel's own selftests and run them in a guest") { options._targets };
        foreach (Option option in (Option[])[
            options._source, options._installed, options._kernel, options._tests, options._skip, options._list, options._netns, options._timeout, options._memory, options._cpus,
            options._append, options._kernelLog, options._failed, .. options._complaints.Options, .. options._reports.Options])
        {
            command.Options.Add(option);
        }

        command.SetAction((result, cancellation) => options.RunAsync(result, cancellation));
        HelpText.Describe(command, "uml kselftest [options] TARGET...", ExitStatuses, """
            The totals are those of the kernel's run_kselftest.sh. Tests run as root of the guest, on the
            host's file system under a layer that keeps what they write.

            Examples:
              uml kselftest --source ~/linux timers clone3
              uml kselftest --source debian-source:7.3 -k debian-source:7.3#fast size pidfd
              uml kselftest --installed /opt/kselftest --test timers:posix_timers
              uml kselftest --netns net/forwarding --report-junit results.xml
            """);
        return command;
    }

    private Task<int> RunAsync(ParseResult result, CancellationToken cancellationToken) => KernelTestSession.InterruptibleAsync(async stop =>
    {
        string[] targets = result.GetValue(_targets) ?? [];
        string? installed = result.GetValue(_installed);

        // A test's name says what it belongs to.
        if (installed is null && targets.Length == 0)
            targets = [.. (result.GetValue(_tests) ?? []).Select(t => t.Split(':', 2)[0]).Where(t => t.Length > 0).Distinct(StringComparer.Ordinal)];
        if (installed is null && targets.Length == 0)
            throw new ArgumentException("no target was named: uml kselftest [options] TARGET...; see \"uml kselftest --help\"");
        ImmutableArray<ReportRequest> reports = _reports.Read(result);
        ComplaintGate? gate = _complaints.Read(result);
        KselftestInstallation? built = null;
        if (installed is null)
        {
            KernelReference source = KunitSource.Find(result.GetValue(_source), [], allTests: true, []).Reference;
            using var progress = new ProgressLine(TimeSpan.Zero);
            built = await KselftestBuild.InstallAsync(source, [.. targets], progress: progress, cancellationToken: stop);
            installed = built.Directory;
        }

        using KselftestInstallation? place = built;
        ImmutableArray<string> unbuilt = [.. built?.Failures.Select(f => f.ToString()) ?? []];
        targets = [.. targets.Where(t => built?.Failures.Any(f => f.Target == t) is not true)];
        ImmutableArray<KselftestEntry> tests = Pick(KselftestEntry.ReadAll(installed), targets, result.GetValue(_tests) ?? [], result.GetValue(_skip) ?? []);
        if (result.GetValue(_list))
        {
            foreach (KselftestEntry test in tests)
                Descriptor.Output.WriteLine(test.ToString());
            foreach (string problem in unbuilt)
                Message.Error(TestStyle.Safe(problem));
            return unbuilt.IsEmpty ? 0 : KernelTestSession.Failed;
        }

        ReportRequest.Prepare(reports);
        if (result.GetValue(_kernelLog) is { } log)
            OutputFile.Check(log, "--kernel-log");
        GuestOptions guest = KernelTestSession.Guest(result.GetValue(_kernel)) with
        {
            Memory = result.GetValue(_memory) ?? 1L << 30,
            Cpus = result.GetValue(_cpus) ?? 1,
            KernelArguments = [.. (result.GetValue(_append) ?? []).SelectMany(a => a.Split(' ', StringSplitOptions.RemoveEmptyEntries))],
            WorkingDirectory = "/",
        };
        DateTimeOffset begun = DateTimeOffset.Now;
        KselftestResult run;
        using (var tree = new TestTree(result.GetValue(_failed)))
        {
            run = await KselftestRun.RunAsync(
                new KselftestOptions { Guest = guest, Directory = installed, Tests = tests, Timeout = result.GetValue(_timeout), NetworkNamespaces = result.GetValue(_netns), Gate = gate }, tree, stop);
        }

        run = run with { Problems = [.. unbuilt, .. run.Problems] };

        if (result.GetValue(_kernelLog) is { } file)
            OutputFile.Write(file, "--kernel-log", string.Concat(run.KernelLog.Select(l => l + "\n")));
        foreach (string note in run.Notes)
            Message.Note(TestStyle.Safe(note));
        foreach (string problem in run.Problems)
            Descriptor.Output.WriteLine($"problem: {TestStyle.Safe(problem)}");
        Descriptor.Output.WriteLine(run.Totals.ToString());
        Descriptor.Output.WriteLine($"{(run.IsSuccess ? "passed" : "FAILED")}: {tests.Length} tests in {Duration.Format(TimeSpan.FromMilliseconds(Math.Round(run.Duration.TotalMilliseconds / 10) * 10))} on Linux {run.Kernel.Release}");
        bool written = ReportRequest.WriteAll(reports, Report.Of([new ReportRun
        {
            Name = "kselftest",
            Kernel = guest.Kernel.ToString(),
            Release = run.Kernel.Release,
            Started = begun,
            Duration = run.Duration,
            Tests = KtapReport.TestsOf(run.Root),
            Errors = [.. run.Problems.Where(p => !p.StartsWith("the kernel complained: ", StringComparison.Ordinal)).Select(ReportError.Of)],
            Complaints = run.Complaints,
            KernelLog = string.Concat(run.KernelLog.Select(l => l + "\n")),
        }]) with
        { ToolVersion = VersionText.Version });
        return !run.IsSuccess ? KernelTestSession.Failed : written ? 0 : ExitStatus.NotProvided;
    }, cancellationToken);

    private static ImmutableArray<KselftestEntry> Pick(ImmutableArray<KselftestEntry> all, string[] collections, string[] tests, string[] skipped)
    {
        foreach (string name in tests.Concat(skipped))
        {
            if (!all.Any(t => t.ToString() == name))
                throw new ArgumentException($"there is no test \"{name}\"{NearestNames.Hint(name, all.Select(t => t.ToString()))}; --list names those there are");
        }

        foreach (string collection in collections)
        {
            if (!all.Any(t => t.Collection == collection))
                throw new ArgumentException($"no tests of \"{collection}\" are installed{NearestNames.Hint(collection, all.Select(t => t.Collection))}");
        }

        return [.. all.Where(t => (collections.Length == 0 || collections.Contains(t.Collection)) && (tests.Length == 0 || tests.Contains(t.ToString())) && !skipped.Contains(t.ToString()))];
    }
}
