
namespace Uml.CI;

/// <summary>
/// One file with the contents of all files of an image, behind each other. It has no names in it, so nothing a layer says
/// can reach the host's file system; and blocks of zeros become holes, so zeros take no space.
/// </summary>
internal sealed class LayerSpool : IDisposable
{
    private const int Chunk = 64 << 10;
    private const long CheckEvery = 16 << 20;

    private readonly FileStream _file;
    private readonly string _directory;
    private readonly OciLimits _limits;
    private readonly byte[] _buffer = new byte[Chunk];
    private long _end;
    private long _unchecked = CheckEvery;

    public LayerSpool(string directory, OciLimits limits)
    {
        _directory = directory;
        _limits = limits;
        _file = new FileStream(Path.Combine(directory, "contents"), new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, BufferSize = 0, Options = FileOptions.DeleteOnClose });
    }

    /// <summary>Keeps the content of the reader's current entry, and tells where.</summary>
    public long Add(LayerReader reader, LayerEntry entry, CancellationToken cancellationToken)
    {
        long start = _end;
        foreach (LayerExtent extent in entry.Extents ?? [new LayerExtent(0, entry.Size)])
            Copy(reader, start + extent.Offset, extent.Length, cancellationToken);
        _end = start + entry.Size;
        if (_file.Length < _end)
            _file.SetLength(_end);
        return start;
    }

    public async Task CopyToAsync(long offset, long length, Stream target, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[Chunk];
        while (length > 0)
        {
            int got = await RandomAccess.ReadAsync(_file.SafeFileHandle, buffer.AsMemory(0, (int)Math.Min(length, Chunk)), offset, cancellationToken);
            if (got == 0)
                throw new IOException("The spooled layers are shorter than they were.");
            await target.WriteAsync(buffer.AsMemory(0, got), cancellationToken);
            offset += got;
            length -= got;
        }
    }

    public void Dispose() => _file.Dispose();

    private void Copy(LayerReader reader, long offset, long length, CancellationToken cancellationToken)
    {
        while (length > 0)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int filled = 0;
            int wanted = (int)Math.Min(length, Chunk);
            while (filled < wanted)
                filled += reader.Read(_buffer.AsSpan(filled, wanted - filled));
            if (_buffer.AsSpan(0, wanted).ContainsAnyExcept((byte)0))
                Write(offset, _buffer.AsSpan(0, wanted));
            offset += wanted;
            length -= wanted;
        }
    }

    private void Write(long offset, ReadOnlySpan<byte> data)
    {
        _unchecked += data.Length;
        if (_unchecked >= CheckEvery)
        {
            _unchecked = 0;
            FreeSpace.Check(_directory, _limits.MinFree + CheckEvery);
        }

        RandomAccess.Write(_file.SafeFileHandle, data, offset);
    }
}
