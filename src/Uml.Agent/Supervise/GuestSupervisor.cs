using System.Globalization;
using System.Text;
using Uml.CI.Wire;
using static Uml.CI.Agent.Supervise.Native;

namespace Uml.CI.Agent.Supervise;

/// <summary>The inner process: the kernel's parent, and the one that talks to the host library.</summary>
internal sealed unsafe class GuestSupervisor
{
    // Whoever does not read its answers does not get to fill our memory either.
    private const int LongestOutput = 4 * 1024 * 1024;

    private readonly FrameReader _reader = new();
    private byte[] _output = new byte[4096];
    private int _outputLength;
    private uint _sequence;
    private bool _controlClosed;
    private bool _opened;

    private string? _directory;
    private int _directoryLock = -1;
    private string? _controlGroup;
    private int _kernel;
    private Mconsole? _mconsole;
    private Calendar? _calendar;
    private bool _started;
    private bool _stopping;
    private bool _ended;
    private bool _killed;
    private long _killAt = long.MaxValue;
    private SupervisorTimes _times;

    public static int Run()
    {
        ulong running = Now();
        for (int descriptor = Supervisor.ControlSocket; descriptor <= Supervisor.LifeLineOwn; descriptor++)
            Fcntl(descriptor, F_SETFD, FD_CLOEXEC);
        return new GuestSupervisor { _times = new SupervisorTimes { Running = running } }.Supervise();
    }

    private int Supervise()
    {
        if (WaitForStart() is not { } options)
            return 0;

        if (Start(options) is { } failure)
        {
            // The directory goes first: whoever reads the failure finds nothing left.
            End();
            Send(FrameType.GuestFailed, 0, failure.Encode);
            Flush(wait: true);
            return 0;
        }

        Serve();

        string? survivor = End();
        if (survivor is not null)
        {
            Complain(survivor);
            Send(FrameType.GuestFailed, 0, new FailedMessage(0, survivor).Encode);
            Flush(wait: true);
            return 1;
        }

        Send(FrameType.GuestGone, 0, static _ => { });
        Flush(wait: true);
        return 0;
    }

    private StartGuestMessage? WaitForStart()
    {
        PollFd* polled = stackalloc PollFd[2];
        while (true)
        {
            polled[0] = new PollFd { Descriptor = Supervisor.ControlSocket, Events = POLLIN };
            polled[1] = new PollFd { Descriptor = Supervisor.Link, Events = POLLIN };
            Poll(polled, 2, -1);
            if (polled[1].Returned != 0)
                return null;
            if (polled[0].Returned == 0)
                continue;
            ReadControl();
            try
            {
                if (_reader.TryRead(out ReceivedFrame frame))
                {
                    if (frame.Type == FrameType.StartGuest)
                        return StartGuestMessage.Decode(frame.Payload.Span);
                    throw new WireException($"the first frame is {frame.Type}, not {FrameType.StartGuest}");
                }
            }
            catch (WireException e)
            {
                Complain(e.Message);
                Send(FrameType.GuestFailed, 0, new FailedMessage(0, e.Message).Encode);
                Flush(wait: true);
                return null;
            }

            if (_controlClosed)
                return null;
        }
    }

    private FailedMessage? Start(StartGuestMessage options)
    {
        _times = _times with { Asked = Now() };
        if (Check(options) is { } wrong)
            return new FailedMessage(EINVAL, wrong);

        string directory = $"{options.BaseDirectory.TrimEnd('/')}/{options.Name}";
        Record(Sentinel.DirectoryRecord, directory);
        _directoryLock = GuestDirectory.Create(directory, out string error, out int errno);
        if (_directoryLock < 0)
            return new FailedMessage((uint)errno, error);
        _directory = directory;
        if (!GuestDirectory.Mark(_directoryLock))
            return Failure($"cannot write in the guest's directory {directory}", Error);

        if (StatFileSystem(directory, out FileSystemStatus space))
        {
            if (space.IsNoExec)
                return new FailedMessage(EACCES, $"{options.BaseDirectory} is mounted noexec, and the guest's memory must be executable: choose another directory");
            const long least = 1024 * 1024;
            if (space.BlocksAvailable * space.BlockSize < least)
                return new FailedMessage(ENOSPC, $"{options.BaseDirectory} is full, and the guest's memory lives there: make room or choose another directory");
        }

        foreach (string part in (ReadOnlySpan<string>)[KernelProcess.WritableDirectory, KernelProcess.SocketDirectory, KernelProcess.MemoryDirectory, KernelProcess.SpoolDirectory])
        {
            if (MakeDirectoryAt(_directoryLock, Terminated(part[1..]), 0x1c0) != 0)
                return Failure($"cannot create {directory}{part}", Error);
        }

        string logPath = $"{directory}/kernel.log";
        int log = OpenAt(_directoryLock, "kernel.log\0"u8, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0x180);
        if (log < 0)
            return Failure($"cannot create {logPath}", Error);
        if (ChangeDirectory(_directoryLock) != 0)
            return Failure($"cannot change to {directory}", Error);

        if (options.Initramfs.Length > 0 && Symlink(options.Initramfs, KernelProcess.InitramfsLink) != 0)
            return Failure($"cannot link {options.Initramfs} into {directory}", Error);

        for (int disk = 0; disk < options.Disks.Count; disk++)
        {
            if (Symlink(options.Disks[disk], KernelProcess.DiskLink(disk)) != 0)
                return Failure($"cannot link {options.Disks[disk]} into {directory}", Error);
        }

        if (options.VirtualTime)
        {
            _calendar = new Calendar();
            if (!_calendar.Listen())
                return Failure($"cannot make the socket {directory}/{Calendar.SocketName}", Error);
        }

        _controlGroup = ControlGroup.TryCreate(options.Name);
        if (_controlGroup is not null)
            Record(Sentinel.ControlGroupRecord, _controlGroup);

        int processor = options.OneProcessor ? Processor.Choose(options.BaseDirectory, _directoryLock) : -1;
        KernelStart start = KernelProcess.Start(options, directory, log, _controlGroup, processor);
        Close(log);
        Close(Supervisor.ConsoleLine);
        Close(Supervisor.LifeLine);
        _kernel = Math.Max(0, start.ProcessId);
        if (start.Failure is not null)
            return new FailedMessage((uint)start.Error, start.Failure);

        _times = _times with { Forked = start.Forked, Executed = Now() };
        _started = true;
        Record(Sentinel.ProcessRecord, _kernel.ToString(CultureInfo.InvariantCulture));
        _mconsole = new Mconsole(KernelProcess.MachineName(options.Name), (stream, reply) => Send(FrameType.MconsoleReply, stream, reply.Encode));
        Send(FrameType.GuestStarted, 0, new GuestStartedMessage((uint)_kernel, directory, logPath, directory + KernelProcess.SpoolDirectory, start.Confinement, _times).Encode);
        Flush(wait: false);
        Record(Sentinel.StartedRecord, "");
        return null;
    }

    private static string? Check(StartGuestMessage options)
    {
        if (options.BaseDirectory is not ['/', ..])
            return $"the base directory \"{options.BaseDirectory}\" is not an absolute path";
        if (options.Kernel is not ['/', ..])
            return $"the kernel \"{options.Kernel}\" is not an absolute path";
        if (options.Name.Length == 0 || options.Name[0] == '.' || options.Name.Length > 200)
            return $"\"{options.Name}\" is no name for a guest's directory";
        foreach (char c in options.Name)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.'))
                return $"\"{options.Name}\" is no name for a guest's directory: only letters, digits, '-', '_' and '.' may be in it";
        }

        return null;
    }

    /// <summary>Serves until the kernel has ended, or is to be ended now.</summary>
    private void Serve()
    {
        // Before Linux 5.3 there is no descriptor to wait for a process with; then a look now and then must do.
        const int tickMilliseconds = 5;
        int pidfd = (int)Syscall(SYS_pidfd_open, _kernel, 0, 0, 0, 0, 0);
        if (pidfd >= 0)
            Fcntl(pidfd, F_SETFD, FD_CLOEXEC);

        const int control = 0, link = 1, kernel = 2, console = 3, clock = 4, count = 5;
        PollFd* polled = stackalloc PollFd[count];

        // Not at once: most guests end soon, and want all of it again then.
        const int idleMilliseconds = 100;
        bool idled = false;
        while (true)
        {
            long next = Math.Min(_killAt, _mconsole!.NextDeadline);
            long left = next == long.MaxValue ? -1 : Math.Clamp(next - Environment.TickCount64, 0, int.MaxValue);
            if (pidfd < 0)
                left = left < 0 ? tickMilliseconds : Math.Min(left, tickMilliseconds);
            else if (left < 0 && !idled)
                left = idleMilliseconds;

            polled[control] = new PollFd { Descriptor = Supervisor.ControlSocket, Events = (short)(POLLIN | (_outputLength > 0 ? POLLOUT : 0)) };
            polled[link] = new PollFd { Descriptor = Supervisor.Link, Events = POLLIN };
            polled[kernel] = new PollFd { Descriptor = pidfd, Events = POLLIN };
            polled[console] = new PollFd { Descriptor = _mconsole.NextDeadline == long.MaxValue ? -1 : _mconsole.Socket, Events = POLLIN };
            polled[clock] = new PollFd { Descriptor = _calendar?.Socket ?? -1, Events = POLLIN };
            if (Poll(polled, count, (int)left) == 0 && left == idleMilliseconds)
            {
                idled = true;
                OwnText.GiveBack();
            }

            // Seen but not reaped: its number, which is also its group's, must stay its own until the group is killed.
            ProcessTree.IsOurs(_kernel, out bool runs);
            if (!runs)
                return;

            if (polled[link].Returned != 0)
            {
                Complain("the outer supervising process was killed; ending its guest");
                _killed = true;
                return;
            }

            if ((polled[control].Returned & POLLOUT) != 0)
                Flush(wait: false);
            if ((polled[control].Returned & ~POLLOUT) != 0)
            {
                ReadControl();
                TakeFrames();
            }

            if (polled[clock].Returned != 0)
                _calendar!.Advance();
            _mconsole.Advance();
            if (_controlClosed || Environment.TickCount64 >= _killAt)
            {
                _killed = true;
                return;
            }
        }
    }

    private void TakeFrames()
    {
        try
        {
            while (_reader.TryRead(out ReceivedFrame frame))
            {
                switch (frame.Type)
                {
                    case FrameType.Mconsole:
                        var request = MconsoleMessage.Decode(frame.Payload.Span);
                        if (_stopping || _ended)
                            Send(FrameType.MconsoleReply, frame.Stream, new MconsoleReplyMessage(2, _ended ? "the guest has ended" : "the guest is being stopped").Encode);
                        else
                            _mconsole!.Add(frame.Stream, request.Command, request.TimeoutMilliseconds);
                        break;
                    case FrameType.StopGuest:
                        Stop(StopGuestMessage.Decode(frame.Payload.Span));
                        break;
                    case FrameType.HoldTime:
                        _calendar?.Hold(HoldTimeMessage.Decode(frame.Payload.Span).Held);
                        break;
                    case FrameType.GuestOpened:
                        _opened = true;
                        break;
                    default:
                        throw new WireException($"frame {frame.Type} has no meaning for a supervisor that has started its guest");
                }
            }
        }
        catch (WireException e)
        {
            Complain(e.Message);
            _controlClosed = true;
        }
    }

    private void Stop(StopGuestMessage stop)
    {
        _stopping = true;
        _killAt = Math.Min(_killAt, Environment.TickCount64 + stop.GraceMilliseconds);
        if (!stop.Halt || stop.GraceMilliseconds == 0)
            return;
        _mconsole!.Abandon("the guest is being stopped");
        _mconsole.Add(null, "halt", stop.GraceMilliseconds);
    }

    /// <summary>Ends whatever is left of the guest and removes its directory.</summary>
    private string? End()
    {
        string? survivor = null;
        if (_kernel > 0)
        {
            _ended = true;
            _mconsole?.Abandon("the guest has ended");
            survivor = ProcessTree.End(_kernel, _controlGroup, _started ? ReportExit : null);
            if (_started)
                AwaitOpened();
        }

        if (_controlGroup is not null)
            ControlGroup.Remove(_controlGroup);
        if (_directory is not null)
            GuestDirectory.Remove(_directory, _directoryLock);
        return survivor;
    }

    // A kernel may give up within a millisecond; its log says why, and the host library has just been told where it is.
    private void AwaitOpened()
    {
        const int patienceMilliseconds = 5000;
        long deadline = Environment.TickCount64 + patienceMilliseconds;
        PollFd* polled = stackalloc PollFd[2];
        while (!_opened && !_controlClosed && !_stopping && Environment.TickCount64 < deadline)
        {
            polled[0] = new PollFd { Descriptor = Supervisor.ControlSocket, Events = POLLIN };
            polled[1] = new PollFd { Descriptor = Supervisor.Link, Events = POLLIN };
            Poll(polled, 2, (int)Math.Max(0, deadline - Environment.TickCount64));
            if (polled[1].Returned != 0)
                return;
            if (polled[0].Returned == 0)
                continue;
            ReadControl();
            TakeFrames();
        }
    }

    private void ReportExit(int status)
    {
        uint signal = (uint)status & 0x7f;
        uint code = signal == 0 ? (uint)status >> 8 & 0xff : 0;
        Send(FrameType.GuestExited, 0, new GuestExitedMessage(code, signal, _killed).Encode);
        Flush(wait: false);
    }

    private void ReadControl()
    {
        Span<byte> room = _reader.GetSpan();
        nint n;
        fixed (byte* p = room)
            n = Receive(Supervisor.ControlSocket, p, (nuint)room.Length, MSG_DONTWAIT);
        if (n > 0)
            _reader.Advance((int)n);
        else if (n == 0 || Error is not (EAGAIN or EINTR))
            _controlClosed = true;
    }

    private void Send(FrameType type, uint stream, Action<MessageWriter> encode)
    {
        var writer = new MessageWriter();
        encode(writer);
        ReadOnlySpan<byte> payload = writer.Written;
        if (_outputLength + Frame.HeaderSize + payload.Length > LongestOutput)
        {
            _controlClosed = true;
            return;
        }

        if (_output.Length - _outputLength < Frame.HeaderSize + payload.Length)
            Array.Resize(ref _output, Math.Max(_output.Length * 2, _outputLength + Frame.HeaderSize + payload.Length));
        _outputLength += Frame.Write(_output.AsSpan(_outputLength), type, stream, _sequence++, payload);
    }

    private void Flush(bool wait)
    {
        // The last words wait for a reader that is slow, not for one that is stuck.
        const int patienceMilliseconds = 5000;
        int done = 0;
        while (done < _outputLength)
        {
            nint n;
            fixed (byte* p = &_output[done])
                n = Native.Send(Supervisor.ControlSocket, p, (nuint)(_outputLength - done), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n >= 0)
            {
                done += (int)n;
            }
            else if (Error == EAGAIN && wait)
            {
                var polled = new PollFd { Descriptor = Supervisor.ControlSocket, Events = POLLOUT };
                if (Poll(&polled, 1, patienceMilliseconds) == 0)
                    break;
            }
            else if (Error == EAGAIN)
            {
                break;
            }
            else if (Error != EINTR)
            {
                done = _outputLength;
                _controlClosed = true;
            }
        }

        _output.AsSpan(done, _outputLength - done).CopyTo(_output);
        _outputLength -= done;
    }

    private static void Record(byte type, string text)
    {
        byte[] record = [type, .. Encoding.UTF8.GetBytes(text)];
        fixed (byte* p = record)
            Native.Send(Supervisor.Link, p, (nuint)record.Length, MSG_NOSIGNAL | MSG_DONTWAIT);
    }

    // Nanoseconds of CLOCK_MONOTONIC, as the host library's stopwatch counts them.
    private static ulong Now() => (ulong)System.Diagnostics.Stopwatch.GetTimestamp();

    private static FailedMessage Failure(string what, int error) => new((uint)error, $"{what}: {ErrorText(error)}");
}
