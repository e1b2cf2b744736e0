using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml image remove</c>: images out of the store.</summary>
internal static class ImageRemoveCommand
{
    public static Command Create()
    {
        Argument<string[]> names = ImageCommand.Stored("References, or the beginnings of SHA-256 sums, as \"uml image list\" shows them", ArgumentArity.OneOrMore);
        var command = new Command("remove", "Remove images from the store") { names };
        command.SetAction((result, cancellation) => RemoveAsync(result.GetValue(names) ?? [], cancellation));
        HelpText.Describe(command, "uml image remove IMAGE...", """
            A guest that runs keeps what it has. An image with several references goes with the last of them.
            """);
        return command;
    }

    private static async Task<int> RemoveAsync(string[] names, CancellationToken cancellationToken)
    {
        var store = new ImageStore();
        foreach (string name in names)
            Descriptor.Output.WriteLine(await store.RemoveAsync(name, cancellationToken) ? $"removed {name}" : $"removed {name}; the image stays for its other references");
        return 0;
    }
}
