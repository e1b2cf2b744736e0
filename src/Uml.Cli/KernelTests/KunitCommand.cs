using System.Collections.Immutable;
using System.CommandLine;
using System.CommandLine.Parsing;

namespace Uml.CI.Cli;

/// <summary><c>uml kunit</c>: the unit tests that are built into a kernel, as kunit.py knows them.</summary>
internal sealed class KunitCommand
{
    private const string ExitStatuses = """
        Exit status:
          0      every test passed or was skipped, and at least one passed
          1      a test failed, crashed, hung or got lost; the kernel complained; no test ran
          125    the kernel could not be provided or run; bad usage; a file could not be written
          128+n  signal n ended the run
        """;

    private readonly Option<string?> _source = new("--source", "-s") { HelpName = "SOURCE", Description = "Kernel tree, tarball, or debian-source:VERSION. Default: the tree the current directory is in" };
    private readonly Option<string[]> _kunitconfig = new("--kunitconfig") { HelpName = "PATH", Description = "Configuration that turns tests on: a file, or a directory with a .kunitconfig; of this machine, or below the source's top. Repeatable. Default: ./.kunitconfig, else the source's default.config" };
    private readonly Option<string[]> _add = new("--kconfig_add", "--kconfig-add") { HelpName = "CONFIG_X=Y", Description = "Single option, applied last. Repeatable" };
    private readonly Option<bool> _allTests = new("--alltests") { Description = "Turn on every test that runs on UML (the source's all_tests.config)" };
    private readonly Option<string[]> _makeOptions = new("--make_options", "--make-options") { HelpName = "CC=COMPILER", Description = "C compiler. Repeatable" };
    private readonly Option<string?> _arch = new("--arch") { HelpName = "um", Description = "Only um can be run here" };
    private readonly Option<int?> _jobs = new("--jobs", "-j") { HelpName = "N", Description = "How many files to compile, and how many kernels to run at once. Default: as many as there are CPUs", CustomParser = ParseJobs };
    private readonly Option<string?> _output = new("--output", "-o") { HelpName = "FILE", Description = "Write the configuration to a file. Default: standard output" };
    private readonly Option<string?> _buildDirectory = new("--build_dir", "--build-dir") { HelpName = "DIR", Description = "Run the kernel that kunit.py or make built in this directory" };
    private readonly Option<string?> _kernel = new("--kernel", "-k") { HelpName = "REFERENCE", Description = "Run a kernel that has unit tests: a path, debian-source:7.3#debug,kunit, or any other reference" };
    private readonly Argument<string?> _glob = new("GLOB") { Arity = ArgumentArity.ZeroOrOne, Description = "Tests to run: SUITE or SUITE.TEST with * ? [] in either, such as 'list*.*del_test'. Default: all" };
    private readonly Option<string?> _filter = new("--filter") { HelpName = "ATTRIBUTE", Description = "Filter by attributes, such as 'speed>slow, module!=example'. Kernels since 6.6" };
    private readonly Option<string?> _filterAction = new("--filter_action", "--filter-action") { HelpName = "skip", Description = "Report what --filter leaves out as skipped" };
    private readonly Option<string[]> _kernelArguments = new("--kernel_args", "--kernel-args") { HelpName = "ARGUMENTS", Description = "Append to the kernel's command line. Repeatable" };
    private readonly Option<string?> _isolated = new("--run_isolated", "--run-isolated") { HelpName = "suite|test", Description = "A kernel of its own for each suite or test, several at once" };
    private readonly Option<TimeSpan?> _timeout = new("--timeout") { HelpName = "TIME", Description = "How long one kernel may take: 5m, 300s; a plain number is seconds. Default: 300s", CustomParser = GuestOptionSet.ParseDuration };
    private readonly Option<TimeSpan?> _testTimeout = new("--test-timeout") { HelpName = "TIME", Description = "How long a test may go without a result before it counts as hung and the others get another kernel. Default: 120s", CustomParser = GuestOptionSet.ParseDuration };
    private readonly Option<long?> _memory = new("--memory", "-m") { HelpName = "SIZE", Description = "Memory of a kernel, such as 1G (default); at least 256M. The host gives it as it is used", CustomParser = GuestOptionSet.ParseMemory };
    private readonly Option<int?> _cpus = new("--cpus") { HelpName = "N", Description = "Number of CPUs; more than one needs a kernel with SMP", CustomParser = GuestOptionSet.ParseCpus };
    private readonly Option<bool> _list = new("--list_tests", "--list-tests") { Description = "Name the tests and run none" };
    private readonly Option<bool> _listAttributes = new("--list_tests_attr", "--list-tests-attr") { Description = "Name the tests with their attributes" };
    private readonly Option<bool> _listSuites = new("--list_suites", "--list-suites") { Description = "Name the suites" };
    private readonly Option<string?> _raw = new("--raw_output", "--raw-output") { HelpName = "[all|kunit]", Arity = ArgumentArity.ZeroOrOne, Description = "Show the kernel's log instead of a tree: all of it, or (default) the part that is KTAP" };
    private readonly Option<string?> _json = new("--json") { HelpName = "[FILE]", Arity = ArgumentArity.ZeroOrOne, Description = "Write results as kunit.py's JSON, to standard output or a file" };
    private readonly Option<bool> _summary = new("--summary") { Description = "Show the summary only" };
    private readonly Option<bool> _failed = new("--failed") { Description = "Show only tests that failed, and the summary" };
    private readonly Option<string?> _kernelLog = new("--kernel-log") { HelpName = "FILE", Description = "Write the logs of all kernels to a file" };
    private readonly ComplaintOptionSet _complaints = new();
    private readonly ReportOptionSet _reports = new();
    private readonly Argument<string?> _file = new("FILE") { Arity = ArgumentArity.ZeroOrOne, Description = "A kernel log or test output. Default: standard input" };

    private KunitCommand()
    {
        _kernel.CompletionSources.Add(_ => GuestOptionSet.Kernels());
        _kernel.Validators.Add(GuestOptionSet.CheckKernels);
        _isolated.AcceptOnlyFromAmong("suite", "test");
        _filterAction.AcceptOnlyFromAmong("skip");
        _raw.AcceptOnlyFromAmong("all", "full", "kunit");
        _arch.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: not "um" } token])
                result.AddError($"the architecture {token.Value} cannot be run here, only um: kunit.py runs the others under QEMU");
        });
    }

    public static Command Create()
    {
        var command = new Command("kunit", "Configure, build and run a kernel's own unit tests (KUnit)")
        {
            new KunitCommand().CreateRun(), new KunitCommand().CreateConfig(), new KunitCommand().CreateBuild(), new KunitCommand().CreateExec(), new KunitCommand().CreateList(), new KunitCommand().CreateParse(),
        };
        HelpText.Describe(command, "uml kunit COMMAND [options]", """
            The verbs and most options are those of the kernel's tools/testing/kunit/kunit.py.

            Examples:
              cd linux && uml kunit run                                # configure, build, run
              uml kunit run --source debian-source:7.3 'list*'
              uml kunit exec --kernel debian-source:7.3#debug,kunit    # a kernel that is built
              uml kunit parse kernel.log
            """);
        return command;
    }

    /// <summary>
    /// Options whose value may be left out get it, as kunit.py does it: the word after them is a pattern of tests, not their value.
    /// </summary>
    public static IReadOnlyList<string> GiveDefaults(IReadOnlyList<string> arguments) => arguments is not ["kunit", ..]
        ? arguments
        : [.. arguments.Select(a => a switch { "--json" => "--json=" + KunitView.StandardOutput, "--raw_output" or "--raw-output" => a + "=kunit", _ => a })];

    private Option[] Configuring => [_source, _kunitconfig, _add, _allTests, _makeOptions, _arch];

    private Option[] Executing => [_filter, _filterAction, _kernelArguments, _isolated, _timeout, _testTimeout, _memory, _cpus];

    private Option[] Parsing => [_raw, _json, _summary, _failed];

    private Command CreateConfig()
    {
        Command command = Make("config", "Work out the configuration of a kernel with unit tests, and check that it has all that was asked for", [.. Configuring, _output]);
        command.SetAction((result, cancellation) => KunitSession.ConfigureAsync(Source(result), result.GetValue(_output), cancellation));
        HelpText.Describe(command, "uml kunit config [options]", """
            Examples:
              uml kunit config --kunitconfig lib/kunit -o .config
              uml kunit config --source debian-source:7.3 --kconfig_add CONFIG_KASAN=y
            """);
        return command;
    }

    private Command CreateBuild()
    {
        Command command = Make("build", "Build a kernel with unit tests into the store", [.. Configuring, _jobs]);
        command.SetAction((result, cancellation) => KunitSession.BuildAsync(Source(result), cancellation));
        HelpText.Describe(command, "uml kunit build [options]", """
            A tree is built again from where the last build ended. Its directory is not written to.

            Examples:
              uml kunit build
              uml kunit build --kunitconfig fs/ext4 --kconfig_add CONFIG_KASAN=y --make_options CC=clang
            """);
        return command;
    }

    private Command CreateRun()
    {
        Command command = Make("run", "Configure, build and run", [.. Configuring, _jobs, .. Executing, _list, _listAttributes, _listSuites, .. Parsing, _kernelLog, .. _complaints.Options, .. _reports.Options]);
        command.Arguments.Add(_glob);
        command.SetAction((result, cancellation) => KunitSession.RunAsync(Source(result), Request(result), cancellation));
        HelpText.Describe(command, "uml kunit run [options] [GLOB]", ExitStatuses, """
            A test that crashes its kernel, or hangs, is named, and the tests after it run in another kernel.

            Examples:
              uml kunit run
              uml kunit run 'example*' --kunitconfig lib/kunit
              uml kunit run --filter 'speed>slow' --run_isolated suite
              uml kunit run --source debian-source:7.3 --json=results.json
            """);
        return command;
    }

    private Command CreateExec()
    {
        Command command = Make("exec", "Run the tests of a kernel that is built", [.. Configuring, _buildDirectory, _kernel, _jobs, .. Executing, _list, _listAttributes, _listSuites, .. Parsing, _kernelLog, .. _complaints.Options, .. _reports.Options]);
        command.Arguments.Add(_glob);
        command.SetAction((result, cancellation) => KunitSession.ExecuteAsync(Reference(result), Request(result) with { KernelName = SourceName(result) }, cancellation));
        HelpText.Describe(command, "uml kunit exec [options] [GLOB]", ExitStatuses, """
            The kernel is the one that "uml kunit build" with the same options made, unless it is named.

            Examples:
              uml kunit exec
              uml kunit exec --build_dir .kunit 'list*'
              uml kunit exec --kernel ./linux --run_isolated test example
              uml kunit exec --raw_output=all
            """);
        return command;
    }

    private Command CreateList()
    {
        Command command = Make("list", "Name the tests of a kernel that is built", [.. Configuring, _buildDirectory, _kernel, _filter, _filterAction, _kernelArguments, _memory, _listAttributes, _listSuites]);
        command.Arguments.Add(_glob);
        command.SetAction((result, cancellation) => KunitSession.ExecuteAsync(Reference(result), Request(result) with { Lists = Lists(result) ?? KunitListing.Tests }, cancellation));
        HelpText.Describe(command, "uml kunit list [options] [GLOB]", """
            Examples:
              uml kunit list
              uml kunit list --build_dir .kunit --list_tests_attr 'example*'
            """);
        return command;
    }

    private Command CreateParse()
    {
        Command command = Make("parse", "Show the test results in a kernel log", Parsing);
        command.Arguments.Add(_file);
        command.SetAction((result, _) => Task.FromResult(KunitSession.Parse(result.GetValue(_file), View(result))));
        HelpText.Describe(command, "uml kunit parse [options] [FILE]", ExitStatuses, """
            Examples:
              uml kunit parse kernel.log
              dmesg | uml kunit parse --failed
              uml kunit parse --json=results.json kernel.log
            """);
        return command;
    }

    private static Command Make(string name, string description, Option[] options)
    {
        var command = new Command(name, description);
        foreach (Option option in options)
            command.Options.Add(option);
        return command;
    }

    private KunitSource Source(ParseResult result)
    {
        string compiler = "gcc";
        foreach (string option in result.GetValue(_makeOptions) ?? [])
        {
            if (!option.StartsWith("CC=", StringComparison.Ordinal) || option.Length == 3)
                throw new ArgumentException($"the make option \"{option}\" is not one that is passed on: only CC=COMPILER is");
            compiler = option[3..];
        }

        KunitSource source = KunitSource.Find(result.GetValue(_source), result.GetValue(_kunitconfig) ?? [], result.GetValue(_allTests), result.GetValue(_add) ?? []);
        return source with { Build = source.Build with { Compiler = compiler, Jobs = result.CommandResult.Command.Options.Contains(_jobs) ? result.GetValue(_jobs) : null } };
    }

    private KernelReference Reference(ParseResult result)
    {
        if (result.GetValue(_kernel) is { } kernel)
            return result.GetValue(_buildDirectory) is null ? KernelReference.Parse(kernel) : throw new ArgumentException("--kernel and --build_dir both name a kernel: write one of the two");
        if (result.GetValue(_buildDirectory) is { } directory)
        {
            string linux = Path.GetFullPath(Path.Combine(directory, "linux"));
            return File.Exists(linux) ? KernelReference.File(linux) : throw new ArgumentException($"the directory \"{directory}\" of --build_dir has no kernel (linux): build one with kunit.py build --build_dir={directory}");
        }

        KunitSource source = Source(result);
        return source.FindBuilt(new KernelStore()) is { } built
            ? KernelReference.File(built)
            : throw new ArgumentException($"no kernel was built of {source.Name} with these options yet: do so with uml kunit build, or name one with --kernel or --build_dir");
    }

    // Null for a kernel that was named.
    private string? SourceName(ParseResult result) => result.GetValue(_kernel) is null && result.GetValue(_buildDirectory) is null ? Source(result).Name : null;

    private KunitRequest Request(ParseResult result)
    {
        bool has(Option option) => result.CommandResult.Command.Options.Contains(option);
        KunitOptions options = new()
        {
            Guest = new GuestOptions
            {
                Memory = result.GetValue(_memory) ?? KunitOptions.DefaultMemory,
                Cpus = has(_cpus) ? result.GetValue(_cpus) ?? 1 : 1,
                KernelArguments = [.. (result.GetValue(_kernelArguments) ?? []).SelectMany(a => a.Split(' ', StringSplitOptions.RemoveEmptyEntries))],
            },
            FilterGlob = result.GetValue(_glob) ?? "",
            Filter = result.GetValue(_filter) ?? "",
            SkipFiltered = result.GetValue(_filterAction) is not null,
        };
        if (has(_isolated))
        {
            options = options with
            {
                Isolation = result.GetValue(_isolated) switch { "suite" => KunitIsolation.Suite, "test" => KunitIsolation.Test, _ => KunitIsolation.None },
                Timeout = result.GetValue(_timeout) ?? options.Timeout,
                TestTimeout = result.GetValue(_testTimeout) ?? options.TestTimeout,
                Jobs = result.GetValue(_jobs) ?? options.Jobs,
            };
        }

        return new KunitRequest
        {
            Options = options,
            View = has(_raw) ? View(result) : new KunitView(),
            Lists = Lists(result),
            KernelLogFile = has(_kernelLog) ? result.GetValue(_kernelLog) : null,
            Gate = has(_kernelLog) ? _complaints.Read(result, KunitKnown.List) : null,
            Reports = has(_kernelLog) ? _reports.Read(result) : [],
        };
    }

    private KunitListing? Lists(ParseResult result)
    {
        bool has(Option<bool> option) => result.CommandResult.Command.Options.Contains(option) && result.GetValue(option);
        return has(_listAttributes) ? KunitListing.Attributes : has(_listSuites) ? KunitListing.Suites : has(_list) ? KunitListing.Tests : null;
    }

    private KunitView View(ParseResult result) => new()
    {
        Raw = result.GetResult(_raw) is null ? KunitRawOutput.None : result.GetValue(_raw) is "all" or "full" ? KunitRawOutput.All : KunitRawOutput.Ktap,
        JsonFile = result.GetResult(_json) is null ? null : result.GetValue(_json) ?? KunitView.StandardOutput,
        SummaryOnly = result.GetValue(_summary),
        FailedOnly = result.GetValue(_failed),
    };

    private static int? ParseJobs(ArgumentResult result)
    {
        if (int.TryParse(result.Tokens[0].Value, System.Globalization.NumberStyles.None, null, out int count) && count > 0)
            return count;
        result.AddError($"\"{result.Tokens[0].Value}\" is not a number of things to do at once");
        return null;
    }
}
