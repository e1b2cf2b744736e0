using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Uml.CI.Wire;

namespace Uml.CI.Agent.Tests;

/// <summary>A supervisor under test, driven frame by frame over its control socket.</summary>
internal sealed class SupervisorProcess : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static int s_count;

    private readonly FrameReader _reader = new();
    private uint _sequence;
    private bool _reaped;

    public SupervisorProcess()
    {
        (Control, int control) = Native.SocketPair();
        (Console, int console) = Native.SocketPair();
        Control.ReceiveTimeout = (int)Patience.TotalMilliseconds;
        ProcessId = Native.Spawn(Path.Combine(AppContext.BaseDirectory, "uml-agent"), "supervise", control, console);
    }

    public Socket Control { get; }

    public Socket Console { get; }

    /// <summary>The process that was started; the other one is its child.</summary>
    public int ProcessId { get; }

    /// <summary>A name for a guest that no other test has.</summary>
    public static string NewName() =>
        $"uml-{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}-{Interlocked.Increment(ref s_count).ToString(CultureInfo.InvariantCulture)}";

    public void Send(FrameType type, uint stream, Action<MessageWriter> encode)
    {
        var writer = new MessageWriter();
        encode(writer);
        byte[] frame = new byte[Frame.HeaderSize + writer.Written.Length];
        Frame.Write(frame, type, stream, _sequence++, writer.Written);
        Control.Send(frame);
    }

    public void Stop(int graceMilliseconds, bool halt = false) =>
        Send(FrameType.StopGuest, 0, new StopGuestMessage((uint)graceMilliseconds, halt).Encode);

    /// <summary>The next frame, its payload copied; null at the end of the connection.</summary>
    public ReceivedFrame? Receive()
    {
        while (true)
        {
            if (_reader.TryRead(out ReceivedFrame frame))
                return frame with { Payload = frame.Payload.ToArray() };
            int n;
            try
            {
                n = Control.Receive(_reader.GetSpan());
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
            {
                return null;
            }

            if (n == 0)
                return null;
            _reader.Advance(n);
        }
    }

    public ReceivedFrame Expect(FrameType type)
    {
        ReceivedFrame? frame = Receive();
        Assert.NotNull(frame);
        if (frame.Value.Type == FrameType.GuestFailed && type != FrameType.GuestFailed)
            Assert.Fail(FailedMessage.Decode(frame.Value.Payload.Span).Text);
        Assert.Equal(type, frame.Value.Type);
        return frame.Value;
    }

    public GuestStartedMessage Start(StartGuestMessage options)
    {
        Send(FrameType.StartGuest, 0, options.Encode);
        GuestStartedMessage started = GuestStartedMessage.Decode(Expect(FrameType.GuestStarted).Payload.Span);
        Send(FrameType.GuestOpened, 0, static _ => { });
        return started;
    }

    public FailedMessage StartExpectingFailure(StartGuestMessage options)
    {
        Send(FrameType.StartGuest, 0, options.Encode);
        var failure = FailedMessage.Decode(Expect(FrameType.GuestFailed).Payload.Span);
        Assert.Null(Receive());
        return failure;
    }

    public MconsoleReplyMessage ExpectReply(uint stream)
    {
        ReceivedFrame frame = Expect(FrameType.MconsoleReply);
        Assert.Equal(stream, frame.Stream);
        return MconsoleReplyMessage.Decode(frame.Payload.Span);
    }

    /// <summary>Reads to the end of a guest that ends as it should.</summary>
    public GuestExitedMessage ExpectEnd()
    {
        var exited = GuestExitedMessage.Decode(Expect(FrameType.GuestExited).Payload.Span);
        Expect(FrameType.GuestGone);
        Assert.Null(Receive());
        return exited;
    }

    /// <summary>Waits for the outer process and returns its wait status.</summary>
    public int Reap()
    {
        _reaped = true;
        return Native.Wait(ProcessId);
    }

    /// <summary>The inner process.</summary>
    public int FindInner()
    {
        int inner = 0;
        Eventually(() => (inner = HostProcess.All().Find(p => p.Parent == ProcessId)?.Id ?? 0) != 0, "no inner process");
        return inner;
    }

    public void Dispose()
    {
        Control.Dispose();
        Console.Dispose();
        if (!_reaped)
            Reap();
    }

    public static void Eventually(Func<bool> condition, string otherwise)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(clock.Elapsed < Patience, otherwise);
            Thread.Sleep(2);
        }
    }
}

/// <summary>A process of the host as /proc shows it.</summary>
internal sealed record HostProcess(int Id, string Name, char State, int Parent, int Group, int Session, string CommandLine)
{
    /// <summary>Every process that has not ended.</summary>
    public static List<HostProcess> All()
    {
        var all = new List<HostProcess>();
        foreach (string directory in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out int id))
                continue;
            try
            {
                string stat = File.ReadAllText($"{directory}/stat");
                int open = stat.IndexOf('(', StringComparison.Ordinal), close = stat.LastIndexOf(')');
                string[] fields = stat[(close + 2)..].Split(' ');
                if (fields[0] is "Z" or "X")
                    continue;
                all.Add(new HostProcess(
                    id, stat[(open + 1)..close], fields[0][0], int.Parse(fields[1]), int.Parse(fields[2]), int.Parse(fields[3]),
                    File.ReadAllText($"{directory}/cmdline").Replace('\0', ' ')));
            }
            catch (IOException)
            {
                // It ended meanwhile.
            }
        }

        return all;
    }
}
