using System.Collections.Concurrent;
using System.Net.Sockets;
using Uml.CI.Wire;

namespace Uml.CI;

/// <summary>The host library's end of the supervisor: starts it, gives it orders, hears what became of the guest.</summary>
internal sealed class SupervisorClient : IAsyncDisposable
{
    private readonly Socket _control;
    private readonly int _processId;
    private readonly Lock _sending = new();
    private readonly TaskCompletionSource<GuestStartedMessage> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<GuestExitedMessage?> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<uint, TaskCompletionSource<MconsoleReplyMessage>> _requests = new();
    private readonly Task _receiving;
    private readonly Task _reaped;
    private uint _sequence;
    private uint _lastRequest;

    private SupervisorClient(Socket control, int processId)
    {
        _control = control;
        _processId = processId;
        _receiving = ReceiveAsync();
        _reaped = _receiving.ContinueWith(_ => Native.Wait(processId), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
    }

    /// <summary>Ends when the kernel's main process has ended; null if the supervisor was lost before it could say how.</summary>
    public Task<GuestExitedMessage?> Exited => _exited.Task;

    /// <summary>The supervisor's process number.</summary>
    public int ProcessId => _processId;

    /// <summary>Starts a supervisor, and the console that it will hand to the kernel; the caller disposes of both.</summary>
    /// <param name="agent">The agent's executable.</param>
    /// <param name="what">What is started, for the message: "guest", "kernel".</param>
    /// <exception cref="GuestUnavailableException">It could not be started.</exception>
    public static (SupervisorClient Supervisor, Socket Console) Spawn(string agent, string what)
    {
        try
        {
            (SafeSocketHandle ours, SafeSocketHandle theirs) = Native.SocketPair();
            using (theirs)
            {
                try
                {
                    return (Spawn(agent, theirs), new Socket(ours));
                }
                catch
                {
                    ours.Dispose();
                    throw;
                }
            }
        }
        catch (IOException e)
        {
            throw new GuestUnavailableException($"The {what} could not be started: {e.Message}.", e);
        }
    }

    private static SupervisorClient Spawn(string agent, SafeSocketHandle console)
    {
        (SafeSocketHandle ours, SafeSocketHandle theirs) = Native.SocketPair();
        using (theirs)
        {
            int pid = Native.Spawn(agent, ["supervise"], theirs, console);
            return new SupervisorClient(new Socket(ours), pid);
        }
    }

    /// <summary>Has the guest started.</summary>
    /// <exception cref="GuestUnavailableException">The supervisor could not start it.</exception>
    public Task<GuestStartedMessage> StartAsync(StartGuestMessage message)
    {
        Send(FrameType.StartGuest, 0, message.Encode);
        return _started.Task;
    }

    /// <summary>Says that the guest's files are open: the supervisor may remove them when the guest ends.</summary>
    public void Opened() => Send(FrameType.GuestOpened, 0, static _ => { });

    /// <summary>Sends a command to the guest's management console.</summary>
    public async Task<MconsoleReplyMessage> MconsoleAsync(string command, TimeSpan timeout)
    {
        uint request = Interlocked.Increment(ref _lastRequest);
        var reply = new TaskCompletionSource<MconsoleReplyMessage>(TaskCreationOptions.RunContinuationsAsynchronously);
        _requests[request] = reply;
        Send(FrameType.Mconsole, request, new MconsoleMessage(command, (uint)timeout.TotalMilliseconds).Encode);
        try
        {
            return await reply.Task.WaitAsync(timeout + TimeSpan.FromSeconds(1));
        }
        catch (TimeoutException)
        {
            return new MconsoleReplyMessage(2, "the supervisor did not answer");
        }
        finally
        {
            _requests.TryRemove(request, out _);
        }
    }

    /// <summary>Has the clock of a guest on virtual time stand still, or run.</summary>
    public void HoldTime(bool held) => Send(FrameType.HoldTime, 0, new HoldTimeMessage(held).Encode);

    /// <summary>Has the guest ended; see <see cref="StopGuestMessage"/>.</summary>
    public void Stop(TimeSpan grace, bool halt) =>
        Send(FrameType.StopGuest, 0, new StopGuestMessage((uint)grace.TotalMilliseconds, halt).Encode);

    /// <summary>Lets go of the supervisor, which ends the guest if it still runs, and waits until nothing is left.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            // Not a close: the answer that everything is gone still has to arrive.
            _control.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
        }

        await _reaped;
        _control.Dispose();
    }

    private void Send(FrameType type, uint stream, Action<MessageWriter> encode)
    {
        var writer = new MessageWriter();
        encode(writer);
        byte[] frame = new byte[Frame.HeaderSize + writer.Written.Length];
        lock (_sending)
        {
            Frame.Write(frame, type, stream, _sequence++, writer.Written);
            try
            {
                for (int sent = 0; sent < frame.Length;)
                    sent += _control.Send(frame.AsSpan(sent));
            }
            catch (SocketException)
            {
                // The supervisor is gone; whoever waits for it hears so from the receiving side.
            }
        }
    }

    private async Task ReceiveAsync()
    {
        string lost = "the supervisor ended";
        try
        {
            var reader = new FrameReader();
            while (await _control.ReceiveAsync(reader.GetMemory()) is > 0 and var n)
            {
                reader.Advance(n);
                while (reader.TryRead(out ReceivedFrame frame))
                    Handle(frame);
            }
        }
        catch (Exception e) when (e is SocketException or WireException)
        {
            lost = $"the supervisor was lost: {e.Message}";
        }

        _started.TrySetException(new GuestBootException($"The guest could not be started: {lost}.") { Summary = $"The guest could not be started: {lost}" });
        _exited.TrySetResult(null);
        foreach (TaskCompletionSource<MconsoleReplyMessage> request in _requests.Values)
            request.TrySetResult(new MconsoleReplyMessage(2, lost));
    }

    private void Handle(ReceivedFrame frame)
    {
        ReadOnlySpan<byte> payload = frame.Payload.Span;
        switch (frame.Type)
        {
            case FrameType.GuestStarted:
                _started.TrySetResult(GuestStartedMessage.Decode(payload));
                break;
            case FrameType.GuestFailed:
                FailedMessage failure = FailedMessage.Decode(payload);
                _started.TrySetException(new GuestUnavailableException($"The guest could not be started: {failure.Text}"));
                break;
            case FrameType.MconsoleReply:
                if (_requests.TryGetValue(frame.Stream, out TaskCompletionSource<MconsoleReplyMessage>? request))
                    request.TrySetResult(MconsoleReplyMessage.Decode(payload));
                break;
            case FrameType.GuestExited:
                _exited.TrySetResult(GuestExitedMessage.Decode(payload));
                break;
            case FrameType.GuestGone:
                break;
            default:
                throw new WireException($"frame type {(byte)frame.Type} means nothing to a host");
        }
    }
}
