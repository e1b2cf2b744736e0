using System.Collections.Immutable;
using System.CommandLine;
using System.CommandLine.Parsing;

namespace Uml.CI.Cli;

/// <summary><c>uml kmod</c>: a command in a guest whose kernel has modules under test in it.</summary>
internal sealed class KmodCommand
{
    private const string ExitStatuses = """
        Exit status:
          0-255  the command's own; 0 without a command when all went well
          122    the command ended well, but the kernel complained, or a module stayed or leaked
          123    the guest's kernel panicked, or the guest was lost
          124    a deadline passed (--timeout, --boot-timeout)
          125    a module or the guest could not be loaded or provided; bad usage
          128+n  signal n ended the command
        """;

    private readonly Argument<string[]> _words = new("MODULE.ko") { Arity = ArgumentArity.ZeroOrMore, Description = "Modules in the order they are loaded in, each with its parameters (name=value) behind it; then --, and the command" };
    private readonly Option<string?> _kernel = new("--kernel", "-k") { HelpName = "REFERENCE", Description = "The kernel they were built for. Default: $UML_KERNEL, else debian:sid" };
    private readonly Option<long?> _memory = new("--memory", "-m") { HelpName = "SIZE", Description = "Memory, such as 512M (default)", CustomParser = GuestOptionSet.ParseMemory };
    private readonly Option<int?> _cpus = new("--cpus") { HelpName = "N", Description = "Number of CPUs; more than one needs a kernel with SMP", CustomParser = GuestOptionSet.ParseCpus };
    private readonly Option<TimeSpan?> _timeout = new("--timeout") { HelpName = "TIME", Description = "How long the command may take. Default: no limit", CustomParser = GuestOptionSet.ParseDuration };
    private readonly Option<string[]> _append = new("--append") { HelpName = "ARGUMENTS", Description = "Append arguments to the kernel's command line. Repeatable" };
    private readonly Option<string?> _kernelLog = new("--kernel-log") { HelpName = "FILE", Description = "Write the whole kernel log to a file as it grows" };
    private readonly ComplaintOptionSet _complaints = new();

    private KmodCommand()
    {
        _kernel.CompletionSources.Add(_ => GuestOptionSet.Kernels());
        _kernel.Validators.Add(GuestOptionSet.CheckKernels);
    }

    public static Command Create()
    {
        var options = new KmodCommand();
        var command = new Command("kmod", "Load modules into a guest's kernel, run a command, unload them, and check what they left") { options._words };
        foreach (Option option in (Option[])[options._kernel, options._memory, options._cpus, options._timeout, options._append, options._kernelLog, .. options._complaints.Options])
            command.Options.Add(option);
        command.SetAction((result, _) => options.RunAsync(result));
        HelpText.Describe(command, "uml kmod [options] MODULE.ko [NAME=VALUE...]... [-- COMMAND...]", ExitStatuses, """
            Modules are unloaded in reverse. Checked are the kernel's log, what taints it before and after,
            and, where the kernel has kmemleak, memory that nothing points to any more.

            Examples:
              uml kmod -k ./linux mymod.ko
              uml kmod -k ./linux mymod.ko debug=1 -- ./test-mymod
              uml kmod -k debian-source:7.3#debug core.ko driver.ko -- sh -c 'cat /proc/mymod'
            """);
        return command;
    }

    private Task<int> RunAsync(ParseResult result)
    {
        string[] words = result.GetValue(_words) ?? [];
        int end = Array.FindIndex(words, w => !w.EndsWith(".ko", StringComparison.Ordinal) && !IsParameter(w));
        string[] modules = end < 0 ? words : words[..end];
        var load = new List<(KernelModule Module, List<string> Parameters)>();
        foreach (string word in modules)
        {
            if (!IsParameter(word))
                load.Add((KernelModule.Read(word), []));
            else if (load.Count > 0)
                load[^1].Parameters.Add(word);
            else
                throw new ArgumentException($"the parameter \"{word}\" stands before any module: write MODULE.ko {word}");
        }

        if (load.Count == 0)
            throw new ArgumentException($"no module was named{(words.Length > 0 ? $", \"{words[0]}\" is none" : "")}: uml kmod [options] MODULE.ko... [-- COMMAND...]; see \"uml kmod --help\"");
        GuestOptions guest = KernelTestSession.Guest(result.GetValue(_kernel)) with
        {
            Cpus = result.GetValue(_cpus) ?? 1,
            KernelArguments = [.. (result.GetValue(_append) ?? []).SelectMany(a => a.Split(' ', StringSplitOptions.RemoveEmptyEntries))],
            KernelLogFile = result.GetValue(_kernelLog),
        };
        if (result.GetValue(_memory) is { } memory)
            guest = guest with { Memory = memory };
        return KmodSession.RunAsync(guest, [.. load.Select(l => (l.Module, l.Parameters.ToImmutableArray()))], end < 0 ? [] : [.. words[end..]], result.GetValue(_timeout), _complaints.Read(result));
    }

    private static bool IsParameter(string word) => word.IndexOf('=', StringComparison.Ordinal) is > 0 and var equals && word[..equals].All(c => char.IsAsciiLetterOrDigit(c) || c == '_');
}
