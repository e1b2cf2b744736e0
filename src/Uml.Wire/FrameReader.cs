using System.Buffers.Binary;

namespace Uml.CI.Wire;

/// <summary>Turns a byte stream into frames, and refuses anything that is not one.</summary>
/// <remarks>The line is a kernel's serial port: what arrives damaged stays damaged, so every error is final.</remarks>
public sealed class FrameReader
{
    // Most of it is never used, so it is not cleared either: memory that nobody touches costs nothing.
    private byte[] _buffer = GC.AllocateUninitializedArray<byte>(Frame.HeaderSize + Frame.MaxPayload);
    private int _start;
    private int _end;
    private uint _sequence;

    /// <summary>Reads a line from its first byte.</summary>
    public FrameReader()
    {
    }

    /// <summary>Goes on where another reader has taken whole frames and no byte more.</summary>
    /// <param name="sequence">The number of the frame that is due.</param>
    /// <param name="bytesTaken">The other reader's <see cref="BytesTaken"/>.</param>
    public FrameReader(uint sequence, uint bytesTaken)
    {
        _sequence = sequence;
        BytesTaken = bytesTaken;
    }

    /// <summary>The number of the frame that is due.</summary>
    public uint Sequence => _sequence;

    /// <summary>All bytes ever handed to <see cref="Advance"/>, modulo 2^32.</summary>
    public uint BytesTaken { get; private set; }

    /// <summary>Bytes received that do not make a whole frame yet. At the end of a stream anything but 0 is a truncated frame.</summary>
    public int Pending => _end - _start;

    /// <summary>Room for at least one byte; call <see cref="Advance"/> with how many were put there.</summary>
    public Memory<byte> GetMemory()
    {
        Compact();
        return _buffer.AsMemory(_end);
    }

    /// <inheritdoc cref="GetMemory"/>
    public Span<byte> GetSpan()
    {
        Compact();
        return _buffer.AsSpan(_end);
    }

    /// <summary>Says that <paramref name="count"/> bytes were put where <see cref="GetMemory"/> pointed.</summary>
    public void Advance(int count)
    {
        _end += count;
        BytesTaken += (uint)count;
    }

    /// <summary>Takes the next whole frame, if there is one.</summary>
    /// <param name="frame">The frame; its payload is valid until the next call of <see cref="GetMemory"/>.</param>
    /// <exception cref="WireException">The bytes are not a frame, or not the frame that is due.</exception>
    public bool TryRead(out ReceivedFrame frame)
    {
        frame = default;
        ReadOnlySpan<byte> available = _buffer.AsSpan(_start, _end - _start);
        if (available.Length >= 1 && available[0] != Frame.Magic0 || available.Length >= 2 && available[1] != Frame.Magic1)
            throw new WireException($"no frame starts here: {Printable(available)}");
        if (available.Length < Frame.HeaderSize)
            return false;

        // Before the length is believed: a damaged one would have us wait for bytes that nobody sends.
        byte check = Frame.HeaderCheck(available);
        if (available[3] != check)
            throw new WireException($"a frame header arrived damaged (check byte {available[3]:x2}, should be {check:x2})");

        uint length = BinaryPrimitives.ReadUInt32LittleEndian(available[12..]);
        if (length > Frame.MaxPayload)
            throw new WireException($"a frame announces {length} bytes, over the limit of {Frame.MaxPayload}");
        if (available.Length < Frame.HeaderSize + (int)length)
            return false;

        uint expected = Frame.Checksum(available[..16], available.Slice(Frame.HeaderSize, (int)length));
        uint actual = BinaryPrimitives.ReadUInt32LittleEndian(available[16..]);
        if (expected != actual)
            throw new WireException($"a frame of {length} bytes arrived damaged (checksum {actual:x8}, should be {expected:x8})");

        uint sequence = BinaryPrimitives.ReadUInt32LittleEndian(available[8..]);
        if (sequence != _sequence)
            throw new WireException($"frame {sequence} arrived where frame {_sequence} was due: a frame is missing, doubled or out of order");

        _sequence++;
        frame = new ReceivedFrame(
            (FrameType)available[2],
            BinaryPrimitives.ReadUInt32LittleEndian(available[4..]),
            _buffer.AsMemory(_start + Frame.HeaderSize, (int)length));
        _start += Frame.HeaderSize + (int)length;
        return true;
    }

    private void Compact()
    {
        if (_start == 0)
            return;
        if (_start < _end)
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
        _end -= _start;
        _start = 0;
    }

    private static string Printable(ReadOnlySpan<byte> bytes)
    {
        var text = new System.Text.StringBuilder("\"");
        foreach (byte b in bytes[..Math.Min(bytes.Length, 60)])
            text.Append(b is >= 0x20 and < 0x7f ? (char)b : '.');
        return text.Append('"').ToString();
    }
}

/// <summary>One frame as it arrived.</summary>
/// <param name="Type">What it carries; may be a value this version does not know.</param>
/// <param name="Stream">The stream it belongs to; 0 is the connection.</param>
/// <param name="Payload">Its payload, valid until the reader is asked for memory again.</param>
public readonly record struct ReceivedFrame(FrameType Type, uint Stream, ReadOnlyMemory<byte> Payload);

/// <summary>The other side sent something that the protocol does not allow. The connection is unusable.</summary>
public sealed class WireException : Exception
{
    /// <summary>Creates the exception with a text that says what arrived and what was due.</summary>
    public WireException(string message)
        : base(message)
    {
    }
}
