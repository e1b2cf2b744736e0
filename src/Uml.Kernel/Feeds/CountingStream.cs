using System.Diagnostics;

namespace Uml.CI;

/// <summary>A stream to write to that tells now and then how far it is.</summary>
/// <param name="target">Where the bytes go; left open.</param>
/// <param name="report">Told the bytes so far and, where it is known, their number in the end.</param>
internal sealed class CountingStream(Stream target, Action<long, long?> report) : Stream
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(200);

    private readonly Stopwatch _sinceLast = Stopwatch.StartNew();

    /// <summary>How many bytes there will be, if that is known.</summary>
    public long? Expected { get; set; }

    public override bool CanRead => target.CanRead;

    public override bool CanSeek => target.CanSeek;

    public override bool CanWrite => true;

    public override long Length => target.Length;

    public override long Position
    {
        get => target.Position;
        set => target.Position = value;
    }

    public override void Flush() => target.Flush();

    public override int Read(byte[] buffer, int offset, int count) => target.Read(buffer, offset, count);

    public override long Seek(long offset, SeekOrigin origin) => target.Seek(offset, origin);

    public override void SetLength(long value) => target.SetLength(value);

    public override void Write(byte[] buffer, int offset, int count)
    {
        target.Write(buffer, offset, count);
        Tell();
    }

    public override async Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        await WriteAsync(buffer.AsMemory(offset, count), cancellationToken);

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await target.WriteAsync(buffer, cancellationToken);
        Tell();
    }

    private void Tell()
    {
        if (_sinceLast.Elapsed < s_interval && Expected != target.Position)
            return;
        _sinceLast.Restart();
        report(target.Position, Expected);
    }
}
