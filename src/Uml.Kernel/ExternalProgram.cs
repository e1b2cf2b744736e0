using System.Collections.Immutable;
using System.Diagnostics;
using System.Text;

namespace Uml.CI;

/// <summary>What an external program left behind.</summary>
internal sealed record ExternalResult(int ExitCode, string StandardOutput, string StandardError);

/// <summary>An external program ended with a status other than zero.</summary>
internal sealed class ExternalProgramException(string program, int exitCode, string standardOutput, string standardError)
    : Exception(Describe(program, exitCode, standardError))
{
    public int ExitCode { get; } = exitCode;

    public string StandardOutput { get; } = standardOutput;

    public string StandardError { get; } = standardError;

    private static string Describe(string program, int exitCode, string standardError)
    {
        string tail = string.Join(" | ", standardError.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).TakeLast(5));
        return $"{Path.GetFileName(program)} ended with status {exitCode}" + (tail.Length == 0 ? "" : ": " + tail);
    }
}

/// <summary>
/// One external program and how to run it: an immutable description with an argument list, run as often as one likes.
/// Output is kept and, where asked for, handed on line by line. Cancellation asks the program to end (SIGTERM) and, after
/// <see cref="Grace"/>, kills it with everything it started; either way the task ends only when the program has.
/// </summary>
internal sealed record ExternalProgram(string FileName)
{
    // Nothing outlives this process: the shell reads from a pipe whose other end only this process holds, so its end, in
    // whatever way it comes, ends the program. (The prctl for that follows the life of a thread, which is no help from a
    // thread pool.) The watcher is killed and not asked, as it may not have dropped this trap yet. The program has a session of
    // its own, so that what it started can be ended with it.
    private const string Guard = """
        p= t=
        trap 't=1; [ -n "$p" ] && { kill -TERM "-$p" || kill -TERM "$p"; } 2>/dev/null' TERM INT HUP
        exec 3<&0
        setsid "$@" </dev/null 3<&- &
        p=$!
        [ -n "$t" ] && kill -TERM "$p" 2>/dev/null
        { trap - TERM INT HUP; while read -r _ <&3; do :; done; kill -TERM "-$p"; sleep 3; kill -KILL "-$p"; } >/dev/null 2>&1 &
        w=$!
        exec 3<&-
        wait "$p"; s=$?
        while kill -0 "$p" 2>/dev/null; do wait "$p"; s=$?; done
        kill -KILL "-$p" 2>/dev/null
        kill -KILL "$w" 2>/dev/null; wait "$w" 2>/dev/null
        exit "$s"
        """;

    public ImmutableArray<string> Arguments { get; init; } = [];

    public string? WorkingDirectory { get; init; }

    /// <summary>Added to the environment of this process; null removes a variable.</summary>
    public ImmutableDictionary<string, string?> Environment { get; init; } = ImmutableDictionary<string, string?>.Empty;

    /// <summary>What the program finds on its standard input: a few lines. Not for one that ends with this process.</summary>
    public string Input { get; init; } = "";

    /// <summary>Called for every line of standard output, from another thread.</summary>
    public Action<string>? OnOutput { get; init; }

    /// <summary>Called for every line of standard error, from another thread.</summary>
    public Action<string>? OnError { get; init; }

    /// <summary>The program ends when this process does.</summary>
    public bool EndsWithParent { get; init; }

    /// <summary>A status other than zero throws.</summary>
    public bool ThrowsOnFailure { get; init; } = true;

    /// <summary>How long a cancelled program has to end by itself.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Finds an executable in a search path (this process's own by default).</summary>
    public static string? Find(string name, string? searchPath = null)
    {
        searchPath ??= System.Environment.GetEnvironmentVariable("PATH");
        foreach (string directory in (searchPath ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries))
        {
            string candidate = Path.Combine(directory, name);
            if (Path.IsPathRooted(candidate) && File.Exists(candidate) && Native.IsExecutable(candidate))
                return candidate;
        }

        return null;
    }

    public async Task<ExternalResult> RunAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ProcessStartInfo start = new(EndsWithParent ? "/bin/sh" : FileName)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
            UseShellExecute = false,
            WorkingDirectory = WorkingDirectory ?? "",
        };
        string[] guard = EndsWithParent ? ["-c", Guard, "sh", FileName] : [];
        foreach (string argument in (string[])[.. guard, .. Arguments])
            start.ArgumentList.Add(argument);
        foreach ((string name, string? value) in Environment)
        {
            start.Environment.Remove(name);
            if (value is not null)
                start.Environment[name] = value;
        }

        using Process process = new() { StartInfo = start };
        StringBuilder output = new();
        StringBuilder error = new();
        process.OutputDataReceived += (_, line) =>
        {
            if (line.Data is null)
                return;
            lock (output)
                output.Append(line.Data).Append('\n');
            OnOutput?.Invoke(line.Data);
        };
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is null)
                return;
            lock (error)
                error.Append(line.Data).Append('\n');
            OnError?.Invoke(line.Data);
        };
        process.Start();
        if (!EndsWithParent)
            Feed(process);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();

        try
        {
            await process.WaitForExitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            await EndAsync(process);
            throw;
        }

        ExternalResult result;
        lock (output)
        {
            lock (error)
                result = new ExternalResult(process.ExitCode, output.ToString(), error.ToString());
        }

        return result.ExitCode == 0 || !ThrowsOnFailure
            ? result
            : throw new ExternalProgramException(FileName, result.ExitCode, result.StandardOutput, result.StandardError);
    }

    private void Feed(Process process)
    {
        try
        {
            process.StandardInput.Write(Input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended without reading it all.
        }
    }

    private async Task EndAsync(Process process)
    {
        if (!process.HasExited)
            _ = Native.Signal(process.Id, Native.SigTerm);
        if (await EndsWithinAsync(process, Grace))
            return;
        process.Kill(entireProcessTree: true);

        // Not for ever: something out of reach may hold on to the output.
        await EndsWithinAsync(process, TimeSpan.FromSeconds(5));
    }

    private static async Task<bool> EndsWithinAsync(Process process, TimeSpan time)
    {
        using CancellationTokenSource timeout = new(time);
        try
        {
            await process.WaitForExitAsync(timeout.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
