using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml image export</c>: an image out of the store.</summary>
internal static class ImageExportCommand
{
    public static Command Create()
    {
        Argument<string> name = ImageCommand.One();
        var file = new Argument<string>("FILE") { Description = "The squashfs file to write" };
        var command = new Command("export", "Copy an image out of the store") { name, file };
        command.SetAction((result, cancellation) => ImageCommand.RunAsync(
            async (_, token) =>
            {
                StoredImage image = new ImageStore().FindStored(result.GetValue(name)!);
                string path = result.GetValue(file)!;
                await ImageStore.ExportAsync(image, path, token);
                return $"{path}: {Size.Format(image.Record.Size)}, SHA-256 {image.Record.Sha256}";
            },
            cancellation));
        HelpText.Describe(command, "uml image export IMAGE FILE", """
            Examples:
              uml image export debian:trixie trixie.squashfs
              uml run --root ./trixie.squashfs -- cat /etc/os-release
              unsquashfs -d tree trixie.squashfs
            """);
        return command;
    }
}
