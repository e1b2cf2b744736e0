using Uml.CI.Wire;

namespace Uml.CI.Agent.Init;

/// <summary>The guest's end of the console line: frames in and out, and the acknowledgements that keep the line alive.</summary>
internal sealed unsafe class Line
{
    private readonly FrameReader _reader;
    private readonly byte[] _frame = GC.AllocateUninitializedArray<byte>(Frame.HeaderSize + Frame.MaxPayload);
    private uint _sent;
    private uint _acknowledged;

    /// <summary>Opens the line.</summary>
    public Line(string device)
    {
        _reader = new FrameReader();
        Descriptor = Linux.Open(device, Linux.O_RDWR | Linux.O_NOCTTY);
        if (Descriptor < 0)
            throw new InvalidOperationException($"cannot open {device}: {Linux.Describe(Linux.Errno)}");

        // Raw: the line carries frames, not text. 64 bytes hold glibc's struct termios (60).
        byte* termios = stackalloc byte[64];
        Linux.tcgetattr(Descriptor, termios);
        Linux.cfmakeraw(termios);
        Linux.tcsetattr(Descriptor, 0, termios);
    }

    /// <summary>Goes on with a line that another process has used until now.</summary>
    public Line(LinePosition position)
    {
        Descriptor = position.Descriptor;
        _sent = position.Sent;
        _acknowledged = position.Acknowledged;
        _reader = new FrameReader(position.Expected, position.BytesTaken);
    }

    public int Descriptor { get; }

    /// <summary>Where the line stands, for the process that goes on with it.</summary>
    public LinePosition Position => new(Descriptor, _sent, _acknowledged, _reader.Sequence, _reader.BytesTaken);

    /// <summary>Where the payload of the next frame may be put before <see cref="SendBuffered"/>; saves a copy for bulk output.</summary>
    public Span<byte> Payload => _frame.AsSpan(Frame.HeaderSize);

    public void Send(FrameType type, uint stream, ReadOnlySpan<byte> payload)
    {
        payload.CopyTo(Payload);
        SendBuffered(type, stream, payload.Length);
    }

    public void SendBuffered(FrameType type, uint stream, int length)
    {
        Frame.WriteHeader(_frame, type, stream, _sent++, length);
        fixed (byte* frame = _frame)
        {
            // The host always drains the line, so a blocking write ends; the pty-free line loses nothing (line.c buffers and blocks).
            for (int offset = 0, size = Frame.HeaderSize + length; offset < size;)
            {
                nint n = Linux.write(Descriptor, frame + offset, (nuint)(size - offset));
                if (n < 0)
                    GuestInit.PowerOff();
                offset += (int)n;
            }
        }
    }

    /// <summary>Takes what has arrived off the line. False when the host has hung up.</summary>
    public bool Receive()
    {
        Span<byte> room = _reader.GetSpan();
        nint n;
        fixed (byte* p = room)
            n = Linux.read(Descriptor, p, (nuint)Math.Min(room.Length, 4096));
        if (n <= 0)
            return n < 0 && Linux.Errno == Linux.EAGAIN;

        _reader.Advance((int)n);
        if (_reader.BytesTaken - _acknowledged >= Protocol.AckEvery)
        {
            _acknowledged = _reader.BytesTaken;
            var writer = new MessageWriter();
            new AckMessage(_acknowledged).Encode(writer);
            Send(FrameType.Ack, 0, writer.Written);
        }

        return true;
    }

    public bool TryRead(out ReceivedFrame frame) => _reader.TryRead(out frame);
}
