using Uml.CI.Wire;

namespace Uml.CI.Agent.Init;

/// <summary>One connection to a socket that leads to the host: the first that nobody else has taken.</summary>
internal sealed unsafe class ConnectionStream(uint number, int spool, int listener) : GuestStream(number, spool)
{
    private int _connection = -1;
    private bool _inputClosed;
    private int _watchedListener = -1;
    private int _watchedConnection = -1;

    public override int? StartedAs => 0;

    public override void Watch(RequestLoop loop)
    {
        _watchedListener = _watchedConnection = -1;
        if (_connection < 0)
            _watchedListener = loop.Watch(listener, Linux.POLLIN);
        else if (OutputWindow > 0)
            _watchedConnection = loop.Watch(_connection, HasInput ? (short)(Linux.POLLIN | Linux.POLLOUT) : Linux.POLLIN);
        else if (HasInput)
            loop.Watch(_connection, Linux.POLLOUT);
    }

    public override bool Pump(Line line, RequestLoop loop)
    {
        if (_connection < 0)
        {
            if (!loop.IsReady(_watchedListener))
                return true;
            _connection = Linux.accept4(listener, null, null, Linux.SOCK_NONBLOCK | Linux.SOCK_CLOEXEC);
            if (_connection < 0)
                return true; // Another stream was first.
            line.Send(FrameType.Connected, Number, []);
        }

        PumpInput(line);
        if (!loop.IsReady(_watchedConnection))
            return true;
        if (PumpOutput(line))
            return true;
        SendExit(line, 0, 0);
        return false;
    }

    public override void Close(List<int> abandoned)
    {
        if (_connection >= 0)
            Linux.close(_connection);
        base.Close(abandoned);
    }

    private void PumpInput(Line line)
    {
        while (PeekInput() is { IsEmpty: false } bytes)
        {
            nint n;
            fixed (byte* p = bytes)
                n = Linux.write(_connection, p, (nuint)bytes.Length);
            if (n < 0 && Linux.Errno == Linux.EAGAIN)
                return;
            // A peer that is gone reads nothing more; its end is seen by the read.
            TakeInput(line, n < 0 ? bytes.Length : (int)n);
        }

        if (InputFinished && !_inputClosed)
        {
            _inputClosed = true;
            Linux.shutdown(_connection, Linux.SHUT_WR);
        }
    }

    // False at the end.
    private bool PumpOutput(Line line)
    {
        Span<byte> room = line.Payload;
        nint n;
        fixed (byte* p = room)
            n = Linux.read(_connection, p, (nuint)Math.Min((uint)room.Length, OutputWindow));
        if (n > 0)
        {
            OutputWindow -= (uint)n;
            line.SendBuffered(FrameType.Stdout, Number, (int)n);
            return true;
        }

        return n < 0 && Linux.Errno == Linux.EAGAIN;
    }
}
