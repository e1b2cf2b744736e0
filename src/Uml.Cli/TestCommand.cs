using System.Collections.Immutable;
using System.CommandLine;
using System.CommandLine.Parsing;

namespace Uml.CI.Cli;

/// <summary><c>uml test</c>: built test assemblies in guests, on many kernels at once.</summary>
internal sealed class TestCommand
{
    /// <summary>Makes the tool the program of a test assembly of xunit v2; nobody types it.</summary>
    public const string V2Verb = "xunit-v2-program";

    private const long DefaultMemory = 1L << 30;

    private const string ExitStatuses = """
        Exit status:
          0      every test passed, or was skipped
          1      a test failed, or a guest was lost before its tests had ended
          125    nothing could run: bad usage, no test, no such kernel; or a report could not be written
          128+n  signal n ended the run
        """;

    private readonly Argument<string[]> _assemblies = new("ASSEMBLY") { Arity = ArgumentArity.ZeroOrMore, Description = "Built test assemblies of xunit v3 or v2: the .dll, or the executable beside it" };
    private readonly Option<string[]> _kernels = new("--kernel", "-k") { HelpName = "REFERENCE", Description = "Kernel to test on: debian:SUITE, a version such as 7.3, file:PATH or a path. Repeatable. Default: $UML_KERNEL, else debian:sid" };
    private readonly Option<string[]> _queries = Words("--filter", "QUERY", "Tests to run, in xunit's query language: /assembly/namespace/class/method[trait=value], with * for anything. Repeatable: any of them", "--filter-query");
    private readonly Option<string[]> _classes = Words("--filter-class", "NAME", "Classes to run, by full name, with * at either end. Repeatable");
    private readonly Option<string[]> _excludedClasses = Words("--filter-not-class", "NAME", "Classes to leave out. Repeatable");
    private readonly Option<string[]> _methods = Words("--filter-method", "NAME", "Methods to run, by full name, with * at either end. Repeatable");
    private readonly Option<string[]> _excludedMethods = Words("--filter-not-method", "NAME", "Methods to leave out. Repeatable");
    private readonly Option<string[]> _namespaces = Words("--filter-namespace", "NAME", "Namespaces to run. Repeatable");
    private readonly Option<string[]> _excludedNamespaces = Words("--filter-not-namespace", "NAME", "Namespaces to leave out. Repeatable");
    private readonly Option<string[]> _traits = Words("--filter-trait", "NAME=VALUE", "Traits to run. Repeatable");
    private readonly Option<string[]> _excludedTraits = Words("--filter-not-trait", "NAME=VALUE", "Traits to leave out. Repeatable");
    private readonly Option<bool> _list = new("--list-tests") { Description = "Name the tests and boot nothing" };
    private readonly ReportOptionSet _reports = new();
    private readonly Option<string?> _results = new("--results-directory") { HelpName = "DIR", Description = "Keep what the guests left: attachments, output past the test framework, kernel logs" };
    private readonly Option<TimeSpan?> _timeout = new("--timeout") { HelpName = "TIME", Description = "How long the tests of an assembly may take on a kernel: 30s, 5m, 1h30m. Default: no limit", CustomParser = GuestOptionSet.ParseDuration };
    private readonly Option<bool> _stopOnFail = new("--stop-on-fail") { Description = "End everything at the first failure" };
    private readonly Option<int?> _jobs = new("--jobs", "-j") { HelpName = "N", Description = "Guests at once. Default: one for each CPU", CustomParser = ParseJobs };
    private readonly Option<long?> _memory = new("--memory", "-m") { HelpName = "SIZE", Description = "Memory of a guest, such as 1G (default); at least 256M. The host gives it as the guest uses it", CustomParser = GuestOptionSet.ParseMemory };
    private readonly Option<int?> _cpus = new("--cpus") { HelpName = "N", Description = "Number of CPUs of a guest; more than one needs a kernel with SMP", CustomParser = GuestOptionSet.ParseCpus };
    private readonly Option<string[]> _environment = new("--env", "-e") { HelpName = "NAME[=VALUE]", Description = "Set a variable; NAME alone passes the caller's on. Repeatable" };
    private readonly Option<TimeSpan?> _bootTimeout = new("--boot-timeout") { HelpName = "TIME", Description = "How long a guest may take until it serves commands. Default: 30s", CustomParser = GuestOptionSet.ParseDuration };
    private readonly Option<string[]> _append = new("--append") { HelpName = "ARGUMENTS", Description = "Append arguments to the kernels' command lines. Repeatable" };
    private readonly Option<bool> _ptrace = new("--ptrace") { Description = "Keep the guests' processes apart by ptrace also where a kernel has the faster seccomp mode" };
    private readonly Option<bool> _verbose = new("--verbose", "-v") { Description = "Name every test as it ends" };

    // The tool itself, in the guest; see CommandLine.
    private static ImmutableArray<string> V2Program => [TestAssembly.Dotnet, "exec", typeof(TestCommand).Assembly.Location, V2Verb];

    private TestCommand()
    {
        _kernels.CompletionSources.Add(_ => GuestOptionSet.Kernels());
        _kernels.Validators.Add(GuestOptionSet.CheckKernels);
        _environment.Validators.Add(GuestOptionSet.CheckEnvironment);
    }

    public static Command Create()
    {
        var options = new TestCommand();
        var command = new Command("test", "Run built test assemblies inside guests, on several kernels at once") { options._assemblies };
        foreach (Option option in (Option[])[
            options._kernels, options._queries, options._classes, options._excludedClasses, options._methods, options._excludedMethods,
            options._namespaces, options._excludedNamespaces, options._traits, options._excludedTraits, options._list,
            .. options._reports.Options, options._results, options._timeout, options._stopOnFail, options._jobs,
            options._memory, options._cpus, options._environment, options._bootTimeout, options._append, options._ptrace, options._verbose])
        {
            command.Options.Add(option);
        }

        command.SetAction((result, cancellation) => TestSession.RunAsync(options.Read(result), cancellation));
        HelpText.Describe(command, "uml test [options] ASSEMBLY...", ExitStatuses, """
            Each assembly runs once per kernel, in a fresh guest whose root is the host's file system; what
            tests write stays in the guest. Ctrl-C ends all of it at once.

            Examples:
              uml test bin/Debug/net10.0/My.Tests.dll
              uml test My.Tests.dll --kernel debian:bookworm --kernel debian:sid
              uml test My.Tests.dll --filter-trait Category=kernel --timeout 5m
              uml test My.Tests.dll --filter '/*/*/MountTests/*' --list-tests
              uml test *.Tests.dll --report-junit results.xml --results-directory results
            """);
        return command;
    }

    private TestRequest Read(ParseResult result)
    {
        string[] kernels = result.GetValue(_kernels) is { Length: > 0 } named ? named : [new GuestOptions().Kernel.ToString()];
        var guest = new GuestOptions
        {
            Memory = result.GetValue(_memory) ?? DefaultMemory,
            Cpus = result.GetValue(_cpus) ?? 1,
            KernelArguments = [.. (result.GetValue(_append) ?? []).SelectMany(a => a.Split(' ', StringSplitOptions.RemoveEmptyEntries))],
            Environment = GuestOptionSet.Variables(result.GetValue(_environment), hostRoot: true, otherUser: false),
            Ptrace = result.GetValue(_ptrace),
        };
        if (result.GetValue(_bootTimeout) is { } bootTimeout)
            guest = guest with { BootTimeout = bootTimeout };
        return new TestRequest
        {
            Run = new TestRunOptions
            {
                Assemblies = [.. (result.GetValue(_assemblies) ?? []).Select(a => TestAssembly.Open(a, V2Program))],
                Guests = [.. kernels.Select(k => guest with { Kernel = k })],
                Filter = new TestFilter
                {
                    Queries = [.. result.GetValue(_queries) ?? []],
                    Classes = [.. result.GetValue(_classes) ?? []],
                    ExcludedClasses = [.. result.GetValue(_excludedClasses) ?? []],
                    Methods = [.. result.GetValue(_methods) ?? []],
                    ExcludedMethods = [.. result.GetValue(_excludedMethods) ?? []],
                    Namespaces = [.. result.GetValue(_namespaces) ?? []],
                    ExcludedNamespaces = [.. result.GetValue(_excludedNamespaces) ?? []],
                    Traits = [.. result.GetValue(_traits) ?? []],
                    ExcludedTraits = [.. result.GetValue(_excludedTraits) ?? []],
                },
                Timeout = result.GetValue(_timeout),
                Jobs = result.GetValue(_jobs),
                StopOnFail = result.GetValue(_stopOnFail),
                ResultsDirectory = result.GetValue(_results),
            },
            Reports = _reports.Read(result),
            ListOnly = result.GetValue(_list),
            Verbose = result.GetValue(_verbose),
        };
    }

    private static Option<string[]> Words(string name, string value, string description, params string[] aliases) =>
        new(name, aliases) { HelpName = value, Description = description };

    private static int? ParseJobs(ArgumentResult result)
    {
        if (int.TryParse(result.Tokens[0].Value, System.Globalization.NumberStyles.None, null, out int count) && count > 0)
            return count;
        result.AddError($"\"{result.Tokens[0].Value}\" is not a number of guests");
        return null;
    }
}
