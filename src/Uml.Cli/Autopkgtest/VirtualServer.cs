using System.Globalization;
using System.Text;
using System.Threading.Channels;

namespace Uml.CI.Cli;

/// <summary>
/// A virtualisation server of autopkgtest: obeys a line at a time on standard input, and answers each with a line on standard output
/// (README.virtualisation-server.rst of autopkgtest).
/// </summary>
internal sealed class VirtualServer : IDisposable
{
    // As autopkgtest's own servers end: a failure they know of, and one they do not.
    private const int Failure = 12, Unexpected = 16;
    private const string CopyTimeoutVariable = "AUTOPKGTEST_VIRT_COPY_TIMEOUT";
    private static readonly TimeSpan DefaultCopyTimeout = TimeSpan.FromSeconds(300);

    private readonly ForwardedSignals _signals = new();
    private readonly bool _debug;
    private readonly Testbed _testbed;
    private readonly TimeSpan _copyTimeout = ReadCopyTimeout(Environment.GetEnvironmentVariable(CopyTimeoutVariable));

    private VirtualServer(TestbedRequest request)
    {
        _debug = request.Debug;
        _testbed = new Testbed(request, Debug);
    }

    /// <summary>Serves until the end of its input, and returns the exit status.</summary>
    public static async Task<int> RunAsync(TestbedRequest request)
    {
        using var server = new VirtualServer(request);
        return await server.RunAsync();
    }

    /// <inheritdoc/>
    public void Dispose() => _signals.Dispose();

    /// <summary>How long a copy may take; what is no number of seconds is the default.</summary>
    internal static TimeSpan ReadCopyTimeout(string? text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int seconds) && seconds > 0 ? TimeSpan.FromSeconds(seconds) : DefaultCopyTimeout;

    private async Task<int> RunAsync()
    {
        await using Testbed testbed = _testbed;
        try
        {
            ChannelReader<string> lines = ReadLines();
            Reply("ok");
            while (true)
            {
                if (!await lines.WaitToReadAsync(_signals.Stopped) || !lines.TryRead(out string? line))
                    throw new VirtualServerException("end of the commands: is the caller gone?");
                string[] words = ProtocolLine.Decode(line);
                if (words.Length == 0)
                    continue;
                Debug($"command: {line.Trim()}");
                if (words[0] == "quit")
                {
                    Check(words, 0, 0);
                    await _testbed.CloseAsync();
                    Reply("ok");
                    return 0;
                }

                Reply(await ObeyAsync(words));
            }
        }
        catch (OperationCanceledException) when (_signals.Stopped.IsCancellationRequested)
        {
            return ExitStatus.OfSignal(_signals.Last);
        }
        catch (VirtualServerException e)
        {
            Say($"failure: {e.Message}");
            return Failure;
        }
        catch (Exception e) when (Outcome.Of(e, signal: 0) is { } outcome)
        {
            Say($"failure: {outcome.Error}");
            if (outcome.Detail.TrimEnd() is { Length: > 0 } detail)
                Descriptor.Error.WriteLine(detail);
            return Failure;
        }
        catch (Exception e)
        {
            Say($"unexpected error: {e}");
            return Unexpected;
        }
    }

    private async Task<string> ObeyAsync(string[] words)
    {
        CancellationToken stopped = _signals.Stopped;
        switch (words[0])
        {
            case "capabilities":
                Check(words, 0, 0);
                return $"ok isolation-machine revert revert-full-system root-on-testbed{(_testbed.HasDisk ? " reboot" : "")}";
            case "open":
                Check(words, 0, 0);
                if (_testbed.IsOpen)
                    throw new VirtualServerException("\"open\" while the testbed is open");
                await _testbed.OpenAsync(stopped);
                return $"ok {ProtocolLine.Encode(_testbed.Scratch)}";
            case "close":
                Check(words, 0, 0);
                MustBeOpen(words[0]);
                await _testbed.CloseAsync();
                return "ok";
            case "revert":
                Check(words, 0, 0);
                MustBeOpen(words[0]);
                await _testbed.CloseAsync();
                await _testbed.OpenAsync(stopped);
                return $"ok {ProtocolLine.Encode(_testbed.Scratch)}";
            case "reboot":
                Check(words, 0, 1);
                MustBeOpen(words[0]);
                if (!_testbed.HasDisk)
                    throw new VirtualServerException("\"reboot\" is not among the capabilities");
                await _testbed.RebootAsync(wait: words is [_, "prepare-only"], stopped);
                return "ok";
            case "print-execute-command":
                Check(words, 0, 0);
                MustBeOpen(words[0]);
                return $"ok {string.Join(',', _testbed.Command.Select(ProtocolLine.Encode))}";
            case "copydown" or "copyup":
                return await CopyAsync(words);
            case "shell":
                Check(words, 1, int.MaxValue);
                MustBeOpen(words[0]);
                try
                {
                    await _testbed.ShellAsync(words[1], words[2..], stopped);
                }
                catch (Exception e) when (e is IOException or ExecException)
                {
                    Say($"no shell: {(e as ExecException)?.Summary ?? e.Message}");
                }

                return "ok";
            // autopkgtest says it as it calls it, with either.
            case "auxverb_debug_fail" or "auxverb-debug-fail":
                Check(words, 0, 0);
                Say(await _testbed.DescribeAsync(stopped));
                return "ok";
            default:
                throw new VirtualServerException($"there is no command \"{words[0]}\"");
        }
    }

    private async Task<string> CopyAsync(string[] words)
    {
        MustBeOpen(words[0]);
        Check(words, 2, 0);
        (string source, string target) = (words[1], words[2]);
        if (source.Length == 0 || target.Length == 0)
            throw new VirtualServerException($"{words[0]}: a path is empty");
        if (source.EndsWith('/') != target.EndsWith('/'))
            throw new VirtualServerException($"{words[0]}: either both paths end in / or none does: {source} {target}");
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_signals.Stopped);
        limit.CancelAfter(_copyTimeout);
        try
        {
            await (words[0] == "copydown" ? _testbed.CopyDownAsync(source, target, limit.Token) : _testbed.CopyUpAsync(source, target, limit.Token));
            return "ok";
        }
        catch (OperationCanceledException) when (!_signals.Stopped.IsCancellationRequested)
        {
            return "timeout";
        }
        catch (Exception e) when (e is GuestException and not (KernelPanicException or GuestConnectionException) or IOException or UnauthorizedAccessException)
        {
            Say($"{words[0]}: {e.Message}");
            return "copy-failed";
        }
    }

    private void MustBeOpen(string command)
    {
        if (!_testbed.IsOpen)
            throw new VirtualServerException($"\"{command}\" while no testbed is open");
    }

    private static void Check(string[] words, int required, int optional)
    {
        if (words.Length < 1 + required)
            throw new VirtualServerException($"too few arguments for \"{words[0]}\"");
        if (words.Length - 1 - required > optional)
            throw new VirtualServerException($"too many arguments for \"{words[0]}\"");
    }

    // A thread of its own: a read of a pipe cannot be broken off.
    private static ChannelReader<string> ReadLines()
    {
        var lines = Channel.CreateUnbounded<string>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        new Thread(() =>
        {
            byte[] buffer = new byte[4096];
            using var line = new MemoryStream();
            int n;
            while ((n = Descriptor.Input.Read(buffer)) > 0)
            {
                foreach (byte b in buffer.AsSpan(0, n))
                {
                    if (b != '\n')
                    {
                        line.WriteByte(b);
                        continue;
                    }

                    lines.Writer.TryWrite(Encoding.UTF8.GetString(line.GetBuffer(), 0, (int)line.Length));
                    line.SetLength(0);
                }
            }

            lines.Writer.Complete();
        })
        {
            IsBackground = true,
            Name = "commands",
        }.Start();
        return lines.Reader;
    }

    // Whoever does not read the answer will not send another command.
    private void Reply(string line)
    {
        Debug($"answer: {line}");
        Descriptor.Output.WriteLine(line);
    }

    private void Debug(string text)
    {
        if (_debug)
            Say($"debug: {text}");
    }

    private static void Say(string text) => Descriptor.Error.WriteLine($"autopkgtest-virt-uml: {text}");
}
