using System.Security.Cryptography;

namespace Uml.CI;

/// <content>What is in the store.</content>
public sealed partial class ImageStore
{
    /// <summary>What was used within this time stays when the store is pruned: a guest may be about to start with it.</summary>
    public static readonly TimeSpan PruneGrace = TimeSpan.FromHours(1);

    /// <summary>All images, those used last first.</summary>
    public IReadOnlyList<StoredImage> List()
    {
        ILookup<string, string> names = References().ToLookup(r => r.Record.Sha256, r => r.Record.Reference, StringComparer.Ordinal);
        List<StoredImage> images = [];
        foreach (string directory in Directory.Exists(FilesRoot) ? Directory.GetDirectories(FilesRoot) : [])
        {
            if (ReadRecord(directory) is { } record)
                images.Add(new StoredImage(record, directory, [.. names[record.Sha256].Order(StringComparer.Ordinal)], new DateTimeOffset(File.GetLastWriteTimeUtc(Path.Combine(directory, RecordName)), TimeSpan.Zero)));
        }

        return [.. images.OrderByDescending(i => i.LastUsed).ThenBy(i => i.Record.Sha256, StringComparer.Ordinal)];
    }

    /// <summary>Finds an image by a reference, or by the beginning of its SHA-256, at least four digits.</summary>
    /// <exception cref="KernelException">There is none, or more than one.</exception>
    public StoredImage FindStored(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string canonical = ImageReference.TryParse(text, out ImageReference? reference) ? reference.From(Directory.GetCurrentDirectory()).ToString() : text;
        IReadOnlyList<StoredImage> all = List();
        StoredImage[] found = [.. all.Where(i => i.References.Contains(canonical, StringComparer.Ordinal) || i.References.Contains("image:" + text, StringComparer.Ordinal))];
        if (found.Length == 0 && text.Length >= 4)
            found = [.. all.Where(i => i.Record.Sha256.StartsWith(text, StringComparison.Ordinal))];
        return found.Length switch
        {
            1 => found[0],
            0 => throw new KernelException($"'{text}' is not in the image store {Root}; \"uml image list\" shows what is.") { Problem = KernelProblem.NotFound },
            _ => throw new KernelException($"'{text}' is the beginning of {found.Length} images' SHA-256: give more of its digits.") { Problem = KernelProblem.InvalidReference },
        };
    }

    /// <summary>Gives an image a name, <c>image:NAME</c>; one that had it loses it.</summary>
    /// <exception cref="KernelException">The name is malformed.</exception>
    public async Task NameAsync(RootImage image, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(image);
        ImageReference reference = ImageReference.Parse("image:" + name);
        if (image.Record.Sha256.Length == 0)
            throw new KernelException($"{image.Reference} is a file of its own and not in the image store: import it (uml image import).") { Problem = KernelProblem.InvalidReference };
        Directory.CreateDirectory(LockRoot);
        using FileLock store = await FileLock.TakeAsync(Path.Combine(LockRoot, "store"), null, cancellationToken);
        WriteReference(reference.ToString(), image.Record.Sha256);
    }

    /// <summary>
    /// Removes what a reference stands for; the image itself only when no other reference leads to it. By the digits of its SHA-256
    /// an image goes with all its references.
    /// </summary>
    /// <returns>Whether the image itself was removed.</returns>
    /// <exception cref="KernelException">There is no such image.</exception>
    public async Task<bool> RemoveAsync(string text, CancellationToken cancellationToken = default)
    {
        StoredImage image = FindStored(text);
        Directory.CreateDirectory(LockRoot);
        using FileLock store = await FileLock.TakeAsync(Path.Combine(LockRoot, "store"), null, cancellationToken);
        string canonical = ImageReference.TryParse(text, out ImageReference? reference) ? reference.From(Directory.GetCurrentDirectory()).ToString() : text;
        bool byHash = !image.References.Contains(canonical, StringComparer.Ordinal) && !image.References.Contains("image:" + text, StringComparer.Ordinal);
        foreach ((string path, ImageNameRecord record) in References().Where(r => r.Record.Sha256 == image.Record.Sha256).ToArray())
        {
            if (byHash || record.Reference == canonical || record.Reference == "image:" + text)
                File.Delete(path);
        }

        if (References().Any(r => r.Record.Sha256 == image.Record.Sha256))
            return false;
        await DiscardAsync(image.Directory, cancellationToken);
        return true;
    }

    /// <summary>Copies an image to a file, which appears when it is whole.</summary>
    public static async Task ExportAsync(StoredImage image, string path, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(image);
        string full = Path.GetFullPath(path);
        string temporary = Path.Combine(Path.GetDirectoryName(full)!, $".{Path.GetFileName(full)}.{Guid.NewGuid():N}.tmp");
        try
        {
            await using (FileStream source = File.OpenRead(Path.Combine(image.Directory, ImageName)))
            {
                await using FileStream target = new(temporary, FileMode.CreateNew, FileAccess.Write);
                await source.CopyToAsync(target, cancellationToken);
            }

            File.Move(temporary, full, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>Reads every image again and says what is wrong with it: its directory, and the problem.</summary>
    public IReadOnlyList<(string Directory, string Problem)> Verify(CancellationToken cancellationToken = default)
    {
        List<(string, string)> problems = [];
        foreach (string directory in Directory.Exists(FilesRoot) ? Directory.GetDirectories(FilesRoot).Order(StringComparer.Ordinal) : Enumerable.Empty<string>())
        {
            cancellationToken.ThrowIfCancellationRequested();
            problems.AddRange(ProblemsOf(directory).Select(p => (directory, p)));
        }

        return problems;
    }

    /// <summary>Removes images by age and size, those first that were unused for longest.</summary>
    /// <returns>What was removed, in that order.</returns>
    public async Task<IReadOnlyList<PrunedItem>> PruneAsync(KernelPruneOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        try
        {
            Directory.CreateDirectory(LockRoot);
            using FileLock store = await FileLock.TakeAsync(Path.Combine(LockRoot, "store"), null, cancellationToken);
            DateTimeOffset now = DateTimeOffset.UtcNow;
            StoredImage[] all = [.. List().Reverse()];
            long left = all.Sum(i => i.Size);
            List<PrunedItem> gone = [];
            foreach (StoredImage image in all.Where(i => now - i.LastUsed > PruneGrace))
            {
                bool tooOld = options.UnusedFor is { } age && now - image.LastUsed > age;
                bool tooMuch = options.MaximumSize is { } most && left > most;
                if (!tooOld && !tooMuch)
                    continue;
                if (!options.DryRun)
                {
                    foreach ((string path, _) in References().Where(r => r.Record.Sha256 == image.Record.Sha256).ToArray())
                        File.Delete(path);
                    await DiscardAsync(image.Directory, cancellationToken);
                }

                left -= image.Size;
                gone.Add(new PrunedItem($"{(image.References.Count > 0 ? string.Join(", ", image.References) : image.Record.Sha256[..12])}: {image.Record.Origin}", image.Size, image.LastUsed));
            }

            return gone;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KernelException($"The image store {Root} cannot be pruned: {OneLine.Of(e)}", e);
        }
    }

    private static List<string> ProblemsOf(string directory)
    {
        if (ReadRecord(directory) is not { } record)
            return ["its description or size is wrong"];
        List<string> problems = [];
        if (Hash(Path.Combine(directory, ImageName)) is var image && image != record.Sha256)
            problems.Add($"{ImageName} has the SHA-256 {image[..Math.Min(12, image.Length)]}");
        if (record.AttributesSha256 is { } expected && Hash(Path.Combine(directory, AttributesName)) != expected)
            problems.Add($"{AttributesName} has changed");
        return problems;

        static string Hash(string path)
        {
            try
            {
                using FileStream file = File.OpenRead(path);
                return Convert.ToHexStringLower(SHA256.HashData(file));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return "";
            }
        }
    }

    private IEnumerable<(string Path, ImageNameRecord Record)> References()
    {
        string directory = Path.Combine(Root, "refs");
        foreach (string path in Directory.Exists(directory) ? Directory.GetFiles(directory, "*.json") : [])
        {
            if (ReadJson(path, ImageJson.Default.ImageNameRecord) is { } record)
                yield return (path, record);
        }
    }

    // Out of the way in one step, then at leisure: nobody finds half of it.
    private async Task DiscardAsync(string directory, CancellationToken cancellationToken)
    {
        using TemporaryDirectory temporary = await TemporaryDirectory.CreateAsync(TemporaryRoot, cancellationToken);
        Directory.Move(directory, Path.Combine(temporary.Path, "discarded"));
    }
}
