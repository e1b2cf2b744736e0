using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml image import</c>: an archive into the store.</summary>
internal static class ImageImportCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("FILE") { Description = "A tar archive, plain or compressed (gzip, xz, zstd), with a root file system; - for standard input" };
        var name = new Argument<string>("NAME") { Description = "Find it as image:NAME" };
        var command = new Command("import", "Make an image of a tar archive") { file, name };
        command.SetAction((result, cancellation) => ImageCommand.RunAsync(
            async (progress, token) => ImageCommand.Describe(await new ImageStore().ImportAsync(result.GetValue(file)!, result.GetValue(name)!, progress, token)), cancellation));
        HelpText.Describe(command, "uml image import FILE NAME", """
            Examples:
              uml image import rootfs.tar.zst web
              tar -C tree --numeric-owner -c . | uml image import - web
              uml run --root image:web -- /bin/sh

            Owners, modes, device nodes, links and extended attributes are those of the archive.
            An archive with an entry that leads out of it is refused.
            """);
        return command;
    }
}
