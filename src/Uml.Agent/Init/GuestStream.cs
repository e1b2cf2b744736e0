using Uml.CI.Wire;

namespace Uml.CI.Agent.Init;

/// <summary>One stream of the connection: something that takes input, gives output and ends.</summary>
internal abstract class GuestStream(uint number, int spool)
{
    private readonly Queue<InputSource> _input = new();
    private bool _inputEnded;
    private uint _consumed;
    private long _inputWindow = Protocol.InputWindow;

    public uint Number { get; } = number;

    /// <summary>Output bytes the host still takes, of standard output (and of a copied tree).</summary>
    protected uint OutputWindow { get; set; } = Protocol.OutputWindow;

    /// <summary>Output bytes the host still takes, of standard error.</summary>
    protected uint ErrorWindow { get; set; } = Protocol.OutputWindow;

    /// <summary>What <c>Started</c> says: the process, 0 for a stream without one; null for a stream that is not announced.</summary>
    public virtual int? StartedAs => null;

    /// <summary>Whether <see cref="Pump"/> should be called again without waiting for a descriptor.</summary>
    public virtual bool HasWork => false;

    /// <summary>After how many milliseconds <see cref="Pump"/> should be called again whatever the descriptors say; -1 for never.</summary>
    public virtual int LookAgain => -1;

    protected bool HasInput => _input.Count > 0;

    protected bool InputFinished => _inputEnded && _input.Count == 0;

    public void AddInput(byte[] bytes)
    {
        CountInput((uint)bytes.Length);
        _input.Enqueue(new InputSource(bytes));
    }

    public void AddInput(SpoolMessage message)
    {
        CountInput(message.Length);
        _input.Enqueue(new InputSource(new SpoolFile(spool, message)));
    }

    public void EndInput() => _inputEnded = true;

    public void AddWindow(WindowMessage window)
    {
        OutputWindow = Add(OutputWindow, window.Primary);
        ErrorWindow = Add(ErrorWindow, window.Secondary);

        static uint Add(uint window, uint more) =>
            window <= uint.MaxValue - more ? window + more : throw new WireException($"a window of {window} bytes and {more} more is over the limit");
    }

    /// <summary>Adds the descriptors this stream waits for.</summary>
    public virtual void Watch(RequestLoop loop)
    {
    }

    /// <summary>Moves what can be moved without blocking. False when the stream has ended and said so.</summary>
    public abstract bool Pump(Line line, RequestLoop loop);

    /// <summary>Lets go of everything; descriptors that others may still write to go to <paramref name="abandoned"/>.</summary>
    public virtual void Close(List<int> abandoned)
    {
        while (_input.TryDequeue(out InputSource? source))
            source.Dispose();
    }

    /// <summary>The input at hand, empty if there is none.</summary>
    protected ReadOnlySpan<byte> PeekInput()
    {
        while (_input.TryPeek(out InputSource? source))
        {
            ReadOnlySpan<byte> bytes = source.Peek();
            if (!bytes.IsEmpty)
                return bytes;
            _input.Dequeue();
            source.Dispose();
        }

        return default;
    }

    /// <summary>Says that <paramref name="count"/> bytes of what <see cref="PeekInput"/> gave are used, and lets the host send more.</summary>
    protected void TakeInput(Line line, int count)
    {
        _input.Peek().Take(count);
        _consumed += (uint)count;
        if (_consumed < Protocol.InputWindow / 4)
            return;
        GuestInit.Send(line, FrameType.InputWindow, Number, new WindowMessage(_consumed, 0).Encode);
        _inputWindow += _consumed;
        _consumed = 0;
    }

    private void CountInput(uint count)
    {
        _inputWindow -= count;
        if (_inputWindow < 0)
            throw new WireException($"the host sent {-_inputWindow} bytes more input on stream {Number} than it was granted");
    }

    protected void SendExit(Line line, uint code, uint signal) =>
        GuestInit.Send(line, FrameType.Exited, Number, new ExitedMessage(code, signal).Encode);

    protected void SendFailure(Line line, TreeException e) =>
        GuestInit.Send(line, FrameType.Failed, Number, new FailedMessage((uint)e.Errno, e.Message).Encode);

    /// <summary>Says what could not be done and need not stop a copy, a line each, within one frame.</summary>
    protected void SendWarnings(Line line, IReadOnlyList<string> warnings)
    {
        byte[] text = System.Text.Encoding.UTF8.GetBytes(string.Join('\n', warnings) + "\n");
        line.Send(FrameType.Stderr, Number, text.AsSpan(0, Math.Min(text.Length, Frame.MaxPayload)));
    }

    /// <summary>Input that came over the line or waits in a spool file.</summary>
    private sealed class InputSource : IDisposable
    {
        private readonly SpoolFile? _file;
        private byte[] _bytes;
        private int _start;
        private int _end;

        public InputSource(byte[] bytes)
        {
            _bytes = bytes;
            _end = bytes.Length;
        }

        public InputSource(SpoolFile file)
        {
            _file = file;
            _bytes = [];
        }

        public ReadOnlySpan<byte> Peek()
        {
            if (_start == _end && _file is not null)
            {
                if (_bytes.Length == 0)
                    _bytes = new byte[64 * 1024];
                _start = 0;
                _end = _file.Read(_bytes);
            }

            return _bytes.AsSpan(_start, _end - _start);
        }

        public void Take(int count) => _start += count;

        public void Dispose() => _file?.Dispose();
    }
}

/// <summary>A file the host left in the spool share; opened when its bytes are due, removed when it is done with.</summary>
internal sealed unsafe class SpoolFile(int directory, SpoolMessage message) : IDisposable
{
    private int _descriptor = -1;
    private uint _left = message.Length;

    /// <summary>Reads on; 0 at the end.</summary>
    /// <exception cref="WireException">The file is missing or shorter than the host said.</exception>
    public int Read(Span<byte> destination)
    {
        if (_left == 0)
            return 0;
        if (_descriptor < 0)
        {
            _descriptor = Linux.OpenAt(directory, message.Name, Linux.O_RDONLY);
            if (_descriptor < 0)
                throw new WireException($"cannot open {message.Name} in the spool: {Linux.Describe(Linux.Errno)}");
        }

        nint n;
        fixed (byte* p = destination)
            n = Linux.read(_descriptor, p, (nuint)Math.Min(destination.Length, _left));
        if (n <= 0)
            throw new WireException($"{message.Name} in the spool ends {_left} bytes early");
        _left -= (uint)n;
        return (int)n;
    }

    public void Dispose()
    {
        if (_descriptor >= 0)
            Linux.close(_descriptor);
        _descriptor = -1;
        Linux.UnlinkAt(directory, message.Name);
    }
}
