using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;

namespace Uml.CI.Cli;

/// <summary>The commands that others run in the guest this process keeps. Each has a connection of its own, and one for each standard stream.</summary>
internal sealed class SessionCommands
{
    private readonly ConcurrentDictionary<string, SessionCommand> _waiting = new(StringComparer.Ordinal);
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private TaskCompletionSource? _idle;
    private int _running;
    private long _idleSince = Stopwatch.GetTimestamp();

    /// <summary>How long no command has run.</summary>
    public TimeSpan IdleFor
    {
        get
        {
            lock (_lock)
                return _running > 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(_idleSince);
        }
    }

    /// <summary>Ends when no command runs.</summary>
    public Task WhenIdleAsync()
    {
        lock (_lock)
        {
            if (_running == 0)
                return Task.CompletedTask;
            return (_idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    /// <summary>The guest is gone with all that was its own; those who asked for its end are told.</summary>
    public void Release() => _released.SetResult();

    /// <summary>Does what a connection asks for.</summary>
    /// <param name="socket">The connection.</param>
    /// <param name="guest">The guest.</param>
    /// <param name="stop">Cancelled when somebody asks for the guest's end.</param>
    public async Task ServeAsync(Socket socket, Guest guest, CancellationTokenSource stop)
    {
        var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            SessionRequest? request = await SessionMessages.ReadAsync(stream, SessionJson.Default.SessionRequest, stop.Token);
            switch (request?.Verb)
            {
                case SessionRequest.Stream:
                    // From here on it is the command's.
                    if (_waiting.TryGetValue(request.Id, out SessionCommand? command) && command.Connect(request.Descriptor, stream))
                        return;
                    break;
                case SessionRequest.Exec:
                    await RunAsync(stream, request, guest, stop.Token);
                    break;
                case SessionRequest.Stop:
                    await stop.CancelAsync();
                    // Until this process ends, which closes the connection.
                    await _released.Task;
                    break;
                default:
                    break;
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // Whoever asked is gone, or the guest is.
        }

        await stream.DisposeAsync();
    }

    private async Task RunAsync(NetworkStream control, SessionRequest request, Guest guest, CancellationToken stopped)
    {
        lock (_lock)
            _running++;
        var command = new SessionCommand(control, request);
        string id = Guid.NewGuid().ToString("N");
        _waiting[id] = command;
        try
        {
            await command.RunAsync(id, guest, stopped);
        }
        finally
        {
            _waiting.TryRemove(id, out _);
            command.Dispose();
            lock (_lock)
            {
                if (--_running == 0)
                {
                    _idleSince = Stopwatch.GetTimestamp();
                    _idle?.TrySetResult();
                    _idle = null;
                }
            }
        }
    }
}
