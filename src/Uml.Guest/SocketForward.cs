using System.Net.Sockets;
using Uml.CI.Wire;

namespace Uml.CI;

/// <summary>A unix socket in a guest whose connections reach a unix socket of the host.</summary>
public sealed class SocketForward : IAsyncDisposable
{
    private const int BufferSize = 64 * 1024;
    private readonly Guest _guest;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _abandoned = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Task> _serving = [];
    private readonly List<Task> _carrying = [];

    private SocketForward(Guest guest, string guestPath, string hostPath)
    {
        _guest = guest;
        GuestPath = guestPath;
        HostPath = hostPath;
    }

    /// <summary>Where the guest's programs connect to.</summary>
    public string GuestPath { get; }

    /// <summary>The host's socket behind it.</summary>
    public string HostPath { get; }

    /// <summary>
    /// Done when whoever serves the host's socket has closed a connection, or could not be reached: for a program in the guest
    /// that is of no use without it.
    /// </summary>
    public Task Abandoned => _abandoned.Task;

    /// <summary>Makes for each connection what is shown the bytes that pass from the guest to the host, before they do; null for nothing.</summary>
    internal Func<Tap>? Taps { get; set; }

    /// <summary>Is shown bytes that pass.</summary>
    internal delegate void Tap(ReadOnlySpan<byte> bytes);

    /// <summary>Makes the socket in the guest.</summary>
    internal static async Task<SocketForward> OpenAsync(Guest guest, string guestPath, string hostPath, CancellationToken cancellationToken)
    {
        var forward = new SocketForward(guest, guestPath, Path.GetFullPath(hostPath));
        await forward.ListenAsync(successor: true, cancellationToken);
        return forward;
    }

    /// <summary>Ends the forwarding of connections; the socket in the guest stays, and nobody answers there.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await WhenAll(_serving);
        _stop.Dispose();
    }

    /// <summary>Waits until everything has reached the host that was sent by programs that have ended.</summary>
    internal async Task DrainAsync(CancellationToken cancellationToken)
    {
        // The agent answers a request after it has looked at its sockets once more, so the answer to the second comes after it
        // has said of every connection made before the first that there is one.
        for (int i = 0; i < 2; i++)
            await ListenAsync(successor: false, cancellationToken);
        await WhenAll(_carrying).WaitAsync(cancellationToken);
    }

    // Waits for one connection; with a successor, for the next one when that has come.
    private async Task ListenAsync(bool successor, CancellationToken cancellationToken)
    {
        ChannelStream stream = _guest.OpenStream();
        stream.Send(FrameType.Listen, new ListenMessage(GuestPath).Encode);
        await stream.Started.WaitAsync(cancellationToken);
        lock (_serving)
        {
            _serving.RemoveAll(s => s.IsCompleted);
            _serving.Add(ServeAsync(stream, successor));
        }
    }

    private async Task ServeAsync(ChannelStream stream, bool successor)
    {
        try
        {
            await stream.Connected.WaitAsync(_stop.Token);
            Task carrying = CarryAsync(stream);
            lock (_serving)
            {
                _carrying.RemoveAll(c => c.IsCompleted);
                _carrying.Add(carrying);
            }

            if (successor)
                await ListenAsync(successor, _stop.Token);
            await carrying;
        }
        catch (Exception e) when (e is OperationCanceledException or GuestException or ObjectDisposedException)
        {
            // The guest has ended, or nobody wants its connections any more.
        }
    }

    private Task WhenAll(List<Task> tasks)
    {
        lock (_serving)
            return Task.WhenAll(tasks);
    }

    private async Task CarryAsync(ChannelStream stream)
    {
        using var host = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await host.ConnectAsync(new UnixDomainSocketEndPoint(HostPath), _stop.Token);
            await using var connection = new NetworkStream(host);
            // Cancelled when this end is closed: what becomes of the host's by that says nothing of the host.
            using var closed = new CancellationTokenSource();
            _ = AnswerAsync(connection, stream, closed.Token);
            try
            {
                await DeliverAsync(stream, connection);
            }
            finally
            {
                await closed.CancelAsync();
            }
        }
        catch (Exception e) when (e is OperationCanceledException or GuestException or ObjectDisposedException or IOException or SocketException)
        {
            // Neither end is ours: whoever waits for the command in the guest, or serves the host's socket, sees what became of it.
            if (e is IOException or SocketException)
                _abandoned.TrySetResult();
            await stream.Input.DisposeAsync();
        }
    }

    // Ends when the guest's program has closed its end; then there is nobody to answer any more.
    private async Task DeliverAsync(ChannelStream stream, NetworkStream connection)
    {
        Tap? tap = Taps?.Invoke();
        byte[] buffer = new byte[BufferSize];
        while (await stream.Output.ReadAsync(buffer, _stop.Token) is > 0 and var n)
        {
            tap?.Invoke(buffer.AsSpan(0, n));
            await connection.WriteAsync(buffer.AsMemory(0, n), _stop.Token);
        }
    }

    private async Task AnswerAsync(NetworkStream connection, ChannelStream stream, CancellationToken closed)
    {
        try
        {
            await connection.CopyToAsync(stream.Input, closed);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or SocketException or ObjectDisposedException)
        {
            // Closed from this side, or the same as an end.
        }

        if (!closed.IsCancellationRequested && !_stop.IsCancellationRequested)
            _abandoned.TrySetResult();
        await stream.Input.DisposeAsync();
    }
}
