using Uml.CI.Wire;

namespace Uml.CI.Agent.Init;

/// <summary>Serves the host's requests: one thread, one poll, every descriptor non-blocking except the line.</summary>
internal sealed unsafe class RequestLoop(Line line, int spool)
{
    // How long an orphan that PID 1 inherited may stay a zombie when nothing else wakes the loop.
    private const int ReapInterval = 2000;

    private readonly Dictionary<uint, GuestStream> _streams = [];
    private readonly Dictionary<int, CommandStream> _commands = [];
    private readonly ListeningSockets _sockets = new();
    private readonly List<int> _abandoned = [];
    private readonly List<GuestStream> _closed = [];
    private Linux.PollFd[] _poll = new Linux.PollFd[16];
    private int _polled;

    /// <summary>Runs until the host hangs up or asks for the end.</summary>
    public void Run()
    {
        while (true)
        {
            Wait();
            if ((_poll[0].Revents & ~Linux.POLLOUT) != 0 && !line.Receive())
                return;
            while (line.TryRead(out ReceivedFrame frame))
            {
                if (frame.Type == FrameType.Shutdown)
                    return;
                Handle(frame);
            }

            Reap();
            foreach (GuestStream stream in _streams.Values)
            {
                if (!stream.Pump(line, this))
                    _closed.Add(stream);
            }

            foreach (GuestStream stream in _closed)
                Close(stream);
            _closed.Clear();
            DiscardAbandoned();
        }
    }

    private void Wait()
    {
        _polled = 0;
        Watch(line.Descriptor, Linux.POLLIN);
        int patience = ReapInterval;
        foreach (GuestStream stream in _streams.Values)
        {
            stream.Watch(this);
            if (stream.HasWork)
                patience = 0;
            else if (stream.LookAgain is >= 0 and var soon)
                patience = Math.Min(patience, soon);
        }

        foreach (int fd in _abandoned)
            Watch(fd, Linux.POLLIN);
        fixed (Linux.PollFd* p = _poll)
        {
            // Only an answer counts: without one, what the structures say is what they said before.
            while (Linux.poll(p, (nuint)_polled, patience) < 0)
            {
            }
        }
    }

    /// <summary>Adds a descriptor to the next poll; <see cref="IsReady"/> takes what this returns.</summary>
    public int Watch(int fd, short events)
    {
        if (_polled == _poll.Length)
            Array.Resize(ref _poll, _poll.Length * 2);
        _poll[_polled] = new Linux.PollFd { Fd = fd, Events = events };
        return _polled++;
    }

    /// <summary>
    /// Whether the last poll had something to say about a descriptor. A system call in a guest costs up to 50 us, so nothing
    /// is read to learn that there is nothing to read.
    /// </summary>
    public bool IsReady(int watched) => watched >= 0 && watched < _polled && _poll[watched].Revents != 0;

    private void Handle(ReceivedFrame frame)
    {
        ReadOnlySpan<byte> payload = frame.Payload.Span;
        switch (frame.Type)
        {
            case FrameType.Exec:
                Exec(frame.Stream, ExecMessage.Decode(payload));
                break;
            case FrameType.ExecSpool:
                SpoolMessage message = SpoolMessage.Decode(payload);
                Exec(frame.Stream, ExecMessage.Decode(ReadSpool(message)));
                break;
            case FrameType.CopyIn:
                Open(frame.Stream, () => new CopyInStream(frame.Stream, spool, new TreeUnpacker(CopyMessage.Decode(frame.Type, frame.Payload.Span).Path, keepSpecialBits: true)));
                break;
            case FrameType.CopyOut:
                Open(frame.Stream, () => new CopyOutStream(frame.Stream, new TreePacker(CopyMessage.Decode(frame.Type, frame.Payload.Span).Path)));
                break;
            case FrameType.Listen:
                Open(frame.Stream, () => new ConnectionStream(frame.Stream, spool, _sockets.Open(ListenMessage.Decode(frame.Payload.Span).Path)));
                break;
            case FrameType.Await:
                Open(frame.Stream, () => new AwaitStream(frame.Stream, spool, AwaitMessage.Decode(frame.Payload.Span)));
                break;
            case FrameType.Inspect:
                Inspect(frame.Stream, InspectMessage.Decode(payload));
                break;
            case FrameType.Stdin:
                Find(frame)?.AddInput(payload.ToArray());
                break;
            case FrameType.StdinSpool:
                SpoolMessage input = SpoolMessage.Decode(payload);
                if (Find(frame) is { } reader)
                    reader.AddInput(input);
                else
                    Linux.UnlinkAt(spool, input.Name);
                break;
            case FrameType.StdinEnd:
                Find(frame)?.EndInput();
                break;
            case FrameType.OutputWindow:
                Find(frame)?.AddWindow(WindowMessage.Decode(payload));
                break;
            case FrameType.Signal:
                uint signal = SignalMessage.Decode(payload).Number;
                (Find(frame) as CommandStream)?.Signal((int)signal);
                break;
            case FrameType.Resize:
                ResizeMessage size = ResizeMessage.Decode(payload);
                (Find(frame) as CommandStream)?.Resize(size);
                break;
            default:
                throw new WireException($"frame type {(byte)frame.Type} means nothing to a guest");
        }
    }

    // A frame for a stream that has just ended is no error: the two directions cross.
    private GuestStream? Find(ReceivedFrame frame) => _streams.GetValueOrDefault(frame.Stream);

    private void Open(uint number, Func<GuestStream> open)
    {
        if (number == 0 || _streams.ContainsKey(number))
            throw new WireException($"stream {number} is open already");

        GuestStream stream;
        try
        {
            stream = open();
        }
        catch (SetupException e)
        {
            Fail(number, e.Errno, e.Message);
            return;
        }
        catch (TreeException e)
        {
            Fail(number, 0, e.Message);
            return;
        }

        _streams.Add(number, stream);
        if (stream is CommandStream command)
            _commands.Add(command.ProcessId, command);
        if (stream.StartedAs is { } process)
            GuestInit.Send(line, FrameType.Started, number, new StartedMessage((uint)process).Encode);
    }

    private void Exec(uint stream, ExecMessage message) => Open(stream, () => new CommandStream(stream, spool, message));

    private void Fail(uint stream, int errno, string text) =>
        GuestInit.Send(line, FrameType.Failed, stream, new FailedMessage((uint)errno, text).Encode);

    private byte[] ReadSpool(SpoolMessage message)
    {
        using var file = new SpoolFile(spool, message);
        byte[] content = new byte[message.Length];
        int length = 0;
        while (length < content.Length && file.Read(content.AsSpan(length)) is > 0 and var n)
            length += n;
        return content[..length];
    }

    private void Inspect(uint request, InspectMessage message)
    {
        var sessions = new List<int>();
        foreach (uint stream in message.Streams)
        {
            if (_streams.GetValueOrDefault(stream) is CommandStream command)
                sessions.Add(command.ProcessId);
        }

        GuestInit.Send(line, FrameType.Inspected, request, new TextMessage(ProcessReport.Write(sessions, message.Streams.Count == 0)).Encode);
    }

    private void Reap()
    {
        int status;
        int pid;
        while ((pid = Linux.waitpid(-1, &status, Linux.WNOHANG)) > 0)
        {
            if (_commands.Remove(pid, out CommandStream? command))
                command.Ended(status);
        }
    }

    private void Close(GuestStream stream)
    {
        _streams.Remove(stream.Number);
        stream.Close(_abandoned);
    }

    // What a daemon left behind by a finished command still writes goes nowhere, but does not end it by SIGPIPE either.
    private void DiscardAbandoned()
    {
        byte* buffer = stackalloc byte[4096];
        for (int i = _abandoned.Count - 1; i >= 0; i--)
        {
            nint n = Linux.read(_abandoned[i], buffer, 4096);
            if (n == 0 || n < 0 && Linux.Errno != Linux.EAGAIN)
            {
                Linux.close(_abandoned[i]);
                _abandoned.RemoveAt(i);
            }
        }
    }
}
