using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml image import</c>: an archive into the store.</summary>
internal static class ImageImportCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("FILE") { Description = "A tar archive, plain or compressed (gzip, xz, zstd), with a root file system; - for standard input; or an OCI image: oci:HOST/NAME:TAG, oci:DIRECTORY[:TAG], docker-archive:FILE" };
        var name = new Argument<string?>("NAME") { Arity = ArgumentArity.ZeroOrOne, Description = "Find it as image:NAME. An OCI image is also found by its reference" };
        var command = new Command("import", "Make an image of a tar archive or an OCI image") { file, name };
        command.SetAction((result, cancellation) => ImageCommand.RunAsync(
            async (progress, token) => ImageCommand.Describe(await ImportAsync(result.GetValue(file)!, result.GetValue(name), progress, token)), cancellation));
        HelpText.Describe(command, "uml image import FILE [NAME]", """
            Examples:
              uml image import rootfs.tar.zst web
              tar -C tree --numeric-owner -c . | uml image import - web
              uml image import oci:registry.example:5000/team/app:1
              uml run --root image:web -- /bin/sh

            Owners, modes, device nodes, links and extended attributes are those of the archive. An archive with an entry
            that leads out of it is refused.
            """);
        return command;
    }

    private static async Task<RootImage> ImportAsync(string file, string? name, IProgress<KernelProgress> progress, CancellationToken cancellationToken)
    {
        var store = new ImageStore();
        if (!OciReference.IsOne(file) || File.Exists(file))
            return await store.ImportAsync(file, name ?? throw new ArgumentException($"\"{file}\" needs a name to be found by: uml image import {file} NAME"), progress, cancellationToken);
        RootImage image = await store.ResolveAsync(ImageReference.Parse(file), new ImageResolveOptions { Refresh = true, Progress = progress }, cancellationToken);
        if (name is not null)
            await store.NameAsync(image, name, cancellationToken);
        return image;
    }
}
