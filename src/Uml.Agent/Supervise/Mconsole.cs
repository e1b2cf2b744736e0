using System.Buffers.Binary;
using System.Text;
using Uml.CI.Wire;
using static Uml.CI.Agent.Supervise.Native;

namespace Uml.CI.Agent.Supervise;

/// <summary>A client of the guest's management console that never waits: one request at a time, the others queue.</summary>
/// <param name="machineName">The guest's umid.</param>
/// <param name="answer">Called with each answer and the stream it belongs to.</param>
internal sealed unsafe class Mconsole(string machineName, Action<uint, MconsoleReplyMessage> answer)
{
    private const uint Magic = 0xcafebabe, Version = 2;
    private const int CommandSize = 512, HeaderSize = 12;

    // Replies are lost if our queue is full when the kernel sends; then the last packet, which says so, may never come.
    private const int SilenceMilliseconds = 300;
    private const int RetryMilliseconds = 10;

    // A frame has room for 64 KiB.
    private const int LongestText = 60_000;

    // A request that comes while the kernel sets its console up may be in its queue without the kernel knowing; any
    // further datagram makes it look. This one asks for nothing that matters, and its answer has nowhere to go.
    private const string Prod = "version";
    private const int ProdMilliseconds = 150;
    private const int Prods = 2;

    private readonly Queue<Request> _waiting = new();
    private readonly StringBuilder _text = new();
    private Request? _current;
    private bool _sent;
    private bool _answered;
    private bool _refused;
    private long _next;
    private int _prods;
    private int _generation;

    /// <summary>The socket to poll for input, or -1.</summary>
    public int Socket { get; private set; } = -1;

    /// <summary>When <see cref="Advance"/> must be called next, in ticks of <see cref="Environment.TickCount64"/>.</summary>
    public long NextDeadline => _current is null ? long.MaxValue : Math.Min(_next, _current.Deadline);

    /// <summary>Queues a request; <paramref name="stream"/> null wants no answer.</summary>
    public void Add(uint? stream, string command, uint timeoutMilliseconds)
    {
        if (Encoding.UTF8.GetByteCount(command) >= CommandSize)
        {
            if (stream is { } id)
                answer(id, new MconsoleReplyMessage(1, $"the command is longer than {CommandSize - 1} bytes"));
            return;
        }

        _waiting.Enqueue(new Request(stream, command, timeoutMilliseconds));
        if (_current is null)
            Begin();
    }

    /// <summary>Answers everything with <paramref name="reason"/>.</summary>
    public void Abandon(string reason)
    {
        if (_current is not null)
            Finish(2, reason, begin: false);
        while (_waiting.TryDequeue(out Request? request))
            Answer(request, 2, reason);
    }

    /// <summary>Takes what has arrived and sees to deadlines.</summary>
    public void Advance()
    {
        if (_current is null)
            return;

        if (_sent)
            ReadReplies();

        long now = Environment.TickCount64;
        if (_current is null || now < NextDeadline)
            return;
        if (_answered && now >= _next)
            Finish(_refused ? 1u : 0u, Text());
        else if (now >= _current.Deadline)
            Finish(2, _sent ? $"no answer from the guest's management console within {_current.Timeout} ms" : "the guest has no management console (yet)");
        else if (!_sent)
            TrySend();
        else
            SendProd();
    }

    private void Begin()
    {
        if (!_waiting.TryDequeue(out _current))
            return;
        _current.Deadline = Environment.TickCount64 + _current.Timeout;
        _sent = _answered = _refused = false;
        _prods = 0;
        _text.Clear();
        TrySend();
    }

    private void TrySend()
    {
        _next = Environment.TickCount64 + RetryMilliseconds;
        if (Socket < 0 && !Open())
            return;

        _sent = Send(Socket, _current!.Command);
        if (_sent)
            _next = Environment.TickCount64 + ProdMilliseconds;
    }

    private void SendProd()
    {
        int socket = _prods++ < Prods ? Native.Socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
        _next = _prods < Prods ? Environment.TickCount64 + ProdMilliseconds : long.MaxValue;
        if (socket < 0)
            return;
        Send(socket, Prod);
        Close(socket);
    }

    private bool Send(int socket, string command)
    {
        byte* packet = stackalloc byte[HeaderSize + CommandSize];
        var bytes = new Span<byte>(packet, HeaderSize + CommandSize);
        bytes.Clear();
        int length = Encoding.UTF8.GetBytes(command, bytes[HeaderSize..]);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[4..], Version);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[8..], (uint)length);

        byte* address = stackalloc byte[AddressSize];
        uint addressLength = Address(address, $"{KernelProcess.SocketDirectory[1..]}/{machineName}/mconsole");
        return SendTo(socket, packet, HeaderSize + CommandSize, MSG_DONTWAIT | MSG_NOSIGNAL, address, addressLength) >= 0;
    }

    private void ReadReplies()
    {
        byte* packet = stackalloc byte[HeaderSize + CommandSize];
        while (_current is not null)
        {
            int n = (int)Receive(Socket, packet, HeaderSize + CommandSize, MSG_DONTWAIT);
            if (n < HeaderSize)
                return;

            var bytes = new ReadOnlySpan<byte>(packet, n);
            _answered = true;
            _refused |= BinaryPrimitives.ReadInt32LittleEndian(bytes) != 0;
            bool more = BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]) != 0;
            int length = Math.Clamp(BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]), 0, n - HeaderSize);
            ReadOnlySpan<byte> text = bytes.Slice(HeaderSize, length);
            int end = text.IndexOf((byte)0);
            if (_text.Length < LongestText)
                _text.Append(Encoding.UTF8.GetString(end < 0 ? text : text[..end]));
            _next = Environment.TickCount64 + SilenceMilliseconds;
            if (!more)
                Finish(_refused ? 1u : 0u, Text());
        }
    }

    private void Finish(uint status, string text, bool begin = true)
    {
        Request request = _current!;
        _current = null;

        // A late answer must not be taken for the next request's: it goes to an address that is no more.
        if (status == 2)
            CloseSocket();
        Answer(request, status, text);
        if (begin)
            Begin();
    }

    private string Text()
    {
        string text = _text.ToString();
        if (text.Length < LongestText)
            return text;
        // Of characters outside ASCII, which take more bytes than one, a guest has few; if not, less of them fits.
        int length = Encoding.UTF8.GetByteCount(text) > LongestText + CommandSize ? LongestText / 3 : LongestText;
        return $"{text.AsSpan(0, length)}\n[cut here; the rest is in the kernel log]\n";
    }

    private void Answer(Request request, uint status, string text)
    {
        if (request.Stream is { } stream)
            answer(stream, new MconsoleReplyMessage(status, text));
    }

    private bool Open()
    {
        Socket = Native.Socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (Socket < 0)
            return false;

        // A path and not an abstract address, which a confined kernel may not send to; relative, as the kernel's
        // current directory is ours.
        byte* address = stackalloc byte[AddressSize];
        uint length = Address(address, $"{KernelProcess.WritableDirectory[1..]}/console-{_generation++}");
        if (Bind(Socket, address, length) == 0)
            return true;
        CloseSocket();
        return false;
    }

    private void CloseSocket()
    {
        if (Socket >= 0)
            Close(Socket);
        Socket = -1;
    }

    private sealed record Request(uint? Stream, string Command, uint Timeout)
    {
        public long Deadline { get; set; }
    }
}
