using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml kernel remove</c>: kernels out of the store.</summary>
internal static class KernelRemoveCommand
{
    public static Command Create()
    {
        Argument<string[]> references = KernelCommand.References("References, or the beginnings of SHA-256 sums, as \"uml kernel list\" shows them", ArgumentArity.OneOrMore);
        var command = new Command("remove", "Remove kernels from the store") { references };
        command.SetAction((result, cancellation) => RemoveAsync(result.GetValue(references) ?? [], cancellation));
        HelpText.Describe(command, "uml kernel remove REFERENCE...");
        return command;
    }

    private static async Task<int> RemoveAsync(string[] names, CancellationToken cancellationToken)
    {
        var store = new KernelStore();
        foreach (string name in names)
        {
            StoredKernel removed = await store.RemoveAsync(name, cancellationToken);
            Descriptor.Output.WriteLine($"removed {name}{(removed.Release.Length > 0 ? $": Linux {removed.Release}, {Size.Format(removed.Size)}" : "")}");
        }

        return 0;
    }
}
