using Microsoft.Win32.SafeHandles;
using Uml.CI.Wire;

namespace Uml.CI;

/// <summary>The host's end of one stream of the connection: its input, its output, its end.</summary>
internal sealed class ChannelStream
{
    private readonly GuestChannel _channel;
    private readonly InputWriter _input;
    private readonly TaskCompletionSource<int> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<GuestExit> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ChannelStream(uint number, GuestChannel channel, SafeFileHandle spool)
    {
        Number = number;
        _channel = channel;
        _input = new InputWriter(number, channel, spool);
        Output = new OutputReader(n => channel.Send(FrameType.OutputWindow, number, new WindowMessage(n, 0).Encode));
        Error = new OutputReader(n => channel.Send(FrameType.OutputWindow, number, new WindowMessage(0, n).Encode));
        // Waiting for the end is optional; not waiting must not end in an unobserved exception.
        _ = _exited.Task.ContinueWith(t => t.Exception, TaskScheduler.Default);
        _ = _started.Task.ContinueWith(t => t.Exception, TaskScheduler.Default);
        _ = _connected.Task.ContinueWith(t => t.Exception, TaskScheduler.Default);
    }

    public uint Number { get; }

    public InputWriter Input => _input;

    public OutputReader Output { get; }

    public OutputReader Error { get; }

    /// <summary>Where what the stream's command does is noted; null for nowhere.</summary>
    public GuestTranscript.Entry? Transcript { get; set; }

    /// <summary>The guest's process number.</summary>
    public Task<int> Started => _started.Task;

    /// <summary>Done when somebody in the guest has connected to the stream's socket.</summary>
    public Task Connected => _connected.Task;

    /// <summary>The end of the stream; everything it put out has arrived by then.</summary>
    public Task<GuestExit> Exited => _exited.Task;

    public void Send(FrameType type, Action<MessageWriter> encode) => _channel.Send(type, Number, encode);

    /// <summary>Takes a frame of this stream. True when it was the last one.</summary>
    public bool Handle(ReceivedFrame frame)
    {
        ReadOnlySpan<byte> payload = frame.Payload.Span;
        switch (frame.Type)
        {
            case FrameType.Stdout:
                Transcript?.Output.Add(payload);
                Output.Add(payload);
                return false;
            case FrameType.Stderr:
                Transcript?.Error.Add(payload);
                Error.Add(payload);
                return false;
            case FrameType.InputWindow:
                _input.AddWindow(WindowMessage.Decode(payload).Primary);
                return false;
            case FrameType.Started:
                _started.TrySetResult((int)StartedMessage.Decode(payload).ProcessId);
                return false;
            case FrameType.Connected:
                _connected.TrySetResult();
                return false;
            case FrameType.Exited:
                ExitedMessage exit = ExitedMessage.Decode(payload);
                _started.TrySetResult(0);
                End(null);
                GuestExit end = exit.Signal == 0 ? new GuestExit((int)exit.Code, null) : new GuestExit(128 + (int)exit.Signal, (int)exit.Signal);
                Transcript?.End(end.ToString());
                _exited.TrySetResult(end);
                return true;
            case FrameType.Failed:
                FailedMessage failure = FailedMessage.Decode(payload);
                Fail(new ExecException(failure.Text, (int)failure.Errno));
                return true;
            default:
                throw new WireException($"frame type {(byte)frame.Type} means nothing on a stream");
        }
    }

    /// <summary>Ends the stream with an error, for everyone who waits on it.</summary>
    public void Fail(Exception error)
    {
        End(error);
        Transcript?.End(error is GuestException { Summary.Length: > 0 } known ? known.Summary : error.Message);
        _started.TrySetException(error);
        _connected.TrySetException(error);
        _exited.TrySetException(error);
    }

    private void End(Exception? error)
    {
        _input.CloseQuietly();
        Output.Complete(error);
        Error.Complete(error);
    }
}

/// <summary>Standard input of a stream: short pieces over the line, long ones through the spool directory.</summary>
internal sealed class InputWriter(uint stream, GuestChannel channel, SafeFileHandle spool) : Stream
{
    private readonly Lock _lock = new();
    private TaskCompletionSource _room = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _window = Protocol.InputWindow;
    private uint _files;
    private bool _closed;
    private bool _ended;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public void AddWindow(uint bytes)
    {
        lock (_lock)
        {
            _window += bytes;
            Wake();
        }
    }

    /// <summary>The stream has ended: what is still written goes nowhere, as into a closed pipe nobody minds.</summary>
    public void CloseQuietly()
    {
        lock (_lock)
        {
            _closed = true;
            Wake();
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            int count = await ReserveAsync(buffer.Length, cancellationToken);
            if (count == 0)
                return;
            if (count <= Protocol.InlineInput)
                channel.Send(FrameType.Stdin, stream, buffer.Span[..count]);
            else
                SendSpooled(buffer.Span[..count]);
            buffer = buffer[count..];
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count) =>
        WriteAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Puts bytes into a file of the spool directory; returns its name.</summary>
    public string WriteSpoolFile(ReadOnlySpan<byte> bytes)
    {
        string name = $"{stream}-{Interlocked.Increment(ref _files)}";
        using SafeFileHandle file = Native.CreateIn(spool, name);
        RandomAccess.Write(file, bytes, 0);
        return name;
    }

    /// <summary>Closing the input is its end.</summary>
    protected override void Dispose(bool disposing)
    {
        lock (_lock)
        {
            if (!_ended && !_closed)
                channel.Send(FrameType.StdinEnd, stream, []);
            _ended = true;
        }

        base.Dispose(disposing);
    }

    private void SendSpooled(ReadOnlySpan<byte> bytes)
    {
        string name;
        try
        {
            name = WriteSpoolFile(bytes);
        }
        catch (IOException)
        {
            // The guest's directory goes with the guest; whoever waits for the stream hears of that.
            if (_closed)
                return;
            throw;
        }

        channel.Send(FrameType.StdinSpool, stream, new SpoolMessage(name, (uint)bytes.Length).Encode);
    }

    private async ValueTask<int> ReserveAsync(int wanted, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task room;
            lock (_lock)
            {
                if (_closed || _ended)
                    return 0;
                if (_window > 0)
                {
                    int count = (int)Math.Min(Math.Min(wanted, _window), Protocol.SpoolChunk);
                    _window -= count;
                    return count;
                }

                room = _room.Task;
            }

            await room.WaitAsync(cancellationToken);
        }
    }

    private void Wake()
    {
        _room.TrySetResult();
        _room = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}

/// <summary>Output of a stream. What is read makes room for more; what is not read stalls this stream and no other.</summary>
internal sealed class OutputReader(Action<uint> grant) : Stream
{
    private const int GrantEvery = Protocol.OutputWindow / 4;
    private readonly System.IO.Pipelines.Pipe _pipe = new(new System.IO.Pipelines.PipeOptions(pauseWriterThreshold: 0, useSynchronizationContext: false));
    private long _window = Protocol.OutputWindow;
    private uint _consumed;
    private bool _completed;
    private Exception? _error;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Adds bytes that arrived. Never waits: the guest sends no more than it was granted.</summary>
    /// <exception cref="WireException">It sent more.</exception>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        if (Interlocked.Add(ref _window, -bytes.Length) < 0)
            throw new WireException("the guest sent more output than it was granted");
        bytes.CopyTo(_pipe.Writer.GetSpan(bytes.Length));
        _pipe.Writer.Advance(bytes.Length);
        _ = _pipe.Writer.FlushAsync().AsTask();
    }

    public void Complete(Exception? error)
    {
        if (_completed)
            return;
        _completed = true;
        // A pipe completed with an error throws before what it still holds is read: the end of the output would be lost.
        _error = error;
        _pipe.Writer.Complete();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        System.IO.Pipelines.ReadResult result = await _pipe.Reader.ReadAsync(cancellationToken);
        long count = Math.Min(result.Buffer.Length, buffer.Length);
        System.Buffers.ReadOnlySequence<byte> taken = result.Buffer.Slice(0, count);
        System.Buffers.BuffersExtensions.CopyTo(taken, buffer.Span);
        _pipe.Reader.AdvanceTo(taken.End);
        if (count == 0 && result.IsCompleted && _error is { } error)
            throw error;
        _consumed += (uint)count;
        if (_consumed >= GrantEvery && !_completed)
        {
            Interlocked.Add(ref _window, _consumed);
            grant(_consumed);
            _consumed = 0;
        }

        return (int)count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) =>
        ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
