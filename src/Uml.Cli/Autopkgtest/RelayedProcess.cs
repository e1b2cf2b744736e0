using System.Net.Sockets;
using Uml.CI.Wire;

namespace Uml.CI.Cli;

/// <summary>One command in the testbed, on the standard descriptors of the program that asked for it.</summary>
internal sealed class RelayedProcess(Socket connection, int[] descriptors)
{
    private const int BufferSize = 128 * 1024, InputInterval = 100;
    private const int BrokenPipe = 13, Kill = 9;

    // The protocol's own words for "the testbed failed": a command's 255 must not be taken for that. autopkgtest's own servers do the same.
    private const int TestbedFailure = 255, NearestStatus = 253;

    private static readonly TimeSpan FailureDrain = TimeSpan.FromSeconds(1);

    private readonly Descriptor _output = Descriptor.Of(descriptors[1]);
    private readonly Descriptor _error = Descriptor.Of(descriptors[2]);
    private volatile bool _ended;

    /// <summary>Runs it, and says how it ended.</summary>
    public int Run(Guest? guest, string[] words)
    {
        if (guest is null)
            return Fail("there is no testbed: it has been closed");
        using var gone = new CancellationTokenSource();
        _ = WatchAsync(gone);
        try
        {
            int status = RunAsync(guest, words, gone.Token).GetAwaiter().GetResult();
            return status is TestbedFailure or RelayedCommand.Failed ? NearestStatus : status;
        }
        catch (ExecException e)
        {
            _error.WriteLine($"uml: {e.Summary}");
            return e.Errno == 0 ? RelayedCommand.Failed : e.ExitCode;
        }
        catch (OperationCanceledException)
        {
            return RelayedCommand.Failed;
        }
        catch (ObjectDisposedException)
        {
            return Fail("the testbed was closed while the command ran");
        }
        catch (GuestException e)
        {
            return Fail(e.Summary);
        }
        finally
        {
            _ended = true;
        }
    }

    private async Task<int> RunAsync(Guest guest, string[] words, CancellationToken gone)
    {
        Descriptor input = Descriptor.Of(descriptors[0]);
        bool hasInput = input.HasContent;
        GuestProcess process = await guest.StartProcessAsync(new ExecOptions(words) { RedirectStandardInput = hasInput, Timeout = Timeout.InfiniteTimeSpan }, gone);
        Task output = Task.WhenAll(Pump(process, process.StandardOutput, _output), Pump(process, process.StandardError, _error));
        Task reading = hasInput ? OnThread(() => PumpInput(process, input)) : Task.CompletedTask;
        try
        {
            GuestExit exit = await process.WaitAsync(gone);
            await output;
            return exit.ExitCode;
        }
        finally
        {
            _ended = true;
            await Task.WhenAny(output, Task.Delay(FailureDrain, CancellationToken.None));
            // The numbers of its descriptors are somebody else's afterwards.
            await reading;
        }
    }

    private static Task OnThread(Action action) =>
        Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static Task Pump(GuestProcess process, Stream from, Descriptor to) => OnThread(() =>
    {
        byte[] buffer = new byte[BufferSize];
        bool open = true;
        try
        {
            int n;
            while ((n = from.Read(buffer, 0, buffer.Length)) > 0)
            {
                if (open && to.Write(buffer.AsSpan(0, n)) != 0)
                {
                    // What the kernel does to a program that writes where nobody reads.
                    open = false;
                    process.Signal(BrokenPipe);
                }
            }
        }
        catch (Exception e) when (e is GuestException or ObjectDisposedException)
        {
            // Whoever waits for the command is told.
        }
    });

    private void PumpInput(GuestProcess process, Descriptor from)
    {
        byte[] buffer = new byte[BufferSize];
        try
        {
            while (!_ended)
            {
                // What the command has not asked for when it ends is the next one's, as far as that can be known.
                if (!Native.Poll(descriptors[0], Native.PollIn, InputInterval))
                    continue;
                int n = from.Read(buffer);
                if (n < 0)
                {
                    // Half an input must not pass for a whole one.
                    _error.WriteLine($"uml: cannot read standard input: {Native.Describe(-n)}");
                    process.Signal(Kill);
                    return;
                }

                if (n == 0)
                    break;
                process.StandardInput.Write(buffer, 0, n);
            }

            process.StandardInput.Dispose();
        }
        catch (Exception e) when (e is IOException or GuestException or ObjectDisposedException)
        {
            // The command reads no more, or has ended, or the guest has.
        }
    }

    // A program that was killed wants its command killed, too.
    private async Task WatchAsync(CancellationTokenSource gone)
    {
        try
        {
            await connection.ReceiveAsync(new byte[1]);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
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

    private int Fail(string reason)
    {
        _error.WriteLine($"uml: {reason}");
        return RelayedCommand.Failed;
    }
}
