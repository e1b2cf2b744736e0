using System.Buffers.Binary;
using System.Numerics;

namespace Uml.CI.Wire;

/// <summary>The layout of one frame. docs/protocol.md is the specification.</summary>
/// <remarks>
/// <code>
/// offset size
///  0     2    magic "UM"
///  2     1    type
///  3     1    header check: the exclusive or of the other 15 of bytes 0..15
///  4     4    stream (little endian; 0 = the connection itself)
///  8     4    sequence, from 0, one counter per direction, wraps
/// 12     4    payload length in bytes, at most <see cref="MaxPayload"/>
/// 16     4    CRC-32C of bytes 0..15 followed by the payload
/// 20     n    payload
/// </code>
/// </remarks>
public static class Frame
{
    /// <summary>Bytes before the payload.</summary>
    public const int HeaderSize = 20;

    /// <summary>The largest payload either side may send, in bytes.</summary>
    public const int MaxPayload = 64 * 1024;

    internal const byte Magic0 = (byte)'U';
    internal const byte Magic1 = (byte)'M';

    /// <summary>Writes a whole frame to <paramref name="destination"/> and returns its size in bytes.</summary>
    /// <exception cref="ArgumentException">The payload is over <see cref="MaxPayload"/> or does not fit.</exception>
    public static int Write(Span<byte> destination, FrameType type, uint stream, uint sequence, ReadOnlySpan<byte> payload)
    {
        if (payload.Length > MaxPayload)
            throw new ArgumentException($"a payload of {payload.Length} bytes is over the limit of {MaxPayload}", nameof(payload));

        payload.CopyTo(destination[HeaderSize..]);
        WriteHeader(destination, type, stream, sequence, payload.Length);
        return HeaderSize + payload.Length;
    }

    /// <summary>Writes the header of a frame whose payload already stands behind it in <paramref name="frame"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The payload is over <see cref="MaxPayload"/>.</exception>
    public static void WriteHeader(Span<byte> frame, FrameType type, uint stream, uint sequence, int payloadLength)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(payloadLength, MaxPayload);
        frame[0] = Magic0;
        frame[1] = Magic1;
        frame[2] = (byte)type;
        frame[3] = 0;
        BinaryPrimitives.WriteUInt32LittleEndian(frame[4..], stream);
        BinaryPrimitives.WriteUInt32LittleEndian(frame[8..], sequence);
        BinaryPrimitives.WriteUInt32LittleEndian(frame[12..], (uint)payloadLength);
        frame[3] = HeaderCheck(frame);
        BinaryPrimitives.WriteUInt32LittleEndian(frame[16..], Checksum(frame[..16], frame.Slice(HeaderSize, payloadLength)));
    }

    internal static byte HeaderCheck(ReadOnlySpan<byte> header)
    {
        ulong folded = BinaryPrimitives.ReadUInt64LittleEndian(header) ^ BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        folded ^= folded >> 32;
        folded ^= folded >> 16;
        folded ^= folded >> 8;
        return (byte)((byte)folded ^ header[3]);
    }

    internal static uint Checksum(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload) =>
        ~Crc32C(Crc32C(uint.MaxValue, header), payload);

    internal static uint Crc32C(ReadOnlySpan<byte> data) => ~Crc32C(uint.MaxValue, data);

    // Castagnoli, because x86-64 has an instruction for it: 200 MB of output cost 30 ms, not 600.
    private static uint Crc32C(uint crc, ReadOnlySpan<byte> data)
    {
        while (data.Length >= sizeof(ulong))
        {
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
            data = data[sizeof(ulong)..];
        }

        foreach (byte b in data)
            crc = BitOperations.Crc32C(crc, b);
        return crc;
    }
}

/// <summary>What a frame carries. 1-63 travel towards the guest, 64-127 towards the host, 128-191 between a host program and its supervisor.</summary>
public enum FrameType : byte
{
    /// <summary>Not a frame.</summary>
    None = 0,

    /// <summary>Host: <see cref="SetupMessage"/>, the first frame after the guest's hello.</summary>
    Setup = 1,

    /// <summary>Host: <see cref="ExecMessage"/>; opens the stream it names.</summary>
    Exec = 2,

    /// <summary>Host: bytes for the stream's standard input.</summary>
    Stdin = 3,

    /// <summary>Host: <see cref="SpoolMessage"/>, bytes for standard input that wait in a file of the spool share.</summary>
    StdinSpool = 4,

    /// <summary>Host: standard input ends here. Empty payload.</summary>
    StdinEnd = 5,

    /// <summary>Host: <see cref="WindowMessage"/>, output bytes the host is ready to take on this stream.</summary>
    OutputWindow = 6,

    /// <summary>Host: <see cref="SignalMessage"/>, for the stream's process group.</summary>
    Signal = 7,

    /// <summary>Host: <see cref="ResizeMessage"/>, the new size of the stream's pseudo-terminal.</summary>
    Resize = 8,

    /// <summary>Host: power off. Empty payload. No answer; the kernel exits.</summary>
    Shutdown = 9,

    /// <summary>Host: <see cref="InspectMessage"/>, asks what the guest's processes are doing.</summary>
    Inspect = 10,

    /// <summary>Host: <see cref="CopyMessage"/>, opens a stream whose standard input is a file tree to create.</summary>
    CopyIn = 11,

    /// <summary>Host: <see cref="CopyMessage"/>, opens a stream whose standard output is a file tree.</summary>
    CopyOut = 12,

    /// <summary>Host: <see cref="SpoolMessage"/>; the file holds an <see cref="ExecMessage"/> too long for the line. Opens the stream.</summary>
    ExecSpool = 13,

    /// <summary>Host: <see cref="ListenMessage"/>, opens a stream for one connection to a unix socket in the guest.</summary>
    Listen = 14,

    /// <summary>Host: <see cref="AwaitMessage"/>, opens a stream that ends when it has come true.</summary>
    Await = 15,

    /// <summary>Guest: <see cref="HelloMessage"/>, the first frame of a connection.</summary>
    Hello = 64,

    /// <summary>Guest: the set-up is done. <see cref="ReadyMessage"/>.</summary>
    Ready = 65,

    /// <summary>Guest: <see cref="FailedMessage"/>. On stream 0 the set-up failed; else the stream could not be opened, and is closed.</summary>
    Failed = 66,

    /// <summary>Guest: <see cref="AckMessage"/>, how many bytes the guest has taken off the line so far.</summary>
    Ack = 67,

    /// <summary>Guest: <see cref="StartedMessage"/>, the stream's process runs, or its socket listens.</summary>
    Started = 68,

    /// <summary>Guest: bytes of standard output.</summary>
    Stdout = 69,

    /// <summary>Guest: bytes of standard error.</summary>
    Stderr = 70,

    /// <summary>Guest: <see cref="ExitedMessage"/>; everything the process wrote has been sent. Closes the stream.</summary>
    Exited = 71,

    /// <summary>Guest: <see cref="WindowMessage"/>, input bytes the guest is ready to take on this stream.</summary>
    InputWindow = 72,

    /// <summary>Guest: <see cref="TextMessage"/>, the answer to <see cref="Inspect"/>.</summary>
    Inspected = 73,

    /// <summary>Guest: <see cref="TextMessage"/>, the host broke the protocol; the guest powers off.</summary>
    ProtocolError = 74,

    /// <summary>Guest: somebody has connected to the stream's socket. Empty payload.</summary>
    Connected = 75,

    /// <summary>To the supervisor: <see cref="StartGuestMessage"/>, once.</summary>
    StartGuest = 128,

    /// <summary>To the supervisor: <see cref="MconsoleMessage"/>.</summary>
    Mconsole = 129,

    /// <summary>To the supervisor: <see cref="StopGuestMessage"/>, end the guest.</summary>
    StopGuest = 130,

    /// <summary>
    /// To the supervisor: the files that <see cref="GuestStartedMessage"/> named are open. Empty payload. Until then the
    /// guest's directory stays, even when the guest has ended already.
    /// </summary>
    GuestOpened = 131,

    /// <summary>To the supervisor: <see cref="HoldTimeMessage"/>, for a guest on virtual time.</summary>
    HoldTime = 132,

    /// <summary>From the supervisor: <see cref="GuestStartedMessage"/>.</summary>
    GuestStarted = 160,

    /// <summary>From the supervisor: <see cref="FailedMessage"/>, the guest could not be started.</summary>
    GuestFailed = 161,

    /// <summary>From the supervisor: <see cref="MconsoleReplyMessage"/>.</summary>
    MconsoleReply = 162,

    /// <summary>From the supervisor: <see cref="GuestExitedMessage"/>, the kernel's main process has ended.</summary>
    GuestExited = 163,

    /// <summary>From the supervisor: every process of the guest is reaped and its directory removed. Empty payload; then the connection closes.</summary>
    GuestGone = 164,
}
