using Uml.CI.Wire;

namespace Uml.CI.Agent.Init;

/// <summary>A command: its process, its descriptors and how they drain.</summary>
internal sealed unsafe class CommandStream : GuestStream
{
    private int _stdin = -1;
    private int _stdout = -1;
    private int _stderr = -1;
    private readonly int _pidfd;
    private readonly bool _terminal;
    private int _watchedStdout = -1;
    private int _watchedStderr = -1;
    private bool _ended;
    private bool _drained;
    private int _status;

    /// <summary>Starts the command.</summary>
    /// <exception cref="SetupException">It could not be started; the errno says why.</exception>
    public CommandStream(uint number, int spool, ExecMessage message)
        : base(number, spool)
    {
        _terminal = message.Terminal;
        CommandDescriptors descriptors = CommandDescriptors.Create(message);
        try
        {
            ProcessId = CommandLauncher.Start(message, descriptors);
        }
        catch (SetupException)
        {
            descriptors.CloseOurs();
            throw;
        }
        finally
        {
            descriptors.CloseTheirs();
        }

        (_stdin, _stdout, _stderr) = descriptors.Ours;
        _pidfd = Linux.OpenPidFd(ProcessId);
    }

    public int ProcessId { get; }

    public override int? StartedAs => ProcessId;

    public override bool HasWork => _ended && (_stdout < 0 || OutputWindow > 0) && (_stderr < 0 || ErrorWindow > 0);

    public void Ended(int status)
    {
        _ended = true;
        _status = status;
    }

    public void Signal(int signal)
    {
        // The command leads its own session and process group.
        if (!_ended)
            Linux.kill(-ProcessId, signal);
    }

    public void Resize(ResizeMessage size)
    {
        if (_terminal && _stdout >= 0)
            CommandDescriptors.SetSize(_stdout, size.Columns, size.Rows);
    }

    public override void Watch(RequestLoop loop)
    {
        if (!_ended)
            loop.Watch(_pidfd, Linux.POLLIN);
        if (_stdin >= 0 && HasInput)
            loop.Watch(_stdin, Linux.POLLOUT);
        _watchedStdout = _stdout >= 0 && OutputWindow > 0 ? loop.Watch(_stdout, Linux.POLLIN) : -1;
        _watchedStderr = _stderr >= 0 && ErrorWindow > 0 ? loop.Watch(_stderr, Linux.POLLIN) : -1;
        // Only a poll that began after the end was known, and looked at both, can say that everything has been read: room for more
        // output may come with what this poll finds, and what waits in the pipe then was not looked at.
        _drained = _ended && (_stdout < 0 || _watchedStdout >= 0) && (_stderr < 0 || _watchedStderr >= 0);
    }

    public override bool Pump(Line line, RequestLoop loop)
    {
        PumpInput(line);
        if (loop.IsReady(_watchedStdout))
            OutputWindow = PumpOutput(line, ref _stdout, FrameType.Stdout, OutputWindow);
        if (loop.IsReady(_watchedStderr))
            ErrorWindow = PumpOutput(line, ref _stderr, FrameType.Stderr, ErrorWindow);
        _watchedStdout = _watchedStderr = -1;

        // With both ends of file seen there is nothing more to come, whatever the poll looked at.
        if (!_ended || !(_drained || _stdout < 0 && _stderr < 0))
            return true;
        int signal = _status & 0x7f;
        SendExit(line, signal == 0 ? (uint)(_status >> 8 & 0xff) : 0, (uint)signal);
        return false;
    }

    public override void Close(List<int> abandoned)
    {
        if (_terminal)
            _stdin = -1; // The same descriptor as _stdout.
        if (_stdin >= 0)
            Linux.close(_stdin);
        foreach (int fd in (ReadOnlySpan<int>)[_stdout, _stderr])
        {
            if (fd < 0)
                continue;
            CommandDescriptors.SetNonBlocking(fd);
            abandoned.Add(fd);
        }

        Linux.close(_pidfd);
        base.Close(abandoned);
    }

    private void PumpInput(Line line)
    {
        while (true)
        {
            ReadOnlySpan<byte> bytes = PeekInput();
            if (bytes.IsEmpty)
                break;
            int taken = bytes.Length;
            if (_stdin >= 0)
            {
                nint n;
                fixed (byte* p = bytes)
                    n = Linux.write(_stdin, p, (nuint)bytes.Length);
                if (n < 0 && Linux.Errno == Linux.EAGAIN)
                    return;
                if (n < 0)
                    CloseInput(); // The command does not read any more: the rest is dropped, as a pipe would.
                else
                    taken = (int)n;
            }

            TakeInput(line, taken);
        }

        if (InputFinished && _stdin >= 0)
            CloseInput();
    }

    private void CloseInput()
    {
        if (_terminal)
        {
            // End of file on a terminal is a character (VEOF, Ctrl-D); the descriptor is also the output's.
            byte end = 4;
            Linux.write(_stdin, &end, 1);
        }
        else
        {
            Linux.close(_stdin);
        }

        _stdin = -1;
    }

    private uint PumpOutput(Line line, ref int descriptor, FrameType type, uint window)
    {
        Span<byte> room = line.Payload;
        nint n;
        fixed (byte* p = room)
            n = Linux.read(descriptor, p, (nuint)Math.Min((uint)room.Length, window));
        if (n > 0)
        {
            _drained = false;
            line.SendBuffered(type, Number, (int)n);
            return window - (uint)n;
        }

        if (n < 0 && Linux.Errno == Linux.EAGAIN)
            return window;

        // End of file, or EIO from a pseudo-terminal that nobody holds any more.
        if (_terminal)
            _stdin = -1;
        Linux.close(descriptor);
        descriptor = -1;
        return window;
    }
}
