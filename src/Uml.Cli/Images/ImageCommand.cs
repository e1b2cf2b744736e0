using System.CommandLine;
using System.CommandLine.Completions;

namespace Uml.CI.Cli;

/// <summary><c>uml image</c>: the root images on this machine.</summary>
internal static class ImageCommand
{
    public static Command Create()
    {
        var command = new Command("image", "Make, show, import, export and remove root file systems for guests");
        command.Subcommands.Add(ImageBuildCommand.Create());
        command.Subcommands.Add(ImageImportCommand.Create());
        command.Subcommands.Add(ImageListCommand.Create());
        command.Subcommands.Add(ImageShowCommand.Create());
        command.Subcommands.Add(ImageExportCommand.Create());
        command.Subcommands.Add(ImageVerifyCommand.Create());
        command.Subcommands.Add(ImageRemoveCommand.Create());
        command.Subcommands.Add(ImagePruneCommand.Create());
        HelpText.Describe(command, "uml image COMMAND", """
            Start here:
              uml image build debian:trixie
              uml run --root debian:trixie -- cat /etc/os-release
            """);
        return command;
    }

    /// <summary>Images worth suggesting: what the store has, and Debian's suites.</summary>
    public static IEnumerable<CompletionItem> Suggestions()
    {
        IEnumerable<string> known = ["debian:trixie", "debian:bookworm", "debian:sid"];
        try
        {
            known = known.Concat(new ImageStore().List().SelectMany(i => i.References));
        }
        catch (KernelException)
        {
            // A shell that completes a word has no place for an error.
        }

        return known.Distinct(StringComparer.Ordinal).Select(k => new CompletionItem(k));
    }

    /// <summary>Images of the store as a command's arguments.</summary>
    public static Argument<string[]> Stored(string description, ArgumentArity arity)
    {
        var argument = new Argument<string[]>("IMAGE") { Arity = arity, Description = description };
        argument.CompletionSources.Add(_ => Suggestions());
        return argument;
    }

    /// <summary>One image of the store as a command's argument.</summary>
    public static Argument<string> One()
    {
        var argument = new Argument<string>("IMAGE") { Description = "An image of the store, or the beginning of its SHA-256" };
        argument.CompletionSources.Add(_ => Suggestions());
        return argument;
    }

    /// <summary>Runs something that a signal ends, with its progress on standard error.</summary>
    public static async Task<int> RunAsync(Func<IProgress<KernelProgress>, CancellationToken, Task<string>> action, CancellationToken cancellationToken)
    {
        using var interrupted = new ForwardedSignals();
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, interrupted.Stopped);
        using var progress = new ProgressLine(TimeSpan.Zero);
        try
        {
            string done = await action(progress, cancellation.Token);
            progress.Dispose();
            Descriptor.Output.WriteLine(done);
            return 0;
        }
        catch (OperationCanceledException)
        {
            return ExitStatus.OfSignal(interrupted.Last);
        }
    }

    /// <summary>One line on an image that is there now.</summary>
    public static string Describe(RootImage image) =>
        $"{image.Reference}: {image.Record.Origin}, {Size.Format(image.Record.Size)} of {Size.Format(image.Record.ContentSize)}, SHA-256 {image.Record.Sha256}";
}
