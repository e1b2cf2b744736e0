using System.Buffers.Binary;
using static Uml.CI.Agent.Supervise.Native;

namespace Uml.CI.Agent.Supervise;

/// <summary>
/// The clock of a guest on virtual time (arch/um/kernel/time.c, time-travel=ext:). Computing takes no time. A guest with nothing to
/// do says until when, and stands still until it is told to run: here at once, as if that time had passed; or, while nobody waits
/// for anything in the guest, not at all, so that its clock does not run away.
/// </summary>
internal sealed unsafe class Calendar
{
    /// <summary>The socket the kernel connects to; relative, as the guest's directory is the current one.</summary>
    public const string SocketName = "clock";

    // include/uapi/linux/um_timetravel.h: an operation, a number that the answer repeats, nanoseconds.
    private const int MessageSize = 16;

    private enum Operation : uint
    {
        Acknowledge = 0,
        Start = 1,
        Request = 2,
        Wait = 3,
        Get = 4,
        Update = 5,
        Run = 6,
        GetTimeOfDay = 8,
    }

    private readonly byte[] _input = new byte[MessageSize];
    private int _inputLength;
    private int _listener = -1;
    private int _guest = -1;
    private uint _sequence;
    private ulong _now;
    private ulong _request;
    private bool _requested;
    private bool _waiting;
    private bool _held;

    /// <summary>What to poll for input, or -1.</summary>
    public int Socket => _guest >= 0 ? _guest : _listener;

    /// <summary>Makes the socket in the current directory. False with <see cref="Error"/> when that cannot be done.</summary>
    public bool Listen()
    {
        _listener = Native.Socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        byte* address = stackalloc byte[AddressSize];
        uint length = Address(address, SocketName);
        return _listener >= 0 && Bind(_listener, address, length) == 0 && Native.Listen(_listener, 1) == 0;
    }

    /// <summary>Lets the guest's time pass, or not.</summary>
    public void Hold(bool held)
    {
        _held = held;
        RunIfDue();
    }

    /// <summary>Takes what has arrived.</summary>
    public void Advance()
    {
        if (_guest < 0)
        {
            if (_listener < 0 || (_guest = Accept(_listener, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK)) < 0)
                return;
            Close(_listener);
            _listener = -1;
        }

        while (true)
        {
            nint n;
            fixed (byte* p = &_input[_inputLength])
                n = Receive(_guest, p, (nuint)(MessageSize - _inputLength), MSG_DONTWAIT);
            if (n == 0 || (n < 0 && Error is not (EAGAIN or EINTR)))
            {
                // The kernel is gone, which is learned elsewhere.
                Close(_guest);
                _guest = -1;
                return;
            }

            if (n < 0)
                return;
            _inputLength += (int)n;
            if (_inputLength < MessageSize)
                continue;
            _inputLength = 0;
            Take((Operation)BinaryPrimitives.ReadUInt32LittleEndian(_input), BinaryPrimitives.ReadUInt32LittleEndian(_input.AsSpan(4)), BinaryPrimitives.ReadUInt64LittleEndian(_input.AsSpan(8)));
        }
    }

    private void Take(Operation operation, uint sequence, ulong time)
    {
        switch (operation)
        {
            case Operation.Acknowledge:
                return;
            case Operation.Start:
                AcknowledgeStart(sequence);
                return;
            case Operation.Request:
                _request = time;
                _requested = true;
                break;
            case Operation.Wait:
                _waiting = true;
                break;
            case Operation.Get:
                time = _now;
                break;
            case Operation.Update:
                _now = Math.Max(_now, time);
                break;
            case Operation.GetTimeOfDay:
                time = (ulong)(DateTime.UtcNow - DateTime.UnixEpoch).Ticks * 100;
                break;
            default:
                break;
        }

        Send(Operation.Acknowledge, sequence, time);
        RunIfDue();
    }

    // The kernel insists on exactly the time it asked for (time_travel_update_time, BUG_ON).
    private void RunIfDue()
    {
        if (!_waiting || !_requested || _held || _guest < 0)
            return;
        _waiting = _requested = false;
        _now = _request;
        Send(Operation.Run, ++_sequence, _now);
    }

    private void Send(Operation operation, uint sequence, ulong time)
    {
        byte* message = stackalloc byte[MessageSize];
        Write(message, operation, sequence, time);
        // Sixteen bytes to a peer that waits for them: there is room.
        Native.Send(_guest, message, MessageSize, MSG_DONTWAIT | MSG_NOSIGNAL);
    }

    private static void Write(byte* message, Operation operation, uint sequence, ulong time)
    {
        var bytes = new Span<byte>(message, MessageSize);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)operation);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[4..], sequence);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[8..], time);
    }

    // Newer kernels look for two descriptors with this answer, use what is in their place when there are none, and close it
    // (time_travel_handle_message, TTMH_READ_START_ACK). They get an empty memory file, which says "no shared memory", and /dev/null.
    private void AcknowledgeStart(uint sequence)
    {
        const int memorySize = 4096, controlSize = 24;
        int memory = CreateMemoryFile("uml-clock\0"u8);
        int log = Open("/dev/null", O_RDWR);
        byte* message = stackalloc byte[MessageSize];
        Write(message, Operation.Acknowledge, sequence, 0);
        var part = new IoVector { Base = message, Length = MessageSize };
        byte* control = stackalloc byte[controlSize];
        var header = new MessageHeader { Vectors = &part, VectorCount = 1, Control = control, ControlLength = controlSize };
        *(nuint*)control = controlSize;
        ((int*)control)[2] = SOL_SOCKET;
        ((int*)control)[3] = SCM_RIGHTS;
        ((int*)control)[4] = memory;
        ((int*)control)[5] = log;
        if (memory < 0 || log < 0 || Truncate(memory, memorySize) != 0 || SendMessage(_guest, &header, MSG_NOSIGNAL) != MessageSize)
            Complain($"cannot answer the guest's clock: {ErrorText(Error)}");
        if (memory >= 0)
            Close(memory);
        if (log >= 0)
            Close(log);
    }
}
