using System.Diagnostics;

namespace Uml.CI.Cli;

/// <summary>Starts the process that keeps a guest, and waits until the guest is ready.</summary>
internal static class SessionStart
{
    /// <summary>What the process that keeps the guest writes after its last message; all that it said before has arrived with it.</summary>
    public const byte EndOfMessages = 0;

    /// <summary>Starts it; the exit status is 0 when the guest serves commands, else what the process gave, which has said why.</summary>
    /// <param name="arguments">The arguments that describe the guest, as this process has them.</param>
    /// <param name="name">The guest's name, which is printed.</param>
    public static async Task<int> RunAsync(IEnumerable<string> arguments, string name)
    {
        using var signals = new ForwardedSignals();
        // A caller's pipe must not stay open for as long as the guest is kept.
        foreach (string descriptor in Directory.GetFiles("/proc/self/fd").Select(f => Path.GetFileName(f)!))
        {
            if (int.Parse(descriptor, System.Globalization.CultureInfo.InvariantCulture) is > 2 and var fd && Native.IsInherited(fd))
                Native.CloseOnExec(fd);
        }

        string program = Environment.ProcessPath!;
        string[] self = Path.GetFileName(program) == "dotnet" ? ["exec", typeof(SessionStart).Assembly.Location] : [];
        var start = new ProcessStartInfo(program, [.. self, GuestCommand.Name, GuestKeepCommand.Name, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            // A pipe of its own: the runtime keeps a copy of it, and our caller may wait for the end of ours.
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task messages = Task.Run(() => PassMessages(process.StandardError.BaseStream));
        try
        {
            if (await process.StandardOutput.ReadLineAsync(signals.Stopped) == "ready")
            {
                await messages;
                Descriptor.Output.WriteLine(name);
                return 0;
            }

            await process.WaitForExitAsync(signals.Stopped);
            await messages;
            return process.ExitCode == 0 ? ExitStatus.NotProvided : process.ExitCode;
        }
        catch (OperationCanceledException)
        {
            const int Terminate = 15;
            Native.Kill(process.Id, Terminate);
            await process.WaitForExitAsync();
            return ExitStatus.OfSignal(signals.Last);
        }
    }

    private static void PassMessages(Stream from)
    {
        byte[] buffer = new byte[4096];
        int n;
        while ((n = from.Read(buffer, 0, buffer.Length)) > 0)
        {
            int end = Array.IndexOf(buffer, EndOfMessages, 0, n);
            Descriptor.Error.Write(buffer.AsSpan(0, end < 0 ? n : end));
            if (end >= 0)
                return;
        }
    }
}
