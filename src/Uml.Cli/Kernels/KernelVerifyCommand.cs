using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml kernel verify</c>: is the store what was fetched?</summary>
internal static class KernelVerifyCommand
{
    public static Command Create()
    {
        Argument<string[]> references = KernelCommand.References("Kernels to check, as \"uml kernel list\" shows them. Default: all", ArgumentArity.ZeroOrMore);
        var command = new Command("verify", "Read every file of the stored kernels again and compare it with what was fetched") { references };
        command.SetAction((result, cancellation) => Task.FromResult(Verify(result.GetValue(references) ?? [], cancellation)));
        HelpText.Describe(command, "uml kernel verify [REFERENCE...]", """
            Exit status: 0 if all is well, 1 if a kernel is damaged, else 125.
            """);
        return command;
    }

    private static int Verify(string[] names, CancellationToken cancellationToken)
    {
        var store = new KernelStore();
        StoredKernel[] kernels = names.Length == 0 ? [.. store.List()] : [.. names.Select(store.FindStored).DistinctBy(k => k.Sha256)];
        string[] unreadable = names.Length == 0 ? [.. store.Unreadable()] : [];
        int damaged = unreadable.Length;
        foreach (string directory in unreadable)
            Descriptor.Output.WriteLine($"{directory}: DAMAGED: its description is missing or unreadable, or its executable has another size");
        foreach (StoredKernel kernel in kernels)
        {
            cancellationToken.ThrowIfCancellationRequested();
            string name = kernel.References.Count > 0 ? string.Join(' ', kernel.References) : kernel.Sha256[..12];
            IReadOnlyList<string> problems = store.Verify(kernel);
            Descriptor.Output.WriteLine($"{name}: Linux {kernel.Release}, {Size.Format(kernel.Size)}: {(problems.Count == 0 ? "good" : "DAMAGED")}");
            foreach (string problem in problems)
                Descriptor.Output.WriteLine($"  {problem}");
            damaged += problems.Count == 0 ? 0 : 1;
        }

        if (damaged > 0)
            Message.Error($"{damaged} of {kernels.Length + unreadable.Length} kernels in {store.Root} {(damaged == 1 ? "is" : "are")} damaged: pull with --refresh, or remove and pull again");
        else if (kernels.Length == 0)
            Message.Note($"no kernels in {store.Root}");
        return damaged > 0 ? 1 : 0;
    }
}
