using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Uml.CI.Cli;

/// <summary>Runs this tool as a child, with what it prints passed on by lines: a guest is to end with its own process, whatever becomes of it.</summary>
internal sealed class ActionTool : IDisposable
{
    private const int LongestLine = 64 * 1024;
    private const int Interrupt = 2, Terminate = 15, HangUp = 1;

    private readonly List<PosixSignalRegistration> _signals = [];
    private readonly Lock _lock = new();
    private Process? _running;

    public ActionTool()
    {
        foreach ((PosixSignal signal, int number) in (ReadOnlySpan<(PosixSignal, int)>)[(PosixSignal.SIGINT, Interrupt), (PosixSignal.SIGTERM, Terminate), (PosixSignal.SIGHUP, HangUp)])
            _signals.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                Signal = number;
                lock (_lock)
                {
                    if (_running is { } process)
                        Native.Kill(process.Id, number);
                }
            }));
    }

    /// <summary>The signal that says to stop; 0 for none.</summary>
    public int Signal { get; private set; }

    /// <summary>Runs it and returns its exit status.</summary>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="line">Told every line of its output and its errors, one at a time.</param>
    public async Task<int> RunAsync(IEnumerable<string> arguments, Action<string>? line = null)
    {
        string program = Environment.ProcessPath!;
        string[] self = Path.GetFileName(program) == "dotnet" ? ["exec", typeof(ActionTool).Assembly.Location] : [];
        var start = new ProcessStartInfo(program, [.. self, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        // What the runner has for its own step is none of the guest's business: files that it reads, and what may be a key.
        foreach (string name in start.Environment.Keys.Where(IsPrivate).ToArray())
            start.Environment.Remove(name);
        using Process process = Process.Start(start)!;
        lock (_lock)
            _running = process;
        try
        {
            process.StandardInput.Close();
            var output = new Lock();
            await Task.WhenAll(
                Task.Run(() => Pass(process.StandardOutput.BaseStream, output, line)),
                Task.Run(() => Pass(process.StandardError.BaseStream, output, line)),
                process.WaitForExitAsync());
            return process.ExitCode;
        }
        finally
        {
            lock (_lock)
                _running = null;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (PosixSignalRegistration signal in _signals)
            signal.Dispose();
    }

    private static bool IsPrivate(string name) =>
        name is "GITHUB_OUTPUT" or "GITHUB_ENV" or "GITHUB_PATH" or "GITHUB_STATE" or "GITHUB_STEP_SUMMARY" or "GITHUB_TOKEN"
        || name.StartsWith("INPUT_", StringComparison.Ordinal) || name.StartsWith("ACTIONS_", StringComparison.Ordinal);

    // Both streams are one to the runner; whole lines keep them apart.
    private static void Pass(Stream from, Lock output, Action<string>? line)
    {
        byte[] buffer = new byte[LongestLine];
        int held = 0;
        int n;
        while ((n = from.Read(buffer, held, buffer.Length - held)) > 0)
        {
            held += n;
            int end = Array.LastIndexOf(buffer, (byte)'\n', held - 1, held) + 1;
            if (end == 0 && held == buffer.Length)
                end = held;
            Write(buffer.AsSpan(0, end), output, line);
            buffer.AsSpan(end, held - end).CopyTo(buffer);
            held -= end;
        }

        Write(buffer.AsSpan(0, held), output, line);
    }

    private static void Write(ReadOnlySpan<byte> text, Lock output, Action<string>? line)
    {
        if (text.IsEmpty)
            return;
        lock (output)
        {
            Descriptor.Output.Write(text);
            if (text[^1] != (byte)'\n')
                Descriptor.Output.Write("\n"u8);
            if (line is null)
                return;
            foreach (string one in System.Text.Encoding.UTF8.GetString(text).TrimEnd('\n').Split('\n'))
                line(one.TrimEnd('\r'));
        }
    }
}
