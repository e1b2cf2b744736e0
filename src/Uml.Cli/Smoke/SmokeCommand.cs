using System.Collections.Immutable;
using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml smoke</c>: does a package install, start, work, upgrade and purge?</summary>
internal sealed class SmokeCommand
{
    private const string ExitStatuses = """
        Exit status:
          0      every package passed every step that applies to it
          1      a package failed, or was not tested because another one had failed
          125    packages, suite or guest could not be provided; bad usage; unwritable file
          128+n  signal n ended the tests
        """;

    private readonly Argument<string[]> _packages = new("PACKAGE") { Arity = ArgumentArity.ZeroOrMore, Description = "A .deb file, a directory of them, a .changes file, or the name of a package of the suite. Files may need each other" };
    private readonly Option<string[]> _suites = new("--suite", "-s") { HelpName = "SUITE[,SUITE]", Description = "Debian's suites to test on. Default: trixie" };
    private readonly Option<string[]> _kernels = new("--kernel", "-k") { HelpName = "REFERENCE", Description = "Kernel to boot. Repeatable: each package is tested on each. Default: $UML_KERNEL, else debian:sid" };
    private readonly Option<int?> _jobs = new("--jobs", "-j") { HelpName = "N", Description = "How many packages are tested at once. Default: as many as the machine has room for" };
    private readonly Option<TimeSpan?> _timeout = new("--timeout") { HelpName = "TIME", Description = "How long each step may take. Default: 10m", CustomParser = GuestOptionSet.ParseDuration };
    private readonly Option<TimeSpan?> _settle = new("--settle") { HelpName = "TIME", Description = "How long services must live before they count as started. Default: 2s", CustomParser = GuestOptionSet.ParseDuration };
    private readonly Option<bool> _keepGoing = new("--keep-going") { Description = "Begin with further packages although one has failed" };
    private readonly Option<string[]> _skip = new("--skip") { HelpName = "STEP[,STEP]", Description = $"Leave steps out: {string.Join(", ", SmokeStep.Names.Skip(2))}" };
    private readonly Option<bool> _recommends = new("--recommends") { Description = "Install what packages recommend, too" };
    private readonly Option<long?> _memory = new("--memory", "-m") { HelpName = "SIZE", Description = "Memory of each guest, such as 1G (default); what packages write is kept in it", CustomParser = GuestOptionSet.ParseMemory };
    private readonly Option<long?> _scratch = new("--scratch") { HelpName = "SIZE", Description = "Keep what packages write on the host's disk, at most that much, and not in the guest's memory", CustomParser = GuestOptionSet.ParseMemory };
    private readonly Option<TimeSpan?> _bootTimeout = new("--boot-timeout") { HelpName = "TIME", Description = "How long a guest may take until it serves commands, and its system until it is up. Default: 1m, and 3m", CustomParser = GuestOptionSet.ParseDuration };
    private readonly Option<string?> _json = new("--json") { HelpName = "FILE", Description = "Write what came of it as JSON: each package's steps with outcome, reason, time, notes and log" };
    private readonly Option<bool> _verbose = new("--verbose", "-v") { Description = "Show every step with its notes as it ends, and the whole log of those that failed" };
    private readonly ComplaintOptionSet _complaints = new();
    private readonly ReportOptionSet _reports = new();

    private SmokeCommand()
    {
        _suites.CompletionSources.Add("trixie", "bookworm", "sid");
        _skip.CompletionSources.Add([.. SmokeStep.Names.Skip(2)]);
        _kernels.CompletionSources.Add(_ => GuestOptionSet.Kernels());
        _kernels.Validators.Add(GuestOptionSet.CheckKernels);
    }

    public static Command Create()
    {
        var options = new SmokeCommand();
        var command = new Command("smoke", "Test packages in clean systems: install, services, files, remove, purge, leftovers, upgrade") { options._packages };
        foreach (Option option in (Option[])[
            options._suites, options._kernels, options._jobs, options._timeout, options._settle, options._keepGoing, options._skip, options._recommends, options._memory, options._scratch,
            options._bootTimeout, options._json, options._verbose, .. options._complaints.Options, .. options._reports.Options])
        {
            command.Options.Add(option);
        }

        command.SetAction((result, cancellation) => options.RunAsync(result, cancellation));
        HelpText.Describe(command, "uml smoke [options] PACKAGE...", """
            Each package is tested in a fresh guest with systemd, without a network. What it needs is fetched
            before, from where this host's apt gets its packages.

            Steps:
              install    with its dependencies, unattended; dpkg --audit is content
              services   enabled units run and stay, no unit failed; what listens is reported
              files      programs know --version or --help and do not crash; interpreters and libraries are
                         there; man pages, desktop files and completions can be read
              conffiles  are as they were shipped
              remove, purge
              leftovers  files, links, accounts, diversions, units and processes are as before
              reinstall  after the purge
              upgrade    from the suite's version, where that is older
            """, ExitStatuses, """
            Examples:
              uml smoke ./hello_2.10-5_amd64.deb
              uml smoke --suite trixie,bookworm -k debian:sid -k debian:bookworm ./build/
              uml smoke --report-junit smoke.xml ../mytool_1.2-1_amd64.changes
              uml smoke --skip files,upgrade nginx-light redis-server
            """);
        return command;
    }

    private Task<int> RunAsync(ParseResult result, CancellationToken cancellationToken) => KernelTestSession.InterruptibleAsync(async stop =>
    {
        string[] packages = result.GetValue(_packages) ?? [];
        if (packages.Length == 0)
            throw new ArgumentException("no package was named: uml smoke [options] PACKAGE...; see \"uml smoke --help\"");
        ImmutableArray<string> skip = [.. Words(result.GetValue(_skip))];
        if (skip.FirstOrDefault(s => !SmokeStep.Names.Contains(s)) is { } unknown)
            throw new ArgumentException($"there is no step \"{unknown}\": there are {string.Join(", ", SmokeStep.Names.Skip(2))}");
        if (skip.FirstOrDefault(s => s is "start" or "install") is { } needed)
            throw new ArgumentException($"the step \"{needed}\" cannot be left out: all others need it");
        if (result.GetValue(_jobs) is < 1)
            throw new ArgumentException("--jobs takes a number from 1 on");
        ImmutableArray<ReportRequest> reports = _reports.Read(result);
        ComplaintGate? gate = _complaints.Read(result);
        string? json = result.GetValue(_json);
        if (json is not null)
            OutputFile.Check(json, "--json");
        ReportRequest.Prepare(reports);

        using var progress = new SmokeProgress(result.GetValue(_verbose));
        string[] kernels = [.. (result.GetValue(_kernels) ?? []).Distinct(StringComparer.Ordinal)];
        ImmutableArray<string> suites = [.. Words(result.GetValue(_suites)).Distinct(StringComparer.Ordinal)];
        var options = new SmokeOptions
        {
            Arguments = [.. packages],
            Suites = suites.IsEmpty ? ["trixie"] : suites,
            Guests = [.. (kernels.Length > 0 ? kernels : (string?[])[null]).Select(k => Guest(k, result, progress))],
            Jobs = result.GetValue(_jobs),
            Timeout = result.GetValue(_timeout) ?? TimeSpan.FromMinutes(10),
            Settle = result.GetValue(_settle) ?? TimeSpan.FromSeconds(2),
            KeepGoing = result.GetValue(_keepGoing),
            Recommends = result.GetValue(_recommends),
            Skip = skip,
            Gate = gate,
            Progress = progress,
        };
        SmokeTest.Outcome outcome = await SmokeTest.RunAsync(options, progress, stop);
        progress.Dispose();
        foreach (string note in outcome.Notes)
            Message.Note(TestStyle.Safe(note));
        foreach (string package in outcome.NotRun)
            Descriptor.Output.WriteLine($"not run: {package}: another package failed; --keep-going goes on");
        SmokeTable.Write(outcome);
        if (json is not null)
            OutputFile.Write(json, "--json", SmokeJson.Of(outcome));
        bool written = ReportRequest.WriteAll(reports, Report.Of(outcome.Results.Select(r => r.ToReport())) with { ToolVersion = VersionText.Version });
        return !outcome.Succeeded ? KernelTestSession.Failed : written ? 0 : ExitStatus.NotProvided;
    }, cancellationToken);

    private GuestOptions Guest(string? kernel, ParseResult result, IProgress<KernelProgress> progress)
    {
        GuestOptions options = new()
        {
            Memory = result.GetValue(_memory) ?? 1L << 30,
            Scratch = result.GetValue(_scratch),
            BootTimeout = result.GetValue(_bootTimeout) ?? TimeSpan.FromMinutes(1),
            SystemTimeout = result.GetValue(_bootTimeout) ?? TimeSpan.FromMinutes(3),
        };
        if (kernel is not null)
            options = options with { Kernel = kernel };
        return options with { KernelResolution = new KernelResolveOptions { Progress = progress, LockFile = KernelLock.FindFile(options.Kernel, Directory.GetCurrentDirectory()) } };
    }

    private static IEnumerable<string> Words(string[]? values) => (values ?? []).SelectMany(v => v.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
}
