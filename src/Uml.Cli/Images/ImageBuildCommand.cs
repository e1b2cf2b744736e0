using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml image build</c>: images of distributions into the store.</summary>
internal static class ImageBuildCommand
{
    public static Command Create()
    {
        Argument<string[]> references = ImageCommand.Stored($"debian:SUITE, with #RECIPE behind it for another than the minimal one ({string.Join(", ", ImageRecipe.Names)})", ArgumentArity.OneOrMore);
        var include = new Option<string[]>("--include") { HelpName = "PKG[,PKG]", Description = "Packages beyond those of the recipe. Repeatable" };
        var name = new Option<string?>("--name") { HelpName = "NAME", Description = "Also find it as image:NAME" };
        var refresh = new Option<bool>("--refresh") { Description = "Make it again, of the suite as it is now" };
        var command = new Command("build", "Make the image of a distribution") { references, include, name, refresh };
        command.SetAction((result, cancellation) => BuildAsync(
            result.GetValue(references) ?? [], [.. (result.GetValue(include) ?? []).SelectMany(i => i.Split(',', StringSplitOptions.RemoveEmptyEntries))],
            result.GetValue(name), result.GetValue(refresh), cancellation));
        HelpText.Describe(command, "uml image build [options] REFERENCE...", """
            Examples:
              uml image build debian:trixie debian:bookworm#systemd
              uml image build --include nginx-light,curl --name web debian:trixie
              uml run --root image:web -- nginx -V

            It needs the package mmdebstrap; packages come from where the host's own apt gets them.
            Made twice of one state of a suite, an image has the same bytes.
            """);
        return command;
    }

    private static async Task<int> BuildAsync(string[] names, string[] packages, string? name, bool refresh, CancellationToken cancellationToken)
    {
        if (name is not null && names.Length > 1)
            throw new ArgumentException("--name is for one image: name one reference");
        ImageReference[] references = [.. names.Select(n => ImageReference.Parse(n).With(packages))];
        var store = new ImageStore();
        foreach (ImageReference reference in references)
        {
            int status = await ImageCommand.RunAsync(
                async (progress, cancellation) =>
                {
                    RootImage image = await store.ResolveAsync(reference, new ImageResolveOptions { Refresh = refresh, Progress = progress }, cancellation);
                    if (name is not null)
                        await store.NameAsync(image, name, cancellation);
                    return ImageCommand.Describe(image);
                },
                cancellationToken);
            if (status != 0)
                return status;
        }

        return 0;
    }
}
