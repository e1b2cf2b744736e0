extern alias UmlKernel;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Uml.CI.Cli;

using FileLock = UmlKernel::Uml.CI.FileLock;

/// <summary>
/// The process that keeps a guest: boots it, serves commands in it to whoever connects to its socket, and ends with it. When
/// this process is killed, the supervisor ends the guest; what is left is a directory without a holder.
/// </summary>
internal sealed class SessionOwner : IDisposable
{
    // Commands that were told of the guest's end still tell their callers.
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);

    private readonly KeepRequest _request;
    private readonly SessionDirectory _directory;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<PosixSignalRegistration> _signals = [];
    private readonly SessionCommands _commands = new();

    private SessionOwner(KeepRequest request)
    {
        _request = request;
        _directory = SessionDirectory.Of(request.Name);
        foreach (PosixSignal signal in (ReadOnlySpan<PosixSignal>)[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP, PosixSignal.SIGQUIT])
            _signals.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                _stop.Cancel();
            }));
    }

    /// <summary>Keeps a guest until its end; the exit status counts only until it is ready.</summary>
    public static async Task<int> RunAsync(KeepRequest request)
    {
        // The supervisor and the guest are to outlive whoever reads what this process says while the guest boots.
        Native.LeaveSession();
        Descriptor.Output.Withdraw();
        Descriptor.Error.Withdraw();
        using var owner = new SessionOwner(request);
        return await owner.RunAsync();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (PosixSignalRegistration signal in _signals)
            signal.Dispose();
        _stop.Dispose();
    }

    private async Task<int> RunAsync()
    {
        FileLock? held = await _directory.TakeAsync(_stop.Token);
        if (held is null)
        {
            Message.Error($"there is a guest \"{_request.Name}\" already: end it with \"uml guest stop {_request.Name}\", or give this one another --name");
            return ExitStatus.NotProvided;
        }

        SessionEnd? end = null;
        try
        {
            bool unasked = false;
            Guest guest;
            try
            {
                guest = await BootAsync();
            }
            catch (Exception e) when (Outcome.Of(e, signal: 15) is { } failure)
            {
                failure.Print();
                return failure.ExitStatus;
            }

            try
            {
                using Socket listener = _directory.Listen();
                if (!Announce(guest))
                    return ExitStatus.NotProvided;
                Task accepting = AcceptAsync(listener, guest);
                (unasked, end) = await WaitAsync(guest);
                // Nobody is served any more: whoever comes now finds the directory, and there the reason.
                listener.Dispose();
                await accepting;
                await Task.WhenAny(_commands.WhenIdleAsync(), Task.Delay(Farewell));
            }
            finally
            {
                await guest.DisposeAsync();
            }

            // Only now has all of the kernel's log been read.
            if (unasked)
                end ??= EndOf(guest);
            return 0;
        }
        finally
        {
            await _directory.ReleaseAsync(held, end);
            _commands.Release();
        }
    }

    private async Task<Guest> BootAsync()
    {
        RunRequest run = _request.Run;
        using var progress = new ProgressLine(TimeSpan.FromSeconds(1));
        GuestOptions options = run.Guest with
        {
            KernelResolution = new KernelResolveOptions { Progress = progress, LockFile = run.LockFile, SettingsDirectory = run.SettingsDirectory, Offline = run.Offline },
            KernelLogFile = run.Guest.KernelLogFile is { } log ? Path.GetFullPath(log) : _directory.KernelLogFile,
        };
        return await new GuestBuilder(options).StartAsync(_stop.Token);
    }

    // Whoever started this waits for the line; without them there is nobody to keep the guest for.
    private bool Announce(Guest guest)
    {
        if (_request.Run.Verbose)
            RunSession.Introduce(guest);
        _directory.Write(new SessionRecord
        {
            Name = _request.Name,
            Kernel = guest.Options.Kernel.ToString(),
            Release = guest.Release,
            Root = guest.Options.Root.ToString(),
            HostRoot = guest.Options.Root == GuestRoot.Host,
            ProcessId = Environment.ProcessId,
            Started = DateTimeOffset.UtcNow,
            KernelLogFile = guest.Options.KernelLogFile!,
        });
        Descriptor.Error.Write([SessionStart.EndOfMessages]);
        if (Descriptor.Output.Write("ready\n"u8) != 0)
            return false;
        // File systems of the host can be unmounted again.
        Directory.SetCurrentDirectory("/");
        return true;
    }

    private async Task AcceptAsync(Socket listener, Guest guest)
    {
        try
        {
            while (true)
                _ = _commands.ServeAsync(await listener.AcceptAsync(), guest, _stop);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The listener is closed.
        }
    }

    /// <summary>Waits for the guest's end or a reason for it: whether nobody asked for it, and why it is, unless the guest has ended by itself.</summary>
    private async Task<(bool Unasked, SessionEnd? End)> WaitAsync(Guest guest)
    {
        Task exit = guest.WaitForExitAsync();
        var age = System.Diagnostics.Stopwatch.StartNew();
        while (true)
        {
            TimeSpan idle = _request.IdleTimeout - _commands.IdleFor;
            TimeSpan left = _request.Lifetime - age.Elapsed;
            if (left <= TimeSpan.Zero)
                return (true, new SessionEnd("lifetime", $"it had been kept for {Duration.Format(_request.Lifetime)} (--lifetime)"));
            if (idle <= TimeSpan.Zero)
                return (true, new SessionEnd("idle", $"no command had run in it for {Duration.Format(_request.IdleTimeout)} (--idle-timeout)"));
            try
            {
                await exit.WaitAsync(left < idle ? left : idle, _stop.Token);
            }
            catch (TimeoutException)
            {
                continue;
            }
            catch (OperationCanceledException)
            {
                return (false, null);
            }

            return (true, null);
        }
    }

    private static SessionEnd EndOf(Guest guest) =>
        guest.KernelLog.Panic is { } panic
            ? new SessionEnd("panic", $"its kernel panicked: {panic.Reason}", string.Join('\n', panic.Lines))
            : new SessionEnd("lost", "its kernel ended", guest.KernelLog.Tail());
}
