using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml image verify</c>: is the store what was made?</summary>
internal static class ImageVerifyCommand
{
    public static Command Create()
    {
        var command = new Command("verify", "Read every image of the store again and compare it with what was made");
        command.SetAction((_, cancellation) => Task.FromResult(Verify(cancellation)));
        HelpText.Describe(command, "uml image verify", """
            Exit status: 0 if all is well, 1 if an image is damaged, else 125.
            """);
        return command;
    }

    private static int Verify(CancellationToken cancellationToken)
    {
        var store = new ImageStore();
        ILookup<string, string> problems = store.Verify(cancellationToken).ToLookup(p => p.Directory, p => p.Problem, StringComparer.Ordinal);
        foreach (StoredImage image in store.List().Where(i => !problems.Contains(i.Directory)))
            Descriptor.Output.WriteLine($"{(image.References.Count > 0 ? string.Join(' ', image.References) : image.Record.Sha256[..12])}: {image.Record.Origin}, {Size.Format(image.Size)}: good");
        foreach (IGrouping<string, string> damaged in problems)
            Descriptor.Output.WriteLine($"{damaged.Key}: DAMAGED: {string.Join("; ", damaged)}");
        if (problems.Count > 0)
            Message.Error($"{problems.Count} {(problems.Count == 1 ? "image" : "images")} in {store.Root} {(problems.Count == 1 ? "is" : "are")} damaged: make or import {(problems.Count == 1 ? "it" : "them")} again (uml image build --refresh)");
        return problems.Count > 0 ? 1 : 0;
    }
}
