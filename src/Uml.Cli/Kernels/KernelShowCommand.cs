using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml kernel show</c>: one kernel, or some of its options.</summary>
internal static class KernelShowCommand
{
    public static Command Create()
    {
        var reference = new Argument<string>("REFERENCE") { Description = "A kernel of the store, the beginning of its SHA-256, or a kernel executable" };
        reference.CompletionSources.Add(_ => GuestOptionSet.Kernels());
        var options = new Argument<string[]>("OPTION") { Arity = ArgumentArity.ZeroOrMore, Description = "Configuration options to show, such as CONFIG_KASAN; the prefix may be left out, and * stands for anything" };
        var config = new Option<bool>("--config") { Description = "Print the whole configuration" };
        var command = new Command("show", "Show where a kernel comes from, how it was built, and its configuration") { reference, options, config };
        command.SetAction((result, _) => Task.FromResult(Show(result.GetValue(reference)!, result.GetValue(options) ?? [], result.GetValue(config))));
        HelpText.Describe(command, "uml kernel show [--config] REFERENCE [OPTION...]", """
            Examples:
              uml kernel show debian:sid
              uml kernel show 7.3 CONFIG_KASAN        # CONFIG_KASAN=y, or that it is not set
              uml kernel show ./linux '*_FS'

            Exit status: 0; 1 if one of the options is not set; else 125.
            """);
        return command;
    }

    private static int Show(string name, string[] options, bool wholeConfiguration)
    {
        (StoredKernel? stored, GuestKernel? kernel) = Find(name);
        if (options.Length == 0 && !wholeConfiguration)
        {
            Describe(stored, kernel);
            return 0;
        }

        string executable = stored is null ? kernel!.ExecutablePath : Path.Combine(stored.Directory, "linux");
        KernelConfiguration configuration = KernelConfiguration.Find(executable)
            ?? throw new KernelException($"the configuration of {name} is not known: there is no file \"config\" beside {executable}, and it was built without CONFIG_IKCONFIG");
        if (wholeConfiguration)
        {
            foreach ((string option, string value) in configuration.Options)
                Descriptor.Output.WriteLine($"{option}={value}");
        }

        bool all = true;
        foreach (string option in options)
            all &= Print(configuration, KernelConfiguration.NameOf(option));
        return all ? 0 : 1;
    }

    private static bool Print(KernelConfiguration configuration, string option)
    {
        KeyValuePair<string, string>[] hits = option.Contains('*', StringComparison.Ordinal)
            ? [.. configuration.Options.Where(o => System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(option, o.Key, ignoreCase: true))]
            : configuration[option] is { } only ? [new(option.ToUpperInvariant(), only)] : [];
        foreach ((string name, string value) in hits)
            Descriptor.Output.WriteLine($"{name}={value}");

        // As the kernel's own .config says it.
        if (hits.Length == 0)
            Descriptor.Output.WriteLine($"# {option.ToUpperInvariant()} is not set");
        return hits.Length > 0;
    }

    private static (StoredKernel? Stored, GuestKernel? Kernel) Find(string name)
    {
        var store = new KernelStore();
        if (KernelReference.TryParse(name, out KernelReference? reference) && reference.Source == KernelSource.File)
            return (null, store.Find(reference));
        StoredKernel stored = store.FindStored(name);
        return (stored, reference is null ? null : store.Find(reference));
    }

    private static void Describe(StoredKernel? stored, GuestKernel? kernel)
    {
        List<(string Name, string? Value)> lines = [];
        if (stored is not null)
        {
            KernelRecord? record = KernelStore.RecordOf(stored);
            lines.AddRange([
                ("release", stored.Release),
                ("banner", stored.Banner),
                ("references", stored.References.Count > 0 ? string.Join(' ', stored.References) : "none"),
                ("from", stored.Origin),
                ("package", stored.PackageVersion),
                ("content hash", stored.ContentHash),
                ("profiles", stored.Profiles.Count > 0 ? string.Join(", ", stored.Profiles) : null),
                ("source", record is null ? null : record.Source.Name + (record.Source.Commit is { } commit ? $", commit {commit}" : "") + (record.Source.Modified ? ", modified" : "")),
                ("source SHA-256", record?.Source.Sha256),
                ("patches", record is { Patches.Count: > 0 } ? string.Join(", ", record.Patches.Select(p => p.Name)) : null),
                ("compiler", record?.Compiler),
                ("linker", record?.Linker),
                ("C library", stored.LibraryVersion),
                ("fetched", stored.Fetched.ToLocalTime().ToString("yyyy-MM-dd HH:mm")),
                ("last used", stored.LastUsed.ToLocalTime().ToString("yyyy-MM-dd HH:mm")),
                ("size", Size.Format(stored.Size)),
                ("directory", stored.Directory),
                ("SHA-256", stored.Sha256),
            ]);
        }
        else
        {
            lines.AddRange([("release", kernel!.Release), ("banner", kernel.Banner), ("executable", kernel.ExecutablePath), ("SHA-256", kernel.Sha256)]);
        }

        if (kernel is not null)
        {
            lines.AddRange([
                ("processors", kernel.IsSmp ? "several (CONFIG_SMP)" : "one"),
                ("linked", kernel.IsStatic ? "statically" : "dynamically"),
                ("modules", kernel.ModulesDirectory),
            ]);
        }

        foreach ((string name, string? value) in lines.Where(l => l.Value is not null))
            Descriptor.Output.WriteLine($"{name,-15} {value}");
    }
}
