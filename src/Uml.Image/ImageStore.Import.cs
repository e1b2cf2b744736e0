using System.IO.Compression;

namespace Uml.CI;

/// <content>Images of archives.</content>
public sealed partial class ImageStore
{
    /// <summary>Makes an image of a tar archive.</summary>
    /// <param name="file">Its path; <c>-</c> for standard input.</param>
    /// <param name="name">The image is found as <c>image:NAME</c>; one that had the name loses it.</param>
    /// <param name="progress">Told what is going on.</param>
    /// <param name="cancellationToken">Ends it; nothing stays.</param>
    /// <exception cref="KernelException">It is no archive that can be a root.</exception>
    public async Task<RootImage> ImportAsync(string file, string name, IProgress<KernelProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ImageReference reference = ImageReference.Parse("image:" + name);
        if (file == "-")
        {
            await using Stream input = Console.OpenStandardInput();
            return await ImportAsync(reference, input, "standard input", progress, cancellationToken);
        }

        string path = Path.GetFullPath(file);
        if (!File.Exists(path))
            throw new KernelException($"{file} cannot be imported: it {(Directory.Exists(path) ? "is a directory; pack it with tar" : "does not exist")}.") { Problem = KernelProblem.NotFound };
        try
        {
            await using FileStream input = File.OpenRead(path);
            return await ImportAsync(reference, input, file, progress, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KernelException($"{file} cannot be imported: {OneLine.Of(e).TrimEnd('.')}; see to its permissions and the free space in {Root}.", e) { Problem = KernelProblem.Unavailable };
        }
    }

    private async Task<RootImage> ImportAsync(ImageReference reference, Stream input, string name, IProgress<KernelProgress>? progress, CancellationToken cancellationToken) =>
        // The same archive makes the same bytes, whenever.
        await CreateAsync(
            reference, new ImageRecord { Origin = $"the archive {Path.GetFileName(name)}" }, DateTimeOffset.UnixEpoch,
            async (output, token) =>
            {
                await using Stream plain = await Decompression.OpenAsync(_host, input, name, token);
                await plain.CopyToAsync(output, token);
            },
            progress, cancellationToken);
}
