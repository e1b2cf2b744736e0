using System.Net.Sockets;

namespace Uml.CI.Cli;

/// <summary>One command in the guest that this process keeps, on behalf of another process.</summary>
internal sealed class SessionCommand : IDisposable
{
    private const int Kill = 9;

    // Between the tool's own steps, which wait for nobody.
    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(20);
    private static int s_lastScript;

    private readonly NetworkStream _control;
    private readonly SessionRequest _request;
    private readonly TaskCompletionSource<NetworkStream>[] _streams;

    public SessionCommand(NetworkStream control, SessionRequest request)
    {
        _control = control;
        _request = request;
        _streams = [.. Enumerable.Range(0, 3).Select(_ => new TaskCompletionSource<NetworkStream>(TaskCreationOptions.RunContinuationsAsynchronously))];
    }

    /// <summary>Takes one of the standard streams; false if it is none that is waited for.</summary>
    public bool Connect(int descriptor, NetworkStream stream) =>
        descriptor >= (_request.Input ? 0 : 1) && descriptor < _streams.Length && _streams[descriptor].TrySetResult(stream);

    /// <summary>Runs the command and tells how it ended.</summary>
    public async Task RunAsync(string id, Guest guest, CancellationToken stopped)
    {
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(stopped);
        SessionMessages.Write(_control, new SessionReply { Kind = SessionReply.Accepted, Id = id }, SessionJson.Default.SessionReply);
        await Task.WhenAll(_streams.Skip(_request.Input ? 0 : 1).Select(s => s.Task)).WaitAsync(ConnectPatience, stopped);
        Outcome outcome;
        try
        {
            outcome = await RunAsync(guest, gone);
        }
        catch (OperationCanceledException) when (stopped.IsCancellationRequested)
        {
            outcome = new Outcome("stopped", ExitStatus.Lost) { Error = "the guest was ended by another command", GuestAnswers = false };
        }
        catch (Exception e) when (Outcome.Of(e, Kill) is { } failure)
        {
            outcome = failure;
        }

        SessionMessages.Write(_control, new SessionReply { Kind = SessionReply.Ended, Outcome = outcome }, SessionJson.Default.SessionReply);
    }

    public void Dispose()
    {
        foreach (TaskCompletionSource<NetworkStream> stream in _streams)
        {
            if (!stream.TrySetCanceled() && stream.Task.IsCompletedSuccessfully)
                stream.Task.Result.Dispose();
        }
    }

    private async Task<Outcome> RunAsync(Guest guest, CancellationTokenSource gone)
    {
        string? script = _request.Script is { } file ? await CopyScriptAsync(guest, file, gone.Token) : null;
        var options = new ExecOptions(script is null ? _request.Command : _request.Command.Add(script))
        {
            Environment = _request.Environment,
            WorkingDirectory = _request.WorkingDirectory,
            User = _request.User,
            RedirectStandardInput = _request.Input,
            Terminal = _request.Columns > 0 ? new TerminalSize(_request.Columns, _request.Rows) : null,
            Timeout = _request.TimeoutSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
        };
        GuestProcess process = await guest.StartProcessAsync(options, gone.Token);
        SessionMessages.Write(_control, new SessionReply { Kind = SessionReply.Started }, SessionJson.Default.SessionReply);
        Task orders = FollowAsync(process, gone);
        if (_request.Input)
            _ = SendInputAsync(process, _streams[0].Task.Result);
        Task output = Task.WhenAll(
            CopyAsync(process.StandardOutput, _streams[1].Task.Result),
            CopyAsync(process.StandardError, _streams[2].Task.Result));
        try
        {
            GuestExit exit = await process.WaitAsync(gone.Token);
            await output.WaitAsync(gone.Token);
            return Outcome.Of(exit);
        }
        finally
        {
            // What it wrote before the guest was lost, or before its deadline, is its caller's.
            await Task.WhenAny(output, Task.Delay(TimeSpan.FromSeconds(1)));
            for (int i = 1; i < _streams.Length; i++)
                EndOf(_streams[i].Task.Result);
            if (script is not null)
                _ = RemoveScriptAsync(guest, script);
            _ = orders.ContinueWith(t => t.Exception, TaskScheduler.Default);
        }
    }

    // A script wherever it is on the host: not every directory is the guest's, too.
    private static async Task<string> CopyScriptAsync(Guest guest, string file, CancellationToken cancellationToken)
    {
        string script = $"/run/uml-script-{Interlocked.Increment(ref s_lastScript)}";
        await guest.CopyInAsync(file, script, cancellationToken);
        return script;
    }

    private static async Task RemoveScriptAsync(Guest guest, string script)
    {
        try
        {
            await guest.ExecAsync(["rm", "-f", script]);
        }
        catch (Exception e) when (e is GuestException or ObjectDisposedException)
        {
            // The guest is gone, and it with it; or it has no rm, and a script is small.
        }
    }

    // Signals and the terminal's size, and the caller's own end: that of its connection.
    private async Task FollowAsync(GuestProcess process, CancellationTokenSource gone)
    {
        try
        {
            while (await SessionMessages.ReadAsync(_control, SessionJson.Default.SessionRequest, CancellationToken.None) is { } order)
            {
                if (order is { Verb: SessionRequest.Signal, Number: >= 1 and <= 64 })
                    process.Signal(order.Number);
                else if (order is { Verb: SessionRequest.Resize, Columns: > 0, Rows: > 0 })
                    process.Resize(new TerminalSize(order.Columns, order.Rows));
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The same as an end.
        }

        try
        {
            await gone.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // The command has ended before.
        }
    }

    private static async Task SendInputAsync(GuestProcess process, NetworkStream from)
    {
        try
        {
            await from.CopyToAsync(process.StandardInput);
            await process.StandardInput.DisposeAsync();
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or GuestException)
        {
            // Half an input must not pass for a whole one; if the command has ended, the signal reaches nobody.
            process.Signal(Kill);
        }
    }

    private static async Task CopyAsync(Stream from, NetworkStream to)
    {
        try
        {
            await from.CopyToAsync(to);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or GuestException)
        {
            // Whoever waits for the command is told of the guest's end; the caller's own end has been noticed.
        }

        EndOf(to);
    }

    private static void EndOf(NetworkStream stream)
    {
        try
        {
            stream.Socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
        }
    }
}
