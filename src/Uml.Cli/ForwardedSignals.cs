using System.Runtime.InteropServices;

namespace Uml.CI.Cli;

/// <summary>Signals to the tool: the first goes to the command in the guest, a second one ends the guest. Before there is a command, the first ends it.</summary>
internal sealed class ForwardedSignals : IDisposable
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly List<PosixSignalRegistration> _registrations = [];
    private ICommandProcess? _process;
    private bool _forwarded;

    public ForwardedSignals()
    {
        foreach ((PosixSignal signal, int number) in (ReadOnlySpan<(PosixSignal, int)>)[(PosixSignal.SIGINT, 2), (PosixSignal.SIGTERM, 15), (PosixSignal.SIGHUP, 1), (PosixSignal.SIGQUIT, 3)])
            _registrations.Add(PosixSignalRegistration.Create(signal, context => Take(context, number)));
    }

    /// <summary>Cancelled when the guest is to end.</summary>
    public CancellationToken Stopped => _stop.Token;

    /// <summary>The signal that ends the run.</summary>
    public int Last { get; private set; }

    /// <summary>From now on signals go to the command; null: to nobody.</summary>
    public void ForwardTo(ICommandProcess? process)
    {
        lock (_lock)
            _process = process;
    }

    /// <summary>Ends the guest as a second Ctrl-C does.</summary>
    public void Stop()
    {
        const int interrupt = 2;
        Last = interrupt;
        _stop.Cancel();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
            registration.Dispose();
        _stop.Dispose();
    }

    private void Take(PosixSignalContext context, int number)
    {
        context.Cancel = true;
        lock (_lock)
        {
            Last = number;
            if (_process is not null && !_forwarded)
            {
                _forwarded = true;
                _process.Signal(number);
                return;
            }
        }

        _stop.Cancel();
    }
}
