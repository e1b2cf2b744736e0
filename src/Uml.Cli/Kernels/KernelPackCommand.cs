using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml kernel pack</c>: a kernel that was built here into NuGet packages.</summary>
internal static class KernelPackCommand
{
    public static Command Create()
    {
        var kernel = new Argument<string>("KERNEL") { Description = "A built kernel: a reference, the beginning of its SHA-256, or the directory that \"uml kernel build --output\" wrote" };
        kernel.CompletionSources.Add(_ => GuestOptionSet.Kernels());
        var output = new Option<string>("--output", "-o") { HelpName = "DIRECTORY", Description = "Where the packages go. Default: the current directory", DefaultValueFactory = _ => "." };
        var id = new Option<string?>("--id") { HelpName = "ID", Description = $"The package's ID. Default: {KernelReference.DefaultPackageId}, with the profile behind it unless that is \"{KernelReference.DefaultProfile}\"" };
        var revision = new Option<int>("--revision")
        {
            HelpName = "N",
            Description = "The fourth number of the version, for a kernel that is packed again. Default: none",
            CustomParser = result =>
            {
                if (int.TryParse(result.Tokens[0].Value, System.Globalization.CultureInfo.InvariantCulture, out int number) && number > 0)
                    return number;
                result.AddError($"\"{result.Tokens[0].Value}\" is no revision: write a number from 1 on");
                return 0;
            },
        };
        var noSymbols = new Option<bool>("--no-symbols") { Description = "Leave out the package with the debug symbols" };
        var source = new Option<string?>("--source") { HelpName = "FILE", Arity = ArgumentArity.ZeroOrOne, Description = "Also copy the tarball the kernel was built from, which its licence wants to be published with it; without FILE that of the store" };
        var command = new Command("pack", "Pack a built kernel into a NuGet package, and its debug symbols into another") { kernel, output, id, revision, noSymbols, source };
        command.SetAction((result, cancellation) => PackAsync(
            result.GetValue(kernel)!,
            new KernelPackOptions
            {
                OutputDirectory = result.GetValue(output)!,
                Id = result.GetValue(id),
                Revision = result.GetValue(revision),
                Symbols = !result.GetValue(noSymbols),
            },
            result.GetResult(source) is not null,
            result.GetValue(source),
            cancellation));
        HelpText.Describe(command, "uml kernel pack [options] KERNEL", """
            Examples:
              uml kernel build debian-source:7.3 --profile fast
              uml kernel pack debian-source:7.3#fast -o packages --source
              dotnet nuget push packages/*.nupkg --source FEED

            Whoever has that feed in NuGet.Config can then say "uml run --kernel 7.3". The packages hold what
            the kernel was built with; with the source they name, they satisfy its licence (GPL-2.0).
            """);
        return command;
    }

    private static async Task<int> PackAsync(string kernel, KernelPackOptions options, bool withSource, string? sourceFile, CancellationToken cancellationToken)
    {
        string directory = Directory.Exists(kernel) ? kernel : new KernelStore().FindStored(kernel).Directory;
        if (withSource)
        {
            string source = sourceFile
                ?? new KernelStore().FindSource(KernelPackageWriter.ReadRecord(directory))
                ?? throw new KernelException($"the source of the kernel in {directory} is not in the store: name its tarball with --source FILE");
            options = options with { Source = source };
        }

        using var interrupted = new ForwardedSignals();
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, interrupted.Stopped);
        using var progress = new ProgressLine(TimeSpan.FromSeconds(1));
        try
        {
            IReadOnlyList<string> packages = await KernelPackageWriter.WriteAsync(directory, options with { Progress = progress }, cancellation.Token);
            progress.Dispose();
            foreach (string package in packages)
                Descriptor.Output.WriteLine($"{package}: {Size.Format(new FileInfo(package).Length)}");
            return 0;
        }
        catch (OperationCanceledException)
        {
            return ExitStatus.OfSignal(interrupted.Last);
        }
    }
}
