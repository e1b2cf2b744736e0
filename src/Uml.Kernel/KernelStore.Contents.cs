namespace Uml.CI;

/// <content>What the store holds: listing, checking and removing.</content>
public sealed partial class KernelStore
{
    /// <summary>The kernels the store holds, newest version first.</summary>
    public IReadOnlyList<StoredKernel> List()
    {
        List<StoredKernel> kernels = [];
        foreach (string root in Roots)
        {
            ILookup<string, string> references = References(root).ToLookup(r => r.Document.Sha256, r => r.Document.Reference, StringComparer.Ordinal);
            foreach ((string path, KernelDocument kernel) in Kernels(root))
            {
                if (kernels.Any(k => k.Sha256 == kernel.Sha256))
                    continue;
                kernels.Add(new StoredKernel
                {
                    Release = kernel.Release,
                    Banner = kernel.Banner,
                    Sha256 = kernel.Sha256,
                    References = [.. references[kernel.Sha256].Order(StringComparer.Ordinal)],
                    Origin = kernel.Origin,
                    Profiles = kernel.Profiles,
                    PackageId = kernel.PackageId,
                    PackageVersion = kernel.PackageVersion,
                    ContentHash = kernel.ContentHash,
                    LibraryVersion = kernel.LibraryVersion,
                    Directory = path,
                    Size = SizeOf(path),
                    Fetched = kernel.Fetched,
                    LastUsed = LastUsed(path),
                });
            }
        }

        return [.. kernels.OrderByDescending(k => KernelImage.VersionOf(k.Release)).ThenByDescending(k => k.Fetched)];
    }

    /// <summary>The stored kernel that a reference or the beginning of a SHA-256 (six digits or more) stands for.</summary>
    /// <exception cref="KernelException">The store has none, or several begin like that.</exception>
    public StoredKernel FindStored(string referenceOrSha256)
    {
        ArgumentNullException.ThrowIfNull(referenceOrSha256);
        string reference = FullName(referenceOrSha256);
        StoredKernel[] hit = [.. List().Where(k => k.References.Contains(reference) || (IsSha256(referenceOrSha256) && k.Sha256.StartsWith(referenceOrSha256, StringComparison.Ordinal)))];
        return hit switch
        {
            [var one] => one,
            [] => throw NotStored(referenceOrSha256),
            _ => throw new KernelException($"'{referenceOrSha256}' is the beginning of {hit.Length} kernels' SHA-256: write more of it."),
        };
    }

    /// <summary>Directories of the store that should hold a kernel and do not: nothing finds them, and fetching puts them right.</summary>
    public IReadOnlyList<string> Unreadable() =>
        [.. Roots.Select(r => Path.Combine(r, "kernels")).Where(Directory.Exists).SelectMany(Directory.EnumerateDirectories).Where(d => ReadKernel(d) is null)];

    /// <summary>How a stored kernel was built, or null where that is not known.</summary>
    /// <exception cref="KernelException">The record is there and cannot be read.</exception>
    public static KernelRecord? RecordOf(StoredKernel kernel)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        string path = Path.Combine(kernel.Directory, KernelRecord.FileName);
        if (!File.Exists(path))
            return null;
        return ReadJson(path, KernelJson.Default.KernelRecord) is { Format: KernelRecord.FormatVersion } record
            ? record
            : throw new KernelException($"{path} is damaged or of a later version of this program; remove the kernel ({kernel.Sha256[..12]}) and fetch or build it again.");
    }

    /// <summary>
    /// Removes what a reference (<c>debian:sid</c>) or the beginning of a SHA-256 (six digits or more) stands for. A kernel
    /// that other references stand for too loses this one only.
    /// </summary>
    /// <returns>What was removed, or lost its reference.</returns>
    /// <exception cref="KernelException">The store has no such kernel.</exception>
    public async Task<StoredKernel> RemoveAsync(string referenceOrSha256, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(referenceOrSha256);
        try
        {
            Directory.CreateDirectory(LockRoot);
            using FileLock held = await FileLock.TakeAsync(Path.Combine(LockRoot, "store"), null, cancellationToken);
            List<(string Path, ReferenceDocument Document)> references = [.. References(Root)];
            StoredKernel[] stored = [.. List().Where(k => Path.GetDirectoryName(Path.GetDirectoryName(k.Directory)) == Root)];

            bool bySha = IsSha256(referenceOrSha256);
            string reference = FullName(referenceOrSha256);
            (string Path, ReferenceDocument Document)[] hit = bySha ? [] : [.. references.Where(r => r.Document.Reference == reference)];
            StoredKernel[] kernels = bySha
                ? [.. stored.Where(k => k.Sha256.StartsWith(referenceOrSha256, StringComparison.Ordinal))]
                : [.. stored.Where(k => hit.Any(h => h.Document.Sha256 == k.Sha256))];
            if (kernels.Length > 1)
                throw new KernelException($"'{referenceOrSha256}' is the beginning of {kernels.Length} kernels' SHA-256: write more of it.");
            if (kernels.Length == 0 && hit.Length == 0)
                throw NotStored(referenceOrSha256);
            foreach ((string path, ReferenceDocument document) in bySha ? references.Where(r => r.Document.Sha256 == kernels[0].Sha256) : hit)
                File.Delete(path);
            if (kernels.Length == 0)
                return new StoredKernel { Release = "", Sha256 = hit[0].Document.Sha256, References = [reference], Directory = "", Fetched = hit[0].Document.Fetched };
            if (bySha || kernels[0].References.Count <= 1)
                await DiscardAsync(kernels[0].Directory, cancellationToken);
            return kernels[0];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KernelException($"'{referenceOrSha256}' cannot be removed from the kernel store {Root}: {OneLine.Of(e)}", e);
        }
    }

    /// <summary>
    /// Reads every file of a stored kernel again and compares it with what was fetched. Returns what is wrong, one line
    /// each; nothing when all is well.
    /// </summary>
    public IReadOnlyList<string> Verify(StoredKernel kernel)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        string parent = Path.GetDirectoryName(kernel.Directory) ?? "";
        return Roots.Any(root => parent == Path.Combine(root, "kernels"))
            ? ProblemsOf(kernel.Directory)
            : throw new ArgumentException("The kernel is of another store.", nameof(kernel));
    }

    /// <summary>The kernels below a store's directory, each with its own.</summary>
    internal static IEnumerable<(string Directory, KernelDocument Document)> Kernels(string root)
    {
        string parent = Path.Combine(root, "kernels");
        foreach (string directory in Directory.Exists(parent) ? Directory.EnumerateDirectories(parent) : [])
        {
            if (ReadKernel(directory) is { } kernel)
                yield return (directory, kernel);
        }
    }

    /// <summary>What is wrong with a kernel of the store, after all of its files were read.</summary>
    internal static List<string> ProblemsOf(string directory)
    {
        List<string> problems = [];
        ManifestDocument? manifest = ReadJson(Path.Combine(directory, "manifest.json"), KernelJson.Default.ManifestDocument);
        KernelDocument? kernel = ReadKernel(directory);
        if (manifest is null || kernel is null)
            return [$"{directory} is damaged: its descriptions are missing or unreadable"];
        if (manifest.Files.GetValueOrDefault("linux") != kernel.Sha256 || Path.GetFileName(directory) != kernel.Sha256)
            problems.Add($"{directory} is damaged: its descriptions contradict each other");
        foreach ((string name, string expected) in manifest.Files)
        {
            string path = Path.Combine(directory, name);
            try
            {
                if (HashOf(path) != expected)
                    problems.Add($"{path} is not what was fetched");
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                problems.Add($"{path} is missing");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                problems.Add($"{path} cannot be read: {OneLine.Of(e)}");
            }
        }

        string patched = PatchedPath(directory);
        if (problems.Count == 0 && kernel.LibraryVersion is not null && File.Exists(patched))
        {
            // The patched copy follows from the original: make it again and compare.
            string again = patched + "." + Guid.NewGuid().ToString("N") + ".tmp";
            try
            {
                ElfImage.CopyWithInterpreter(Path.Combine(directory, "linux"), again, LoaderPath(directory, kernel));
                if (HashOf(again) != HashOf(patched))
                    problems.Add($"{patched} is not what was made of {Path.Combine(directory, "linux")}");
            }
            finally
            {
                File.Delete(again);
            }
        }

        return problems;
    }

    /// <summary>Out of the way in one step, and then away: whoever looks sees all of it or nothing.</summary>
    private async Task DiscardAsync(string directory, CancellationToken cancellationToken, string? root = null)
    {
        // A rename does not leave its file system.
        using TemporaryDirectory trash = await TemporaryDirectory.CreateAsync(root is null ? TemporaryRoot : Path.Combine(root, "tmp"), cancellationToken);
        Directory.Move(directory, Path.Combine(trash.Path, "discarded"));
    }

    private KernelException NotStored(string name) =>
        new($"'{name}' is not in the kernel store {Root}: name a reference or at least six digits of a SHA-256 that `uml kernel list` shows.") { Problem = KernelProblem.NotFound };

    private static bool IsSha256(string text) => text.Length is >= 6 and <= 64 && text.All(char.IsAsciiHexDigitLower);

    /// <summary>A reference as the store has it written: <c>debian-source:7.3#fast</c> for <c>debian-source:7.3</c>.</summary>
    private static string FullName(string text) => KernelReference.TryParse(text, out KernelReference? reference) ? reference.From(Directory.GetCurrentDirectory()).ToString() : text;

    private static DateTimeOffset LastUsed(string directory) => new(File.GetLastWriteTimeUtc(Path.Combine(directory, "kernel.json")), TimeSpan.Zero);
}
