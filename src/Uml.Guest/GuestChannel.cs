using System.Net.Sockets;
using Uml.CI.Wire;

namespace Uml.CI;

/// <summary>Frames over the console line, with the window that keeps the line alive.</summary>
internal sealed class GuestChannel : IDisposable
{
    private readonly Socket _console;
    private readonly Lock _lock = new();
    private readonly Queue<byte[]> _queue = new();
    private int _queueOffset;
    private uint _sequence;
    private uint _sent;
    private uint _acknowledged;
    private bool _closed;

    public GuestChannel(Socket console) => _console = console;

    /// <summary>Called after a frame was given to <see cref="Send(FrameType, uint, ReadOnlySpan{byte})"/>.</summary>
    public Action? Sent { get; set; }

    /// <summary>Queues a frame; it leaves when the guest has taken enough of what was sent before.</summary>
    public void Send(FrameType type, uint stream, ReadOnlySpan<byte> payload)
    {
        byte[] frame = new byte[Frame.HeaderSize + payload.Length];
        lock (_lock)
        {
            if (_closed)
                return;
            Frame.Write(frame, type, stream, _sequence++, payload);
            _queue.Enqueue(frame);
            Flush();
        }

        Sent?.Invoke();
    }

    public void Send(FrameType type, uint stream, Action<MessageWriter> encode)
    {
        var writer = new MessageWriter();
        encode(writer);
        Send(type, stream, writer.Written);
    }

    /// <summary>Hands every frame that arrives to <paramref name="handle"/>, until the line ends.</summary>
    /// <exception cref="WireException">What arrived is no frame.</exception>
    public async Task ReceiveAsync(Action<ReceivedFrame> handle)
    {
        var reader = new FrameReader();
        try
        {
            while (await _console.ReceiveAsync(reader.GetMemory()) is > 0 and var n)
            {
                reader.Advance(n);
                while (reader.TryRead(out ReceivedFrame frame))
                {
                    if (frame.Type == FrameType.Ack)
                        Acknowledge(AckMessage.Decode(frame.Payload.Span).Total);
                    else
                        handle(frame);
                }
            }
        }
        catch (SocketException)
        {
            // The other end is gone, as at an end of file.
        }
        catch (ObjectDisposedException)
        {
        }
        finally
        {
            lock (_lock)
                _closed = true;
        }
    }

    public void Dispose()
    {
        lock (_lock)
            _closed = true;
        _console.Dispose();
    }

    private void Acknowledge(uint total)
    {
        lock (_lock)
        {
            if (unchecked(total - _acknowledged) > unchecked(_sent - _acknowledged))
                throw new WireException($"the guest acknowledges {total} bytes, of {_sent} sent");
            _acknowledged = total;
            Flush();
        }
    }

    private void Flush()
    {
        while (_queue.TryPeek(out byte[]? frame))
        {
            int room = Protocol.LineWindow - (int)unchecked(_sent - _acknowledged);
            int count = Math.Min(room, frame.Length - _queueOffset);
            if (count <= 0)
                return;
            try
            {
                // Never blocks for long: at most the line's window is ever unread, and the socket's buffer is far larger.
                count = _console.Send(frame.AsSpan(_queueOffset, count));
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                _closed = true;
                _queue.Clear();
                return;
            }

            _sent += (uint)count;
            _queueOffset += count;
            if (_queueOffset == frame.Length)
            {
                _queue.Dequeue();
                _queueOffset = 0;
            }
        }
    }
}
