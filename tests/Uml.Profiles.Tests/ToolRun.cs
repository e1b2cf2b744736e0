using System.Diagnostics;

namespace Uml.CI.Profiles.Tests;

/// <summary>A run of the built tool, which lies beside the tests.</summary>
/// <param name="ExitCode">Its exit status.</param>
/// <param name="Output">Its output.</param>
/// <param name="Error">Its messages.</param>
internal sealed record ToolRun(int ExitCode, string Output, string Error)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Starts it.</summary>
    public static Process Start(params IEnumerable<string> arguments)
    {
        BootCount.Record();
        Process process = Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "uml"), arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, UseShellExecute = false })!;
        process.StandardInput.Close();
        return process;
    }

    /// <summary>Runs it to its end.</summary>
    public static async Task<ToolRun> RunAsync(params IEnumerable<string> arguments)
    {
        using Process process = Start(arguments);
        return await EndAsync(process);
    }

    /// <summary>Waits for its end.</summary>
    public static async Task<ToolRun> EndAsync(Process process)
    {
        try
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(Cancel);
            Task<string> error = process.StandardError.ReadToEndAsync(Cancel);
            await process.WaitForExitAsync(Cancel);
            return new ToolRun(process.ExitCode, await output, await error);
        }
        finally
        {
            // Asked, not killed: it takes its guest down.
            if (!process.HasExited)
                Process.Start("kill", [process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]).Dispose();
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"exit {ExitCode}\nstdout: {Output}\nstderr: {Error}";
}
