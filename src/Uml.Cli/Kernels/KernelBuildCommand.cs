using System.CommandLine;
using System.CommandLine.Parsing;

namespace Uml.CI.Cli;

/// <summary><c>uml kernel build</c>: makes a kernel from its source.</summary>
internal static class KernelBuildCommand
{
    public static Command Create()
    {
        var source = new Argument<string>("SOURCE") { Description = "debian-source:VERSION[@SUITE], which is Debian's package of a kernel's source; or a kernel tree, a git work tree, or a tarball" };
        var profile = new Option<string?>("--profile", "-p") { HelpName = "P[,P]", Description = $"Profiles to configure it with, in their order. Default: {KernelReference.DefaultProfile}" };
        var config = new Option<string[]>("--config") { HelpName = "FILE", Description = "Configuration fragment of your own, applied after the profiles. Repeatable" };
        var set = new Option<string[]>("--set") { HelpName = "CONFIG_X=V", Description = "Single option, applied last. Repeatable" };
        var debug = new Option<bool>("--no-debug-info") { Description = "Make no information for debuggers, which takes half of the time and most of the space of a build" };
        var compiler = new Option<string>("--cc") { HelpName = "COMPILER", Description = "C compiler, a name or a path. Default: gcc", DefaultValueFactory = _ => "gcc" };
        var jobs = new Option<int?>("--jobs", "-j") { HelpName = "N", Description = "How many files to compile at once. Default: as many as there are CPUs", CustomParser = ParseJobs };
        var output = new Option<string?>("--output", "-o") { HelpName = "DIR", Description = "Copy the kernel and all that belongs to it into a directory, too; one that is there must be empty" };
        var force = new Option<bool>("--force") { Description = "Build also what the store has a kernel of the same inputs for" };
        var twice = new Option<bool>("--twice") { Description = "Build twice, in different directories and without ccache, and fail if one byte differs" };
        var refresh = new Option<bool>("--refresh") { Description = "Look for a newer source package" };
        profile.CompletionSources.Add(context => Profiles(context.WordToComplete));
        source.CompletionSources.Add("debian-source:6.1", "debian-source:6.12", "debian-source:7.2", "debian-source:7.3");
        var command = new Command("build", "Build a kernel from its source into the store") { source, profile, config, set, debug, compiler, jobs, output, force, twice, refresh };
        command.SetAction((result, cancellation) => BuildAsync(
            Reference(result.GetValue(source)!, result.GetValue(profile)),
            new KernelBuildOptions
            {
                Fragments = [.. (result.GetValue(config) ?? []).Select(Path.GetFullPath)],
                Settings = [.. result.GetValue(set) ?? []],
                NoDebugInformation = result.GetValue(debug),
                Compiler = result.GetValue(compiler) ?? "gcc",
                Jobs = result.GetValue(jobs),
                Force = result.GetValue(force),
                Twice = result.GetValue(twice),
                Refresh = result.GetValue(refresh),
            },
            result.GetValue(output),
            cancellation));
        int width = KernelProfile.All.Max(p => p.Name.Length) + 2;
        HelpText.Describe(
            command,
            "uml kernel build [options] SOURCE",
            "Profiles:\n" + string.Join('\n', KernelProfile.All.Select(p => $"  {p.Name.PadRight(width)}{Shorten(p.Summary, 96 - width)}")),
            """
            A kernel whose inputs (source, fragments, patches, compiler) are those of one in the store is not
            built again. A tree that is worked on keeps its object files, so that a second build takes seconds.

            Examples:
              uml kernel build debian-source:7.3                   # Debian's linux-source-7.3
              uml kernel build debian-source:6.12@trixie -p distro
              uml kernel build ~/linux -p debug,kunit              # a kernel tree
              uml kernel build linux-7.3.4.tar.xz --set CONFIG_BTRFS_FS=y -o out
              uml run --kernel debian-source:7.3#fast -- uname -r
            """);
        return command;
    }

    /// <summary>What is to be built: a reference as it is, or the path of a source.</summary>
    internal static KernelReference Reference(string source, string? profiles)
    {
        if (!source.StartsWith("debian-source:", StringComparison.Ordinal) && !source.StartsWith("source:", StringComparison.Ordinal))
            return KernelReference.Parse($"source:{Path.GetFullPath(source)}#{profiles ?? KernelReference.DefaultProfile}");
        KernelReference reference = KernelReference.Parse(source);

        // It prints as it was written when it names its profiles.
        if (profiles is not null && reference.ToString() == source)
            throw new ArgumentException($"{source} names profiles behind its '#', and so does --profile: write one of the two");
        return (profiles is null ? reference : KernelReference.Parse($"{source}#{profiles}")).From(Directory.GetCurrentDirectory());
    }

    private static async Task<int> BuildAsync(KernelReference reference, KernelBuildOptions options, string? output, CancellationToken cancellationToken)
    {
        if (output is not null && (File.Exists(output) || Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Any()))
            throw new ArgumentException($"the directory \"{output}\" of --output is there already and not empty: name a new one");
        using var interrupted = new ForwardedSignals();
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, interrupted.Stopped);
        using var progress = new ProgressLine(TimeSpan.Zero);
        BuiltKernel built;
        try
        {
            built = await new KernelStore().BuildAsync(reference, options with { Progress = progress }, cancellation.Token);
        }
        catch (OperationCanceledException)
        {
            progress.Dispose();
            Message.Error("interrupted");
            return ExitStatus.OfSignal(interrupted.Last);
        }

        progress.Dispose();
        if (output is not null)
            CopyDirectory(built.Directory, Path.GetFullPath(output));
        Print(built, output);
        return 0;
    }

    private static void Print(BuiltKernel built, string? output)
    {
        string files = built.Compiled == 0 ? "" : $", {built.Compiled} files compiled{(built.UsedCcache ? " (through ccache)" : "")}";
        string how = built.WasPresent ? "already built" : $"built in {Duration.Format(TimeSpan.FromSeconds(Math.Ceiling(built.Duration.TotalSeconds)))}{files}";
        Descriptor.Output.WriteLine($"Linux {built.Kernel.Release}: {how}{(built.BuiltTwice ? ", twice with equal bytes" : "")}");
        Descriptor.Output.WriteLine($"  source    {built.Record.Source.Name}{(built.Record.Source.Commit is { } commit ? $" ({commit[..12]}{(built.Record.Source.Modified ? ", modified" : "")})" : "")}");
        Descriptor.Output.WriteLine($"  profiles  {string.Join(", ", built.Record.Profiles)}");
        Descriptor.Output.WriteLine($"  compiler  {built.Record.Compiler}");
        foreach ((string name, string label) in ((string, string)[])[("linux", "kernel"), ("linux.debug", "debug")])
        {
            if (new FileInfo(Path.Combine(built.Directory, name)) is { Exists: true } file)
                Descriptor.Output.WriteLine($"  {label,-10}{Size.Format(file.Length)}, {file.FullName}");
        }

        if (output is not null)
            Descriptor.Output.WriteLine($"  copy      {Path.GetFullPath(output)}");
        Descriptor.Output.WriteLine($"Use it: uml run --kernel {ShellText.Quote(built.Reference.Source == KernelSource.File ? built.Reference.Value : built.Reference.ToString())} -- uname -r");
    }

    private static void CopyDirectory(string from, string to)
    {
        foreach (string file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    // Behind the last comma, with what stands before it kept.
    private static IEnumerable<string> Profiles(string word)
    {
        int comma = word.LastIndexOf(',') + 1;
        return KernelProfile.All.Where(p => p.Name != KernelProfile.Base).Select(p => word[..comma] + p.Name);
    }

    private static string Shorten(string text, int width) => text.Length <= width ? text : text[..(width - 3)].TrimEnd() + "...";

    private static int? ParseJobs(ArgumentResult result)
    {
        if (int.TryParse(result.Tokens[0].Value, System.Globalization.NumberStyles.None, null, out int count) && count > 0)
            return count;
        result.AddError($"\"{result.Tokens[0].Value}\" is not a number of files to compile at once");
        return null;
    }
}
