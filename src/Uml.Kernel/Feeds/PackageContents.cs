using System.Buffers;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;

namespace Uml.CI;

/// <summary>
/// Takes a kernel out of a package file. Nothing in the file is believed: names, sizes and hashes are checked while it is
/// read, and what is wrong with it is a <see cref="PackageContentException"/>.
/// </summary>
internal static class PackageContents
{
    /// <summary>The folder of the package that holds the kernel.</summary>
    public const string Folder = KernelPackageWriter.Folder + "/";

    /// <summary>The file that lists all others below <see cref="Folder"/> with their SHA-256.</summary>
    public const string Manifest = KernelPackageWriter.ManifestName;

    /// <summary>A kernel with all of a distribution's modules has about 5000 files.</summary>
    public const int MostEntries = 20_000;

    /// <summary>A kernel with KASAN has 100 MB; all modules of a distribution take 500 MB.</summary>
    public const long MostBytes = 4L << 30;

    // A kernel compresses four times, its System.map five times.
    private const int MostRatio = 100;
    private const long AlwaysAllowed = 32 << 20;
    private const long MostManifestBytes = 16 << 20;
    private const int LongestName = 1024;
    private const int LongestPart = 255;

    // What the store itself writes beside a kernel.
    private const string StoreFile = "kernel.json";

    private const int TypeOfFile = 0xF000;
    private const int RegularFile = 0x8000;
    private const int DirectoryType = 0x4000;

    /// <summary>Unpacks the kernel into a directory, with the permissions it needs.</summary>
    /// <param name="package">The package file.</param>
    /// <param name="target">An empty directory.</param>
    /// <param name="cancellationToken">Stops unpacking.</param>
    /// <exception cref="PackageContentException">The package is not in order; the directory may hold part of it.</exception>
    public static void Unpack(string package, string target, CancellationToken cancellationToken)
    {
        try
        {
            using ZipArchive archive = ZipFile.OpenRead(package);
            Dictionary<string, string> hashes = UnpackEntries(archive, new FileInfo(package).Length, target, out byte[]? manifest, cancellationToken);
            if (!hashes.ContainsKey("linux"))
                throw new PackageContentException($"it has no {Folder}linux: it is no package of a kernel");
            Compare(hashes, manifest ?? throw new PackageContentException($"it has no {Folder}{Manifest}, the list of its files"));
        }
        catch (InvalidDataException e)
        {
            throw new PackageContentException($"it is no whole zip file ({OneLine.Of(e).TrimEnd('.')})", e);
        }
    }

    private static Dictionary<string, string> UnpackEntries(ZipArchive archive, long packageSize, string target, out byte[]? manifest, CancellationToken cancellationToken)
    {
        manifest = null;
        if (archive.Entries.Count > MostEntries)
            throw new PackageContentException($"it has {archive.Entries.Count} entries, and {MostEntries} are the most that are read");
        long left = Math.Min(MostBytes, Math.Max(AlwaysAllowed, packageSize * MostRatio));
        HashSet<string> names = new(StringComparer.OrdinalIgnoreCase);
        Dictionary<string, string> hashes = new(StringComparer.Ordinal);
        foreach (ZipArchiveEntry entry in archive.Entries)
        {
            cancellationToken.ThrowIfCancellationRequested();
            string name = NameOf(entry);
            if (!names.Add(name.TrimEnd('/')))
                throw new PackageContentException($"it has two files that are called {Shown(name)}, upper and lower case aside");
            if (entry.Length > left)
                throw new PackageContentException($"its {Shown(name)} unpacks to {entry.Length} bytes, which is more than a package of {packageSize} bytes may hold");
            if (name.EndsWith('/'))
            {
                if (entry.Length != 0)
                    throw new PackageContentException($"its folder {Shown(name)} has content");
                continue;
            }

            string? path = name.StartsWith(Folder, StringComparison.Ordinal) ? name[Folder.Length..] : null;
            if (path == StoreFile)
                throw new PackageContentException($"it has a {Shown(name)}, which is a name that the kernel store uses");
            using Content content = path switch
            {
                null => new Content(Stream.Null),
                Manifest => new Content(new MemoryStream()),
                _ => new Content(Create(target, path)),
            };
            Read(entry, name, content, path == Manifest ? Math.Min(left, MostManifestBytes) : left, packageSize, cancellationToken);
            left -= content.Size;
            if (path == Manifest)
                manifest = ((MemoryStream)content.Target).ToArray();
            else if (path is not null)
                hashes[path] = content.Sha256();
        }

        return hashes;
    }

    /// <summary>Reads an entry to its end, and no further than it may go.</summary>
    private static void Read(ZipArchiveEntry entry, string name, Content content, long most, long packageSize, CancellationToken cancellationToken)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(1 << 17);
        try
        {
            using Stream stream = entry.Open();
            while (stream.Read(buffer) is > 0 and var got)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (content.Size + got > most)
                    throw new PackageContentException($"its {Shown(name)} unpacks to more than {most} bytes, which a package of {packageSize} bytes may not hold");
                content.Add(buffer.AsSpan(0, got));
            }
        }
        catch (InvalidDataException e)
        {
            throw new PackageContentException($"its {Shown(name)} is damaged ({OneLine.Of(e).TrimEnd('.')})", e);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        if (content.Size != entry.Length || content.Crc != entry.Crc32)
            throw new PackageContentException($"its {Shown(name)} is damaged: length or checksum are not those that the zip file says");
    }

    /// <summary>The entry's name as NuGet reads it, if it is one that may be used.</summary>
    private static string NameOf(ZipArchiveEntry entry)
    {
        // NuGet writes what is not plain as %XX.
        string name = entry.FullName.Contains('%', StringComparison.Ordinal) ? Uri.UnescapeDataString(entry.FullName) : entry.FullName;
        if (name.Length is 0 or > LongestName)
            throw new PackageContentException(name.Length == 0 ? "it has an entry without a name" : $"it has an entry whose name has {name.Length} characters");
        bool isInside = name[0] != '/' && name.AsSpan().IndexOfAny('\\', ':') < 0 && !name.Any(char.IsControl)
            && name.TrimEnd('/').Split('/').All(p => p is not ("" or "." or "..") && p.Length <= LongestPart) && !name.EndsWith("//", StringComparison.Ordinal);
        if (!isInside)
            throw new PackageContentException($"it has an entry '{Shown(name)}', which is no path inside of the package");
        int type = (entry.ExternalAttributes >> 16) & TypeOfFile;
        if (type is not (0 or RegularFile) && !(type == DirectoryType && name.EndsWith('/')))
            throw new PackageContentException($"its {Shown(name)} is a link or a device, and only files are unpacked");
        if (entry.IsEncrypted)
            throw new PackageContentException($"its {Shown(name)} is encrypted");
        return name;
    }

    private static FileStream Create(string target, string path)
    {
        string file = Path.Combine(target, path);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            return path == "linux" ? UnixFiles.CreateExecutable(file) : new FileStream(file, FileMode.CreateNew, FileAccess.Write);
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or PathTooLongException) && (File.Exists(Path.GetDirectoryName(file)) || Directory.Exists(file)))
        {
            throw new PackageContentException($"its {Folder}{path} is a file and a folder at once", e);
        }
    }

    private static void Compare(Dictionary<string, string> hashes, byte[] manifest)
    {
        Dictionary<string, string> expected;
        try
        {
            expected = JsonSerializer.Deserialize(manifest, KernelJson.Default.ManifestDocument)?.Files is { } files && !files.ContainsValue(null!)
                ? files
                : throw new JsonException("it has no hashes");
        }
        catch (JsonException e)
        {
            throw new PackageContentException($"its {Folder}{Manifest} cannot be read ({OneLine.Of(e).TrimEnd('.')})", e);
        }

        if (expected.Keys.FirstOrDefault(f => !hashes.ContainsKey(f)) is { } missing)
            throw new PackageContentException($"its {Shown(Folder + missing)} is missing, which its {Manifest} lists");
        if (hashes.Keys.FirstOrDefault(f => !expected.ContainsKey(f)) is { } extra)
            throw new PackageContentException($"its {Shown(Folder + extra)} is not in its {Manifest}");
        if (hashes.FirstOrDefault(f => !string.Equals(expected[f.Key], f.Value, StringComparison.OrdinalIgnoreCase)).Key is { } wrong)
            throw new PackageContentException($"its {Shown(Folder + wrong)} is not what its {Manifest} says (SHA-256 {hashes[wrong][..12]} instead of {string.Concat(Shown(expected[wrong]).Take(12))})");
    }

    /// <summary>A name from the package, fit for one line of a terminal.</summary>
    private static string Shown(string name)
    {
        string text = string.Concat(name.Take(100).Select(c => char.IsControl(c) ? '?' : c));
        return name.Length > 100 ? text + "..." : text;
    }

    /// <summary>The content of an entry on its way.</summary>
    private sealed class Content(Stream target) : IDisposable
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private Crc32 _crc;

        public Stream Target => target;

        public long Size { get; private set; }

        public uint Crc => _crc.Value;

        public void Add(ReadOnlySpan<byte> bytes)
        {
            Size += bytes.Length;
            _crc.Add(bytes);
            _hash.AppendData(bytes);
            target.Write(bytes);
        }

        public string Sha256() => Convert.ToHexStringLower(_hash.GetHashAndReset());

        public void Dispose()
        {
            _hash.Dispose();
            target.Dispose();
        }
    }
}

/// <summary>A package is not in order; the message completes "The package X ... is refused: ".</summary>
internal sealed class PackageContentException(string message, Exception? innerException = null) : Exception(message, innerException);
