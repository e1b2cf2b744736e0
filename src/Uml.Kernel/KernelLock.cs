using System.Collections.Immutable;
using System.Text.Json;

namespace Uml.CI;

/// <summary>What a lock file says about one reference.</summary>
/// <param name="Release">The kernel's release.</param>
/// <param name="Sha256">SHA-256 of the kernel executable: the part that is compared.</param>
/// <param name="PackageVersion">The package's version, or null for a file.</param>
/// <param name="ContentHash">NuGet's content hash of the package, or null for others: SHA-512 in base64.</param>
public sealed record KernelLockEntry(string Release, string Sha256, string? PackageVersion = null, string? ContentHash = null);

/// <summary>
/// A <c>uml.lock.json</c>: which very kernel each reference stood for when it was written. Immutable; <see cref="Save"/>
/// replaces the file in one step.
/// </summary>
public sealed class KernelLock
{
    /// <summary>The name such a file goes by.</summary>
    public const string FileName = "uml.lock.json";

    private const int FormatVersion = 1;

    private KernelLock(ImmutableSortedDictionary<string, KernelLockEntry> entries) => Entries = entries;

    /// <summary>A lock that pins nothing.</summary>
    public static KernelLock Empty { get; } =
        new(ImmutableSortedDictionary.Create<string, KernelLockEntry>(StringComparer.Ordinal));

    /// <summary>What is pinned, by reference in its full form.</summary>
    public ImmutableSortedDictionary<string, KernelLockEntry> Entries { get; }

    /// <summary>
    /// The lock file in the directory or, inside a git work tree, in the nearest parent up to the tree's root; null if there is
    /// none. Outside of one the parents belong to anybody.
    /// </summary>
    /// <param name="directory">An absolute path.</param>
    public static string? FindFile(string directory)
    {
        ArgumentNullException.ThrowIfNull(directory);
        string? root = RootOf(directory);
        for (string? current = directory; current is not null; current = Path.GetDirectoryName(current))
        {
            string path = Path.Combine(current, FileName);
            if (File.Exists(path))
                return path;
            if (root is null || current == root)
                break;
        }

        return null;
    }

    /// <summary>
    /// The lock file that pins a kernel for what is in the directory; null if there is none. A kernel under development changes from
    /// one use to the next: what a path stands for is not pinned.
    /// </summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="directory">An absolute path.</param>
    public static string? FindFile(KernelReference kernel, string directory)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        return kernel.IsLocal ? null : FindFile(directory);
    }

    /// <summary>The lock file that holds in the directory, or where a new one belongs: the root of the git work tree, else the directory.</summary>
    /// <param name="directory">An absolute path.</param>
    public static string FindOrPlaceFile(string directory) => FindFile(directory) ?? Path.Combine(RootOf(directory) ?? directory, FileName);

    /// <summary>Reads a lock file; one that does not exist pins nothing.</summary>
    /// <exception cref="KernelException">The file cannot be read or is damaged.</exception>
    public static KernelLock Load(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        LockDocument? document;
        try
        {
            using FileStream file = File.OpenRead(path);
            document = JsonSerializer.Deserialize(file, KernelJson.Default.LockDocument);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return Empty;
        }
        catch (JsonException e)
        {
            throw Damaged(path, $"it is no valid JSON (line {(e.LineNumber ?? 0) + 1})", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KernelException($"The lock file {path} cannot be read: {OneLine.Of(e)}", e);
        }

        if (document?.Version != FormatVersion)
            throw Damaged(path, $"its \"version\" is {document?.Version.ToString() ?? "missing"} and this program knows {FormatVersion}", null);
        ImmutableSortedDictionary<string, KernelLockEntry>.Builder entries = Empty.Entries.ToBuilder();
        foreach ((string name, LockedKernel? kernel) in document.Kernels ?? [])
        {
            if (!KernelReference.TryParse(name, out KernelReference? reference))
                throw Damaged(path, $"'{name}' is no kernel reference", null);
            if (kernel is not { Release.Length: > 0, Sha256: { Length: 64 } sha } || !sha.All(char.IsAsciiHexDigitLower))
                throw Damaged(path, $"the entry of {name} lacks a release or a SHA-256", null);
            entries[reference.ToString()] = new KernelLockEntry(kernel.Release, sha, kernel.Package, kernel.ContentHash);
        }

        return new KernelLock(entries.ToImmutable());
    }

    /// <summary>What the reference is pinned to, or null.</summary>
    public KernelLockEntry? Find(KernelReference reference)
    {
        ArgumentNullException.ThrowIfNull(reference);
        return Entries.GetValueOrDefault(reference.ToString());
    }

    /// <summary>A lock that pins the kernel's reference to it.</summary>
    public KernelLock With(GuestKernel kernel)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        return new KernelLock(Entries.SetItem(kernel.Reference, new KernelLockEntry(kernel.Release, kernel.Sha256, kernel.PackageVersion, kernel.ContentHash)));
    }

    /// <summary>A lock that does not pin the reference.</summary>
    public KernelLock Without(KernelReference reference)
    {
        ArgumentNullException.ThrowIfNull(reference);
        return new KernelLock(Entries.Remove(reference.ToString()));
    }

    /// <summary>Fails when the kernel's reference is pinned to another kernel.</summary>
    /// <exception cref="KernelException">It is; the message names both.</exception>
    public void Verify(GuestKernel kernel)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        if (Entries.GetValueOrDefault(kernel.Reference) is { } entry && !string.Equals(entry.Sha256, kernel.Sha256, StringComparison.Ordinal))
        {
            throw new KernelException(
                $"{kernel.Reference} is {kernel.Release} ({kernel.Sha256[..12]}), but the lock file pins it to {entry.Release} ({entry.Sha256[..12]}): "
                + "pull it again with a refresh to pin the new one, or bring back the store that has the old one.");
        }
    }

    /// <summary>Writes the file in one step: a reader sees the old one or the new one.</summary>
    public void Save(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        LockDocument document = new()
        {
            Version = FormatVersion,
            Kernels = Entries.ToDictionary(
                e => e.Key,
                e => (LockedKernel?)new LockedKernel { Release = e.Value.Release, Sha256 = e.Value.Sha256, Package = e.Value.PackageVersion, ContentHash = e.Value.ContentHash }),
        };
        try
        {
            AtomicFile.Write(path, JsonSerializer.Serialize(document, KernelJson.Default.LockDocument) + "\n");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KernelException($"The lock file {path} cannot be written: {OneLine.Of(e)}", e);
        }
    }

    private static string? RootOf(string directory)
    {
        // A file in linked work trees and submodules.
        string? current = directory;
        while (current is not null && !Path.Exists(Path.Combine(current, ".git")))
            current = Path.GetDirectoryName(current);
        return current;
    }

    private static KernelException Damaged(string path, string problem, Exception? inner) =>
        new($"The lock file {path} is damaged: {problem}; mend it or delete it and pull again.", inner);
}
