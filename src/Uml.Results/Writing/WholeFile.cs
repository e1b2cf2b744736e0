namespace Uml.CI;

/// <summary>A file that is replaced when the new one is complete. Without <see cref="Complete"/> nothing has happened.</summary>
internal sealed class WholeFile : IDisposable
{
    private const int BufferSize = 64 * 1024;

    private readonly string _path;
    private readonly string? _temporary;
    private bool _completed;

    public WholeFile(string path)
    {
        // A link stays a link: the file it leads to is replaced.
        _path = new FileInfo(path) is { LinkTarget: not null } link && link.ResolveLinkTarget(returnFinalTarget: true) is { } target ? target.FullName : path;
        if (Directory.Exists(_path))
            throw new IOException("it is a directory");
        if (IsDevice(_path))
        {
            Stream = new FileStream(_path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, BufferSize);
            return;
        }

        _temporary = Path.Combine(Path.GetDirectoryName(_path)!, $".{Path.GetFileName(_path)}.{Guid.NewGuid():N}.tmp");
        try
        {
            // What may not be written is not replaced either.
            if (File.Exists(_path))
                new FileStream(_path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete).Dispose();
            Stream = new FileStream(_temporary, FileMode.CreateNew, FileAccess.Write, FileShare.Read, BufferSize);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException("permission denied", e);
        }
    }

    public FileStream Stream { get; }

    public bool IsSpecial => _temporary is null;

    /// <summary>Puts the new file in its place.</summary>
    public void Complete()
    {
        Stream.Flush(flushToDisk: !IsSpecial);
        Stream.Dispose();
        if (_temporary is not null)
            File.Move(_temporary, _path, overwrite: true);
        _completed = true;
    }

    public void Dispose()
    {
        try
        {
            Stream.Dispose();
        }
        catch (IOException) when (!_completed)
        {
            // What is buffered goes nowhere; whoever wrote was told.
        }

        if (!_completed && _temporary is not null)
            File.Delete(_temporary);
    }

    private static bool IsDevice(string path) =>
        File.Exists(path) && (path.StartsWith("/dev/", StringComparison.Ordinal) && !path.StartsWith("/dev/shm/", StringComparison.Ordinal) || path.StartsWith("/proc/", StringComparison.Ordinal));
}
