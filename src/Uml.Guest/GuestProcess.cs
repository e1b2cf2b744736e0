using System.Diagnostics;
using Uml.CI.Wire;

namespace Uml.CI;

/// <summary>A command that was started in a guest.</summary>
public sealed class GuestProcess
{
    private readonly Guest _guest;
    private readonly ChannelStream _stream;
    private readonly Stopwatch _age = Stopwatch.StartNew();

    internal GuestProcess(Guest guest, ChannelStream stream, ExecOptions options)
    {
        _guest = guest;
        _stream = stream;
        Options = options;
    }

    /// <summary>What was asked for.</summary>
    public ExecOptions Options { get; }

    /// <summary>Its process number in the guest.</summary>
    public int ProcessId { get; internal set; }

    /// <summary>Standard input; closing it is its end. Reads nothing unless <see cref="ExecOptions.RedirectStandardInput"/> was set.</summary>
    public Stream StandardInput => _stream.Input;

    /// <summary>Standard output. Read it, or the command stalls when 1 MiB is waiting; other commands do not.</summary>
    public Stream StandardOutput => _stream.Output;

    /// <summary>Standard error; the same holds.</summary>
    public Stream StandardError => _stream.Error;

    /// <summary>How long ago the command was asked for.</summary>
    internal TimeSpan Age => _age.Elapsed;

    internal ChannelStream Stream => _stream;

    /// <summary>Sends a signal to the command's process group.</summary>
    /// <param name="signal">Linux signal number, 1 to 64.</param>
    public void Signal(int signal)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(signal, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(signal, 64);
        _stream.Send(FrameType.Signal, new SignalMessage((uint)signal).Encode);
    }

    /// <summary>Tells the command that its terminal has another size now.</summary>
    public void Resize(TerminalSize size) =>
        _stream.Send(FrameType.Resize, new ResizeMessage((uint)size.Columns, (uint)size.Rows).Encode);

    /// <summary>Waits for the command's end. When it has ended, everything it wrote can be read.</summary>
    /// <exception cref="GuestTimeoutException">Its deadline passed; it was killed, and the message says what it was doing.</exception>
    /// <exception cref="KernelPanicException">The guest's kernel panicked.</exception>
    /// <exception cref="GuestConnectionException">The guest was lost.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the command was killed.</exception>
    public Task<GuestExit> WaitAsync(CancellationToken cancellationToken = default) => WithinDeadlineAsync(_stream.Exited, cancellationToken);

    /// <summary>Waits for a step of the command, no longer than the command may take.</summary>
    internal async Task<T> WithinDeadlineAsync<T>(Task<T> step, CancellationToken cancellationToken)
    {
        TimeSpan? timeout = Options.Timeout ?? _guest.Options.CommandTimeout;
        if (timeout == Timeout.InfiniteTimeSpan)
            timeout = null;
        TimeSpan left = timeout is { } limit ? limit - Age : Timeout.InfiniteTimeSpan;
        try
        {
            return left < TimeSpan.Zero && timeout is not null && !step.IsCompleted
                ? throw new TimeoutException()
                : await step.WaitAsync(left < TimeSpan.Zero ? Timeout.InfiniteTimeSpan : left, cancellationToken);
        }
        catch (TimeoutException)
        {
            string state = await _guest.InspectAsync([_stream.Number]);
            Signal(9);
            throw await _guest.TimeoutAsync($"The command \"{string.Join(' ', Options.Arguments)}\" did not end within {Format(timeout!.Value)}", state);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Who writes down what commands do wants to know what this one was doing.
            if (_guest.Transcript is { } transcript)
                transcript.StateAtCancellation = await _guest.InspectAsync([_stream.Number]);
            Signal(9);
            throw;
        }
    }

    internal static string Format(TimeSpan time) =>
        time.TotalSeconds < 1 ? $"{time.TotalMilliseconds:0} ms" : $"{time.TotalSeconds:0.###} s";
}
