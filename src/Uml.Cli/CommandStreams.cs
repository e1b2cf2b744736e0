namespace Uml.CI.Cli;

/// <summary>Joins the command's standard streams to this process's. Each direction has a thread: reads and writes here may block for hours.</summary>
internal sealed class CommandStreams(ICommandProcess process, ForwardedSignals signals, bool raw)
{
    private const int BufferSize = 128 * 1024;
    private const int BrokenPipe = 13, Kill = 9;
    private const int ForegroundInterval = 200;

    // How long a command that ignores a closed output, as few do, may go on.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    // What the command still wrote when waiting for it had failed is worth a moment, not more.
    private static readonly TimeSpan FailureDrain = TimeSpan.FromSeconds(1);

    private int _outputError;
    private string _outputName = "";
    private volatile string? _inputFailure;

    /// <summary>Joins a command to this process, its streams, signals and terminal, until it has ended and all that it wrote is written.</summary>
    /// <param name="process">The command.</param>
    /// <param name="signals">What is forwarded to it, and what breaks this off.</param>
    /// <param name="input">Whether it gets standard input.</param>
    /// <param name="terminal">Whether it has a terminal of its own.</param>
    /// <param name="wait">Waits for its end.</param>
    public static async Task<(T End, CommandStreams Streams)> FollowAsync<T>(ICommandProcess process, ForwardedSignals signals, bool input, bool terminal, Func<Task<T>> wait)
    {
        signals.ForwardTo(process);
        using RawTerminal? raw = terminal && input ? RawTerminal.Enter() : null;
        using IDisposable? size = terminal ? RawTerminal.FollowSize(process) : null;
        var streams = new CommandStreams(process, signals, raw is not null);
        Task output = streams.Start(input);
        try
        {
            T end = await wait();
            await output.WaitAsync(signals.Stopped);
            return (end, streams);
        }
        catch
        {
            await Task.WhenAny(output, Task.Delay(FailureDrain));
            throw;
        }
        finally
        {
            signals.ForwardTo(null);
        }
    }

    // Ends when all output has been written.
    private Task Start(bool input)
    {
        if (input)
            new Thread(PumpInput) { IsBackground = true, Name = "standard input" }.Start();
        return Task.WhenAll(
            Pump(process.StandardOutput, Descriptor.Output, "standard output"),
            Pump(process.StandardError, Descriptor.Error, "standard error"));
    }

    /// <summary>What the command's end means, given what became of its output.</summary>
    public Outcome Judge(GuestExit exit) => _outputError switch
    {
        _ when _inputFailure is { } failure => new Outcome("input-failed", ExitStatus.NotProvided) { Error = $"cannot hand over standard input: {failure}" },
        0 => Outcome.Of(exit),
        Native.EPIPE when exit.Signal is BrokenPipe or Kill => new Outcome("output-closed", ExitStatus.OfSignal(BrokenPipe)) { Signal = BrokenPipe },
        Native.EPIPE => Outcome.Of(exit),
        int error => new Outcome("output-failed", ExitStatus.NotProvided) { Error = $"cannot write {_outputName}: {Native.Describe(error)}" },
    };

    private Task Pump(Stream from, Descriptor to, string name) => Task.Factory.StartNew(
        () =>
        {
            byte[] buffer = new byte[BufferSize];
            bool open = to.IsOpen;
            try
            {
                int n;
                while ((n = from.Read(buffer, 0, buffer.Length)) > 0)
                {
                    if (open && to.Write(buffer.AsSpan(0, n)) is not 0 and var error)
                    {
                        open = false;
                        Stop(error, name);
                    }
                }
            }
            catch (Exception e) when (e is GuestException or ObjectDisposedException)
            {
                // Whoever waits for the command is told.
            }
        },
        CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    // What the kernel does to a program that writes where nobody reads.
    private void Stop(int error, string name)
    {
        if (Interlocked.CompareExchange(ref _outputError, error, 0) != 0)
            return;
        _outputName = name;
        process.Signal(BrokenPipe);
        _ = Task.Delay(Patience).ContinueWith(_ => process.Signal(Kill), TaskScheduler.Default);
    }

    private void PumpInput()
    {
        byte[] buffer = new byte[BufferSize];
        var escape = new EscapeSequence(TimeProvider.System);
        bool terminal = Descriptor.Input.IsTerminal;
        try
        {
            while (true)
            {
                if (terminal && !TerminalHasInput())
                    continue;
                int n = Descriptor.Input.Read(buffer);
                if (n <= 0)
                    break;
                if (raw && escape.Completes(buffer.AsSpan(0, n)))
                {
                    signals.Stop();
                    return;
                }

                process.StandardInput.Write(buffer, 0, n);
            }

            process.StandardInput.Dispose();
        }
        catch (IOException e)
        {
            // Half an input must not pass for a whole one.
            _inputFailure = e.Message;
            process.Signal(Kill);
        }
        catch (ObjectDisposedException)
        {
            // The guest is gone; whoever waits for the command is told.
        }
    }

    // A background job that reads its terminal is stopped (SIGTTIN), and the guest with it.
    private static bool TerminalHasInput()
    {
        if (Native.IsForeground(0))
            return Native.Poll(0, Native.PollIn, ForegroundInterval);
        Thread.Sleep(ForegroundInterval);
        return false;
    }
}
