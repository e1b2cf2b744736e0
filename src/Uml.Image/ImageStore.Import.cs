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
        await CreateAsync(reference, RecordOf(name), DateTimeOffset.UnixEpoch, (output, token) => UnpackAsync(input, name, output, token), progress, cancellationToken);

    /// <summary>Makes an image of a file that is no file system: an archive, or a disk in qcow2's format.</summary>
    private async Task<RootImage> ConvertAsync(ImageReference reference, string temporary, IProgress<KernelProgress>? progress, CancellationToken cancellationToken)
    {
        string path = Path.GetFullPath(reference.Value);
        string identity = Identity(path);
        await using FileStream input = File.OpenRead(path);
        byte[] magic = new byte[4];
        if (await input.ReadAtLeastAsync(magic, magic.Length, throwOnEndOfStream: false, cancellationToken) == magic.Length && magic.AsSpan().SequenceEqual((ReadOnlySpan<byte>)[(byte)'Q', (byte)'F', (byte)'I', 0xfb]))
            throw new KernelException($"{reference}: {path} is a disk in qcow2's format; make a raw one of it: qemu-img convert -O raw {path} disk.img (package 'qemu-utils').") { Problem = KernelProblem.InvalidReference };
        input.Position = 0;
        progress?.Report(new KernelProgress($"making an image of {path}"));
        return await CreateLockedAsync(reference, RecordOf(path), DateTimeOffset.UnixEpoch, (output, token) => UnpackAsync(input, path, output, token), temporary, progress, cancellationToken, identity);
    }

    // The same archive makes the same bytes, whenever: all is stamped with the beginning of time.
    private static ImageRecord RecordOf(string name) => new() { Origin = $"the archive {Path.GetFileName(name)}" };

    private async Task UnpackAsync(Stream input, string name, Stream output, CancellationToken cancellationToken)
    {
        await using Stream plain = await Decompression.OpenAsync(_host, input, name, cancellationToken);
        try
        {
            await plain.CopyToAsync(output, cancellationToken);
        }
        catch (InvalidDataException e)
        {
            throw new KernelException($"{name} cannot be unpacked: {OneLine.Of(e).TrimEnd('.')}; get it anew.", e);
        }
    }
}
