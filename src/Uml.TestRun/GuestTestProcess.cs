using System.Text;
using Xunit.Runner.Common;
using Xunit.Sdk;
using Xunit.v3;

namespace Uml.CI;

/// <summary>A test program that runs in a guest.</summary>
internal sealed class GuestTestProcess : ITestProcess
{
    private const int Kill = 9;
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    private readonly GuestProcess _process;
    private Task _pumps = Task.CompletedTask;

    public GuestTestProcess(GuestProcess process, CancellationToken cancellationToken)
    {
        _process = process;
        StandardInput = new StreamWriter(process.StandardInput, Utf8) { AutoFlush = true, NewLine = "\n" };
        StandardOutput = new StreamReader(process.StandardOutput, Utf8);
        Exited = process.WaitAsync(cancellationToken);
        // Whoever runs the tests is told; xunit only waits.
        _ = Exited.ContinueWith(t => t.Exception, TaskScheduler.Default);
    }

    /// <summary>The end of the program.</summary>
    public Task<GuestExit> Exited { get; }

    /// <summary>Done when everything the program wrote has been read. A lost guest ends it when it is taken down.</summary>
    public Task Read => _pumps;

    /// <inheritdoc/>
    public TextWriter StandardInput { get; }

    /// <inheritdoc/>
    public TextReader StandardOutput { get; }

    /// <inheritdoc/>
    public bool HasExited => Exited.IsCompleted;

    /// <summary>Hands the framework's messages to a sink and the program's own lines to somebody else.</summary>
    /// <param name="sink">Told each message, in order.</param>
    /// <param name="own">Told each other line, also of standard error; from two threads.</param>
    /// <param name="acknowledge">Whether the program waits for an empty line after each message.</param>
    public void Pump(IMessageSink sink, Action<string> own, bool acknowledge) => _pumps = Task.WhenAll(
        Task.Factory.StartNew(() => PumpOutput(sink, own, acknowledge), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default),
        Task.Factory.StartNew(() => PumpError(own), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default));

    /// <inheritdoc/>
    public void Cancel(bool forceCancellation)
    {
        const char gracefully = '\x03';
        if (HasExited)
            return;
        if (forceCancellation)
            _process.Signal(Kill);
        else
            StandardInput.Write(gracefully);
    }

    /// <inheritdoc/>
    public bool WaitForExit(int milliseconds)
    {
        Task end = EndAsync();
        return Task.WaitAny([end], milliseconds) == 0;

        // A guest that hangs keeps its streams open until it is taken down.
        async Task EndAsync()
        {
            await Task.WhenAny(Exited);
            if (Exited.IsCompletedSuccessfully)
                await _pumps;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Cancel(forceCancellation: true);

    private void PumpOutput(IMessageSink sink, Action<string> own, bool acknowledge)
    {
        var lines = new MessageLines(text => Deliver(text, sink), own);
        char[] buffer = new char[16 * 1024];
        try
        {
            while (StandardOutput.Read(buffer, 0, buffer.Length) is > 0 and var n)
            {
                int messages = lines.Feed(buffer.AsSpan(0, n));
                if (acknowledge && messages > 0)
                    StandardInput.Write(new string('\n', messages));
            }
        }
        catch (Exception e) when (e is GuestException or ObjectDisposedException)
        {
            // Whoever waits for the program is told.
        }
        catch
        {
            // Nobody would answer the program any more.
            Cancel(forceCancellation: true);
            throw;
        }

        lines.End();
    }

    private void PumpError(Action<string> own)
    {
        var lines = new MessageLines(_ => false, own);
        using var reader = new StreamReader(_process.StandardError, Utf8);
        char[] buffer = new char[4096];
        try
        {
            while (reader.Read(buffer, 0, buffer.Length) is > 0 and var n)
                lines.Feed(buffer.AsSpan(0, n));
        }
        catch (Exception e) when (e is GuestException or ObjectDisposedException)
        {
            // Whoever waits for the program is told.
        }

        lines.End();
    }

    private static bool Deliver(string text, IMessageSink sink) =>
        TestMessages.Read(text) is { } message && TestMessages.Deliver(message, sink);
}
