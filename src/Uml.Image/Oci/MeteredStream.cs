using System.Security.Cryptography;

namespace Uml.CI;

/// <summary>Reads another stream, and takes the digest and the number of the bytes that pass.</summary>
/// <param name="inner">Read from, and left open.</param>
/// <param name="digest">What the bytes have to be.</param>
/// <param name="onRead">Told how many bytes there are each time; may throw when they are too many.</param>
internal sealed class MeteredStream(Stream inner, OciDigest? digest, Action<int> onRead) : Stream
{
    private readonly IncrementalHash? _hash = digest?.CreateHash();

    public long Count { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Reads what is left and tells whether all of it was what it has to be.</summary>
    public bool Drain()
    {
        byte[] buffer = new byte[64 << 10];
        while (Read(buffer) > 0)
        {
            // Only to be counted and hashed.
        }

        return digest is null || digest.Value.IsResultOf(_hash!);
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        int got = inner.Read(buffer);
        Note(buffer[..got]);
        return got;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int got = await inner.ReadAsync(buffer, cancellationToken);
        Note(buffer.Span[..got]);
        return got;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Flush()
    {
        // Nothing is written.
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _hash?.Dispose();
        base.Dispose(disposing);
    }

    private void Note(ReadOnlySpan<byte> read)
    {
        if (read.Length == 0)
            return;
        Count += read.Length;
        _hash?.AppendData(read);
        onRead(read.Length);
    }
}
