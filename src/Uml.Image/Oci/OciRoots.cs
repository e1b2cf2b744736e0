using System.Globalization;

namespace Uml.CI;

/// <summary>Root images made of OCI images.</summary>
internal static class OciRoots
{
    private const string Configuration = "configuration";

    /// <summary>What the store notes of one.</summary>
    public static ImageRecord Describe(OciImage image)
    {
        OciImageConfig config = image.Config;
        Dictionary<string, string> inputs = new(StringComparer.Ordinal)
        {
            [Configuration] = image.Digest,
            ["layers"] = image.Contents.Layers.Length.ToString(CultureInfo.InvariantCulture),
        };
        if (image.Contents.ManifestDigest is { } manifest)
            inputs["manifest"] = manifest.ToString();
        return new ImageRecord
        {
            Origin = $"OCI image {image.Contents.Digest.Short}",
            Inputs = inputs,
            Environment = config.Environment,
            User = config.User.Length > 0 ? config.User : null,
            WorkingDirectory = config.WorkingDirectory.Length > 0 ? config.WorkingDirectory : null,
            Command = config.CommandLine,
        };
    }

    /// <summary>
    /// Whether a directory or an archive holds another image than the store made of it. A registry is not asked: what was
    /// pulled stays until it is refreshed.
    /// </summary>
    public static async Task<bool> HasChangedAsync(ImageReference reference, ImageRecord record, string store, HostTools host, CancellationToken cancellationToken)
    {
        OciReference source = OciReference.Parse(reference.ToString());
        return source.Kind != OciSourceKind.Registry
            && record.Inputs.GetValueOrDefault(Configuration) != await OciImage.ResolveAsync(source, store, OciOptions.From(host), cancellationToken);
    }
}
