namespace Uml.CI.Cli;

/// <summary>A shell in a testbed, for a person. The terminal is the one that controls this process; its standard streams are autopkgtest's.</summary>
internal static class TestbedShell
{
    private const int InputInterval = 100;

    // The guest has no say in which shells there are.
    private const string Script = "command -v bash >/dev/null && exec bash -i; exec sh -i";

    /// <summary>Runs it until its end.</summary>
    /// <param name="guest">The testbed.</param>
    /// <param name="directory">Its working directory.</param>
    /// <param name="environment">Its variables, NAME=VALUE.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public static async Task RunAsync(Guest guest, string directory, IEnumerable<string> environment, CancellationToken cancellationToken)
    {
        int number = Native.OpenTerminal();
        if (number < 0)
            throw new IOException($"cannot open the terminal: {Native.Describe(-number)}");
        byte[]? settings = Native.Settings(number);
        try
        {
            Descriptor terminal = Descriptor.Of(number);
            var variables = environment.Select(e => e.Split('=', 2)).Where(p => p.Length == 2 && p[0].Length > 0)
                .Append(["TERM", Environment.GetEnvironmentVariable("TERM") ?? "linux"])
                .DistinctBy(p => p[0], StringComparer.Ordinal);
            GuestProcess process = await guest.StartProcessAsync(
                new ExecOptions("sh", "-c", Script)
                {
                    WorkingDirectory = directory,
                    RedirectStandardInput = true,
                    Terminal = Native.SizeOf(number) ?? new TerminalSize(80, 24),
                    Environment = new ExecOptions().Environment.AddRange(variables.Select(p => KeyValuePair.Create(p[0], p[1]))),
                    Timeout = Timeout.InfiniteTimeSpan,
                },
                cancellationToken);
            if (settings is not null)
                Native.MakeRaw(number, settings);
            bool ended = false;
            Task input = OnThread(() =>
            {
                byte[] buffer = new byte[4096];
                while (!Volatile.Read(ref ended))
                {
                    if (!Native.Poll(number, Native.PollIn, InputInterval))
                        continue;
                    int n = terminal.Read(buffer);
                    if (n <= 0)
                        return;
                    try
                    {
                        process.StandardInput.Write(buffer, 0, n);
                    }
                    catch (Exception e) when (e is IOException or GuestException or ObjectDisposedException)
                    {
                        return;
                    }
                }
            });
            Task output = OnThread(() =>
            {
                byte[] buffer = new byte[64 * 1024];
                try
                {
                    int n;
                    while ((n = process.StandardOutput.Read(buffer, 0, buffer.Length)) > 0)
                        terminal.Write(buffer.AsSpan(0, n));
                }
                catch (Exception e) when (e is GuestException or ObjectDisposedException)
                {
                    // Whoever waits for the command is told.
                }
            });
            try
            {
                await process.WaitAsync(cancellationToken);
                await output;
            }
            finally
            {
                Volatile.Write(ref ended, true);
                await input;
            }
        }
        finally
        {
            if (settings is not null)
                Native.Restore(number, settings);
            Native.Close(number);
        }
    }

    private static Task OnThread(Action action) =>
        Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
