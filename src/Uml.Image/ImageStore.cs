using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Uml.CI;

/// <summary>
/// Where root images are kept: <c>files/SHA256/{root.squashfs, attributes, image.json}</c> and, for each reference, a file below
/// <c>refs/</c>. Everything is made aside and moved into place in one step, so several processes may use a store at once and none
/// of them, killed at any moment, leaves half an image behind.
/// </summary>
public sealed partial class ImageStore
{
    internal const int FormatVersion = 1;
    internal const string ImageName = "root.squashfs";
    internal const string AttributesName = "attributes";
    private const string RecordName = "image.json";

    /// <summary>The most bytes of files that an image is made of: what unpacks to more is taken for an attack.</summary>
    public const long LargestContent = 64L * 1024 * 1024 * 1024;

    private readonly HostTools _host;

    /// <summary>Opens a store. By default it is <c>images</c> below the directory that kernels are kept in.</summary>
    /// <exception cref="KernelException">There is no directory to keep images in.</exception>
    public ImageStore(string? directory = null)
        : this(directory, HostTools.Default)
    {
    }

    internal ImageStore(string? directory, HostTools host)
    {
        _host = host;
        if (directory is null)
        {
            StoreRoot.Choice choice = StoreRoot.Choose(
                host.Variable, host.Variable("HOME") ?? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile));
            Root = Path.Combine(choice.Writable, "images");
            Notice = choice.Notice;
        }
        else
        {
            Root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory));
        }

        try
        {
            Directory.CreateDirectory(Root);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KernelException($"The image store {Root} cannot be made: {OneLine.Of(e).TrimEnd('.')}; set UML_CACHE to another directory.", e) { Problem = KernelProblem.Unavailable };
        }

        TemporaryDirectory.SweepIfFree(TemporaryRoot);
    }

    /// <summary>The store's directory.</summary>
    public string Root { get; }

    /// <summary>Why the store is not at its default place, in one line; null when it is.</summary>
    public string? Notice { get; }

    private string TemporaryRoot => Path.Combine(Root, "tmp");

    private string LockRoot => Path.Combine(Root, "locks");

    private string FilesRoot => Path.Combine(Root, "files");

    /// <summary>Turns a reference into an image a guest can start with, making it when the store does not have it.</summary>
    /// <exception cref="KernelException">It cannot be; the message says why and what to do.</exception>
    public async Task<RootImage> ResolveAsync(ImageReference reference, ImageResolveOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reference);
        options ??= new ImageResolveOptions();
        reference = reference.From(Directory.GetCurrentDirectory());
        try
        {
            if (!options.Refresh && Find(reference) is { } found
                && (reference.Source != ImageSource.Oci || !await OciRoots.HasChangedAsync(reference, found.Record, Root, _host, cancellationToken)))
            {
                return found;
            }

            if (reference.Source == ImageSource.Named)
            {
                string[] names = [.. List().SelectMany(i => i.References).Where(r => r.StartsWith("image:", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
                throw new KernelException($"{reference} is not in the image store {Root}: {(names.Length > 0 ? $"it has {string.Join(", ", names)}" : "give an image a name with \"uml image build --name\" or \"uml image import\"")}.") { Problem = KernelProblem.NotFound };
            }

            if (options.Offline && reference.Source != ImageSource.File)
                throw new KernelException($"{reference} is not in the image store {Root} and the network may not be used: make it first (uml image build {reference}).") { Problem = KernelProblem.Unavailable };
            return await MakeAsync(reference, options, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KernelException($"{reference} cannot be provided from the image store {Root}: {OneLine.Of(e).TrimEnd('.')}; see to its free space and permissions, or set UML_CACHE to another directory.", e) { Problem = KernelProblem.Unavailable };
        }
    }

    /// <summary>The image a reference stands for if the store has it; no network, no waiting.</summary>
    public RootImage? Find(ImageReference reference)
    {
        ArgumentNullException.ThrowIfNull(reference);
        if (reference.Source == ImageSource.File)
            return FindFile(reference);
        if (ReadJson(ReferencePath(reference.ToString()), ImageJson.Default.ImageNameRecord) is not { } name || !IsSha256(name.Sha256))
            return null;
        return Open(reference, Path.Combine(FilesRoot, name.Sha256));
    }

    /// <summary>
    /// Makes an image of a tar stream. Entries that would leave the root are refused, whoever wrote the stream.
    /// </summary>
    /// <param name="reference">What it is found by from then on.</param>
    /// <param name="record">What is known of it: origin, environment, user and so on. Hashes and sizes are filled in here.</param>
    /// <param name="time">The time the file system is stamped with: the same stream and time make the same bytes.</param>
    /// <param name="writeTar">Writes the stream: ustar, pax or GNU tar, uncompressed, the root's own entry or not.</param>
    /// <param name="progress">Told what is going on.</param>
    /// <param name="cancellationToken">Ends it; nothing stays.</param>
    /// <exception cref="KernelException">The stream makes no image; the message says why.</exception>
    public async Task<RootImage> CreateAsync(
        ImageReference reference, ImageRecord record, DateTimeOffset time, Func<Stream, CancellationToken, Task> writeTar,
        IProgress<KernelProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        using FileLock mine = await LockAsync(reference, progress, null, cancellationToken);
        using TemporaryDirectory temporary = await TemporaryDirectory.CreateAsync(TemporaryRoot, cancellationToken);
        return await CreateLockedAsync(reference, record, time, writeTar, temporary.Path, progress, cancellationToken);
    }

    /// <summary>The same for whoever has the reference's lock.</summary>
    private async Task<RootImage> CreateLockedAsync(
        ImageReference reference, ImageRecord record, DateTimeOffset time, Func<Stream, CancellationToken, Task> writeTar, string temporary,
        IProgress<KernelProgress>? progress, CancellationToken cancellationToken, string? identity = null)
    {
        string built = MakeBuilt(temporary);
        var pipe = new System.IO.Pipelines.Pipe();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task writing = WriteAsync();
        try
        {
            await using Stream reading = pipe.Reader.AsStream();
            (long content, long entries, byte[] attributes) = await PackAsync(_host, reference.ToString(), reading, Path.Combine(built, ImageName), time, total: null, progress, cancellationToken);
            await writing;
            return await InstallAsync(reference, record with { ContentSize = content, Entries = entries, Created = DateTimeOffset.UtcNow }, attributes, built, cancellationToken, identity);
        }
        catch
        {
            // What the writer says of itself goes before what its reader made of that.
            await stop.CancelAsync();
            await pipe.Reader.CompleteAsync();
            try
            {
                await writing;
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
            }

            throw;
        }

        async Task WriteAsync()
        {
            Exception? failure = null;
            try
            {
                await using Stream stream = pipe.Writer.AsStream(leaveOpen: true);
                await writeTar(stream, stop.Token);
            }
            catch (Exception e)
            {
                failure = e;
                throw;
            }
            finally
            {
                // The reader sees the failure as an early end, or its own exception.
                await pipe.Writer.CompleteAsync(failure is null ? null : new IOException("the archive could not be read"));
            }
        }
    }

    /// <summary>Makes the image file of a tar file.</summary>
    internal static async Task<(long ContentSize, long Entries, byte[] Attributes)> PackAsync(
        HostTools host, string reference, string tar, string image, DateTimeOffset time, IProgress<KernelProgress>? progress, CancellationToken cancellationToken)
    {
        await using FileStream input = File.OpenRead(tar);
        return await PackAsync(host, reference, input, image, time, input.Length, progress, cancellationToken);
    }

    private static async Task<(long ContentSize, long Entries, byte[] Attributes)> PackAsync(
        HostTools host, string reference, Stream input, string image, DateTimeOffset time, long? total, IProgress<KernelProgress>? progress, CancellationToken cancellationToken)
    {
        TarInspector? inspector = null;
        string stage = $"{reference}: compressing";
        await SquashfsWriter.WriteAsync(
            host, image, time, reference,
            async output =>
            {
                inspector = new TarInspector(input, output, reference, LargestContent) { OnProgress = done => progress?.Report(new KernelProgress(stage, done, total)) };
                await inspector.PassAsync(cancellationToken);
            },
            cancellationToken);
        return (inspector!.ContentSize, inspector.Entries, inspector.Attributes());
    }

    private async Task<RootImage> MakeAsync(ImageReference reference, ImageResolveOptions options, CancellationToken cancellationToken)
    {
        if (Notice is not null)
            options.Progress?.Report(new KernelProgress(Notice, IsWarning: true));
        bool waited = false;
        using FileLock mine = await LockAsync(reference, options.Progress, () => waited = true, cancellationToken);

        // Whoever was waited for has just made it.
        if ((waited || !options.Refresh) && Find(reference) is { } found
            && (reference.Source != ImageSource.Oci || !await OciRoots.HasChangedAsync(reference, found.Record, Root, _host, cancellationToken)))
        {
            return found;
        }

        using TemporaryDirectory temporary = await TemporaryDirectory.CreateAsync(TemporaryRoot, cancellationToken);
        switch (reference.Source)
        {
            case ImageSource.Distribution:
                string built = MakeBuilt(temporary.Path);
                (ImageRecord record, byte[] attributes) = await new DistributionImages(_host).MakeAsync(reference, temporary.Path, Path.Combine(built, ImageName), options.Progress, cancellationToken);
                return await InstallAsync(reference, record, attributes, built, cancellationToken);
            case ImageSource.File:
                return await ConvertAsync(reference, temporary.Path, options.Progress, cancellationToken);
            case ImageSource.Oci:
                using (OciImage image = await OciImage.OpenAsync(OciReference.Parse(reference.ToString()), Root, OciOptions.From(_host, options.Progress), cancellationToken))
                    return await CreateLockedAsync(reference, OciRoots.Describe(image), DateTimeOffset.UnixEpoch, image.WriteTarAsync, temporary.Path, options.Progress, cancellationToken);
            default:
                throw new KernelException($"{reference} cannot be used as a root yet.") { Problem = KernelProblem.InvalidReference };
        }
    }

    private async Task<FileLock> LockAsync(ImageReference reference, IProgress<KernelProgress>? progress, Action? onWait, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(LockRoot);
        return await FileLock.TakeAsync(
            Path.Combine(LockRoot, FileNameOf(reference.ToString())),
            () =>
            {
                onWait?.Invoke();
                progress?.Report(new KernelProgress($"waiting for another process that is making {reference}"));
            },
            cancellationToken);
    }

    private static string MakeBuilt(string temporary)
    {
        string built = Path.Combine(temporary, "image");
        Directory.CreateDirectory(built);
        return built;
    }

    /// <summary>Describes what was built and moves it to its place; from here on it is found.</summary>
    private async Task<RootImage> InstallAsync(ImageReference reference, ImageRecord record, byte[] attributes, string built, CancellationToken cancellationToken, string? identity = null)
    {
        string image = Path.Combine(built, ImageName);
        record = record with
        {
            Sha256 = await HashAsync(image, cancellationToken),
            Size = new FileInfo(image).Length,
            AttributesSize = attributes.Length,
            AttributesSha256 = attributes.Length > 0 ? Convert.ToHexStringLower(SHA256.HashData(attributes)) : null,
        };
        if (attributes.Length > 0)
            await File.WriteAllBytesAsync(Path.Combine(built, AttributesName), attributes, cancellationToken);
        MakeReadable(image);
        AtomicFile.Write(Path.Combine(built, RecordName), JsonSerializer.Serialize(record, ImageJson.Default.ImageRecord));

        string target = Path.Combine(FilesRoot, record.Sha256);
        Directory.CreateDirectory(FilesRoot);
        Directory.CreateDirectory(LockRoot);
        using FileLock store = await FileLock.TakeAsync(Path.Combine(LockRoot, "store"), null, cancellationToken);
        // The same bytes may be there already; what is known of them may be newer.
        if (Directory.Exists(target) && (ReadRecord(target) is null || ProblemsOf(target).Count > 0))
            Directory.Move(target, Path.Combine(built, "..", "replaced"));
        if (Directory.Exists(target))
            AtomicFile.Write(Path.Combine(target, RecordName), JsonSerializer.Serialize(record, ImageJson.Default.ImageRecord));
        else
            Directory.Move(built, target);
        WriteReference(reference.ToString(), record.Sha256, identity);
        return Find(reference) ?? throw new KernelException($"{reference} was made, but cannot be found in {Root} again: verify the store's file system and make it again.");
    }

    private void WriteReference(string reference, string sha256, string? identity = null)
    {
        string path = ReferencePath(reference);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        AtomicFile.Write(path, JsonSerializer.Serialize(new ImageNameRecord { Reference = reference, Sha256 = sha256, Identity = identity, Fetched = DateTimeOffset.UtcNow }, ImageJson.Default.ImageNameRecord));
    }

    // An image file that somebody names: a file system or a disk as it is, or what was made of an archive before.
    private RootImage? FindFile(ImageReference reference)
    {
        string path = Path.GetFullPath(reference.Value);
        if (Directory.Exists(path))
            throw new KernelException($"{reference}: {path} is a directory; name it as a root without \"file:\".") { Problem = KernelProblem.InvalidReference };
        if (!File.Exists(path))
            throw new KernelException($"{reference}: {path} does not exist; name an existing image, or a reference such as debian:trixie.") { Problem = KernelProblem.NotFound };
        long length = new FileInfo(path).Length;
        if (FileSystemProbe.FindRoot(path) is { } found)
        {
            return found.FileSystem.Size <= length
                ? new RootImage(reference, path, new ImageRecord { FileSystem = found.FileSystem.Type, Partition = found.Partition, Size = length, Origin = path }, null)
                : throw new KernelException($"{reference}: {path} is cut off: its {found.FileSystem.Type} ends at byte {found.FileSystem.Size} and the file has {length}; get it anew.");
        }

        return ReadJson(ReferencePath(reference.From("/").ToString()), ImageJson.Default.ImageNameRecord) is { } name && IsSha256(name.Sha256) && name.Identity == Identity(path)
            ? Open(reference, Path.Combine(FilesRoot, name.Sha256))
            : null;
    }

    /// <summary>What a file was, so that it is noticed when it is another one.</summary>
    private static string Identity(string path) =>
        Native.Identify(path, followLink: true) is { } identity ? identity.ToString()! : "";

    private static RootImage? Open(ImageReference reference, string directory)
    {
        if (ReadRecord(directory) is not { } record)
            return null;
        string path = Path.Combine(directory, ImageName);
        string attributes = Path.Combine(directory, AttributesName);
        if (record.AttributesSize > 0 && (!File.Exists(attributes) || new FileInfo(attributes).Length != record.AttributesSize))
            return null;
        NoteUse(directory);
        return new RootImage(reference, path, record, record.AttributesSize > 0 ? attributes : null);
    }

    private static ImageRecord? ReadRecord(string directory) =>
        ReadJson(Path.Combine(directory, RecordName), ImageJson.Default.ImageRecord) is { Format: FormatVersion } record
        && new FileInfo(Path.Combine(directory, ImageName)) is { Exists: true } image && image.Length == record.Size
            ? record
            : null;

    /// <summary>Remembers, to the hour, that an image was asked for: what is not used goes first when the store is pruned.</summary>
    private static void NoteUse(string directory)
    {
        string path = Path.Combine(directory, RecordName);
        try
        {
            if (DateTime.UtcNow - File.GetLastWriteTimeUtc(path) > TimeSpan.FromHours(1))
                File.SetLastWriteTimeUtc(path, DateTime.UtcNow);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A store of somebody else's, which is pruned by them.
        }
    }

    private static void MakeReadable(string path)
    {
        if (OperatingSystem.IsLinux())
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
    }

    private string ReferencePath(string reference) => Path.Combine(Root, "refs", FileNameOf(reference) + ".json");

    /// <summary>A file name for a reference: readable where that is possible, and never that of another one.</summary>
    private static string FileNameOf(string reference)
    {
        string plain = string.Concat(reference.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' ? c : '-'));
        return plain[..Math.Min(plain.Length, 80)] + "-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(reference)))[..12];
    }

    private static bool IsSha256(string text) => text.Length == 64 && text.All(char.IsAsciiHexDigitLower);

    private static async Task<string> HashAsync(string path, CancellationToken cancellationToken)
    {
        await using FileStream file = File.OpenRead(path);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken));
    }

    /// <summary>A file of the store, or null: a missing or damaged one means that the image is not there.</summary>
    private static T? ReadJson<T>(string path, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), type);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            return null;
        }
    }
}
