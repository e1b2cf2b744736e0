using System.Collections.Immutable;
using System.Text;
using System.Threading.Channels;
using Microsoft.Win32.SafeHandles;

namespace Uml.CI;

/// <summary>The guest's kernel log: whole, as text and as it grows.</summary>
public sealed class KernelLog
{
    private const int TailLines = 60;
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(25);

    private readonly SafeFileHandle _source;
    private readonly FileStream? _copy;
    private readonly Action<KernelLogLine>? _listener;
    private readonly BootTrace? _trace;
    private readonly Lock _lock = new();
    private readonly List<KernelLogLine> _lines = [];
    private readonly KernelLogScanner _scanner = new();
    private readonly List<Channel<KernelLogLine>> _listeners = [];
    private readonly MemoryStream _partial = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _polling;
    private long _offset;
    private long _readAt;
    private bool _ended;

    internal KernelLog(string path, string? copy, Action<KernelLogLine>? listener, BootTrace? trace = null)
    {
        _listener = listener;
        _trace = trace;
        _source = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        _copy = copy is null ? null : new FileStream(copy, FileMode.Create, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
        _polling = trace is not { FollowsLog: true } ? PollAsync() : Task.Factory.StartNew(PollClosely, TaskCreationOptions.LongRunning);
    }

    /// <summary>Why the copy of the log is not whole, or null.</summary>
    internal string? CopyFailure { get; private set; }

    /// <summary>What the listener threw, or null.</summary>
    internal string? ListenerFailure { get; private set; }

    /// <summary>The lines so far.</summary>
    public IReadOnlyList<KernelLogLine> Lines
    {
        get
        {
            Poll();
            lock (_lock)
                return [.. _lines];
        }
    }

    /// <summary>What the kernel complained about so far; of the last complaint perhaps not yet all, until the guest has ended.</summary>
    public ImmutableArray<KernelComplaint> Complaints
    {
        get
        {
            Poll();
            lock (_lock)
                return _scanner.Complaints;
        }
    }

    /// <summary>
    /// The last panic of which the log tells; null for none. Root in a guest can write such words there: whether the kernel panicked
    /// is told by how the guest ended, by signal 6.
    /// </summary>
    public KernelPanic? Panic => KernelPanic.LastOf(Complaints);

    /// <summary>The lines from the first on, each as it is written, until the guest ends.</summary>
    public async IAsyncEnumerable<KernelLogLine> ReadLinesAsync(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var channel = Channel.CreateUnbounded<KernelLogLine>();
        lock (_lock)
        {
            foreach (KernelLogLine line in _lines)
                channel.Writer.TryWrite(line);
            if (_ended)
                channel.Writer.TryComplete();
            else
                _listeners.Add(channel);
        }

        try
        {
            await foreach (KernelLogLine line in channel.Reader.ReadAllAsync(cancellationToken))
                yield return line;
        }
        finally
        {
            lock (_lock)
                _listeners.Remove(channel);
        }
    }

    /// <summary>The log as text, time stamps as the kernel wrote them.</summary>
    public override string ToString()
    {
        Poll();
        lock (_lock)
            return Text(_lines);
    }

    /// <summary>The last lines, for an error message.</summary>
    internal string Tail()
    {
        Poll();
        lock (_lock)
            return Text(_lines.TakeLast(TailLines));
    }

    /// <summary>Reads what is left after the kernel has ended, and ends the stream of lines.</summary>
    internal async Task EndAsync()
    {
        await _stop.CancelAsync();
        await _polling;
        Poll();
        lock (_lock)
        {
            if (_ended)
                return;
            if (_partial.Length > 0)
                AddLine();
            _scanner.Complete();
            _ended = true;
            foreach (Channel<KernelLogLine> listener in _listeners)
                listener.Writer.TryComplete();
            _copy?.Dispose();
            _source.Dispose();
        }

        _stop.Dispose();
    }

    private static string Text(IEnumerable<KernelLogLine> lines)
    {
        var text = new StringBuilder();
        foreach (KernelLogLine line in lines)
        {
            if (line.KernelTime is { } time)
                text.Append('[').Append(time.TotalSeconds.ToString("F6").PadLeft(12)).Append("] ");
            text.Append(line.Text).Append('\n');
        }

        return text.ToString();
    }

    private async Task PollAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            Poll();
            await Task.Delay(PollInterval, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // For those who want to know when each line was written. A thread of its own, since the others wake up when they can.
    private void PollClosely()
    {
        while (!_stop.IsCancellationRequested)
        {
            Poll();
            Native.Sleep(BootTrace.Resolution);
        }
    }

    // A regular file tells nobody that it grew, so it is looked at.
    private void Poll()
    {
        byte[] buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(32 * 1024);
        lock (_lock)
        {
            while (!_ended && RandomAccess.Read(_source, buffer, _offset) is > 0 and var n)
            {
                _readAt = System.Diagnostics.Stopwatch.GetTimestamp();
                _offset += n;
                Copy(buffer.AsSpan(0, n));
                Split(buffer.AsSpan(0, n));
            }
        }

        System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
    }

    // The log goes on without its copy; who asked for the copy is told at the end.
    private void Copy(ReadOnlySpan<byte> bytes)
    {
        if (CopyFailure is not null)
            return;
        try
        {
            _copy?.Write(bytes);
        }
        catch (IOException e)
        {
            CopyFailure = e.Message;
        }
    }

    private void Tell(KernelLogLine line)
    {
        if (_listener is null || ListenerFailure is not null)
            return;
        try
        {
            _listener(line);
        }
        catch (Exception e)
        {
            // Whatever a listener does, the guest's end must still be noticed.
            ListenerFailure = e.Message;
        }
    }

    private void Split(ReadOnlySpan<byte> bytes)
    {
        while (bytes.IndexOf((byte)'\n') is >= 0 and var end)
        {
            _partial.Write(bytes[..end]);
            AddLine();
            bytes = bytes[(end + 1)..];
        }

        _partial.Write(bytes);
    }

    private void AddLine()
    {
        string raw = Encoding.UTF8.GetString(_partial.GetBuffer(), 0, (int)_partial.Length);
        _partial.SetLength(0);
        KernelLogLine line = KernelLogParser.Parse(raw, DateTimeOffset.Now);
        _lines.Add(line);
        _trace?.Add(_readAt, line.Text);
        _scanner.PushLine(raw);
        Tell(line);
        foreach (Channel<KernelLogLine> listener in _listeners)
            listener.Writer.TryWrite(line);
    }
}
