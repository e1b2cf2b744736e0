using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Uml.CI.Cli.Tests;

/// <summary>What a run of a program gave.</summary>
internal sealed record Run(int ExitCode, byte[] OutputBytes, string Error)
{
    public string Output => Encoding.UTF8.GetString(OutputBytes);

    /// <summary>For the message of an assertion that fails.</summary>
    public override string ToString() => $"exit {ExitCode}\nstdout: {Output}\nstderr: {Error}";
}

/// <summary>Tests that run the built tool. Each has directories of its own, and ends by seeing that nothing of its guests is left.</summary>
public abstract partial class ToolTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);
    private readonly string _memory = Path.Combine(System.IO.Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"cli-test-{Guid.NewGuid():N}");

    protected static string Uml { get; } = Path.Combine(AppContext.BaseDirectory, "uml");

    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>The test's own directory, with a name that asks for quoting.</summary>
    protected string Directory { get; } = Path.Combine(Path.GetTempPath(), $"uml cli ü {Guid.NewGuid():N}");

    /// <summary>Where guests are kept.</summary>
    protected string Runtime => System.IO.Directory.CreateDirectory(this[".runtime"]).FullName;

    protected string this[string name] => Path.Combine(Directory, name);

    public ValueTask InitializeAsync()
    {
        System.IO.Directory.CreateDirectory(Directory);
        System.IO.Directory.CreateDirectory(_memory);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        var clock = Stopwatch.StartNew();
        string[] left;
        while ((left = [.. Leftovers()]).Length > 0 && clock.Elapsed < TimeSpan.FromSeconds(5))
            await Task.Delay(50);
        System.IO.Directory.Delete(_memory, recursive: true);
        System.IO.Directory.Delete(Directory, recursive: true);
        GC.SuppressFinalize(this);
        Assert.Empty(left);
    }

    /// <summary>Starts the tool in the test's directory.</summary>
    protected Process Start(IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null) => StartProgram(Uml, arguments, environment);

    /// <summary>Runs the tool with some input, to its end.</summary>
    internal Task<Run> RunAsync(params string[] arguments) => RunAsync(arguments, input: null);

    internal async Task<Run> RunAsync(string[] arguments, byte[]? input, IReadOnlyDictionary<string, string?>? environment = null)
    {
        using Process process = Start(arguments, environment);
        return await EndAsync(process, input);
    }

    /// <summary>Runs a line of shell with the tool in the search path.</summary>
    internal async Task<Run> ShellAsync(string line, IReadOnlyDictionary<string, string?>? environment = null)
    {
        using Process process = StartProgram("/bin/bash", ["-c", line], environment);
        return await EndAsync(process, null);
    }

    internal static async Task<Run> EndAsync(Process process, byte[]? input, TimeSpan? patience = null)
    {
        using var output = new MemoryStream();
        Task<string> error = process.StandardError.ReadToEndAsync(Cancel);
        Task reading = process.StandardOutput.BaseStream.CopyToAsync(output, Cancel);
        try
        {
            if (input is not null)
                await process.StandardInput.BaseStream.WriteAsync(input, Cancel);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // The command did not read all of it.
        }

        await Task.WhenAll(error, reading, process.WaitForExitAsync(Cancel)).WaitAsync(patience ?? Patience, Cancel);
        return new Run(process.ExitCode, output.ToArray(), await error);
    }

    protected static void Signal(Process process, int signal)
    {
        ArgumentNullException.ThrowIfNull(process);
        Assert.Equal(0, Kill(process.Id, signal));
    }

    /// <summary>Starts a program in the test's directory, or another, with the tool in the search path.</summary>
    internal Process StartProgram(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment, string? directory = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = directory ?? Directory,
        };
        start.Environment["UML_TMPDIR"] = _memory;
        start.Environment["XDG_STATE_HOME"] = this["state"];
        start.Environment["XDG_RUNTIME_DIR"] = Runtime;
        start.Environment["PATH"] = $"{AppContext.BaseDirectory}:{Environment.GetEnvironmentVariable("PATH")}";
        start.Environment.Remove("UML_KERNEL");
        foreach ((string name, string? value) in environment ?? new Dictionary<string, string?>())
        {
            start.Environment.Remove(name);
            if (value is not null)
                start.Environment[name] = value;
        }

        return Process.Start(start)!;
    }

    // The process that keeps a guest has the tests' environment, the kernel names the directory in its own, the supervisor works in it, and a guest's processes map the memory file in it.
    private IEnumerable<string> Leftovers()
    {
        foreach (string entry in System.IO.Directory.EnumerateFileSystemEntries(_memory))
            yield return entry;
        foreach (string process in System.IO.Directory.EnumerateDirectories("/proc").Where(d => char.IsAsciiDigit(Path.GetFileName(d)[0])))
        {
            string? command = null;
            try
            {
                bool ours = new FileInfo($"{process}/cwd").LinkTarget?.StartsWith(_memory, StringComparison.Ordinal) == true
                    || File.ReadAllText($"{process}/environ").Split('\0').Any(v => v.StartsWith($"TMPDIR={_memory}/", StringComparison.Ordinal) || v == $"UML_TMPDIR={_memory}")
                    || File.ReadAllText($"{process}/maps").Contains(_memory, StringComparison.Ordinal);
                if (ours)
                    command = File.ReadAllText($"{process}/cmdline").Replace('\0', ' ');
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It has ended in the meantime, or is somebody else's.
            }

            if (command is not null)
                yield return $"{process}: {command}";
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
