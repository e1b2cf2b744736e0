using System.Diagnostics;
using System.Globalization;

namespace Uml.CI.EndToEnd.Tests;

/// <summary>How a program that was started ended.</summary>
internal sealed record Outcome(int ExitCode, string Output, string Error);

/// <summary>The uml tool and other programs, started as a user would start them.</summary>
internal static class Tool
{
    public static string Uml { get; } = Path.Combine(AppContext.BaseDirectory, "uml");

    public static bool IsRoot { get; } = Environment.UserName == "root";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static Process Start(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, UseShellExecute = false };
        foreach ((string name, string? value) in environment ?? new Dictionary<string, string?>())
            start.Environment[name] = value;
        if (arguments.Contains("run"))
            BootCount.Record();
        Process process = Process.Start(start)!;
        process.StandardInput.Close();
        return process;
    }

    public static async Task<Outcome> RunAsync(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null)
    {
        using Process process = Start(program, arguments, environment);
        Task<string> output = process.StandardOutput.ReadToEndAsync(Cancel);
        Task<string> error = process.StandardError.ReadToEndAsync(Cancel);
        await process.WaitForExitAsync(Cancel);
        return new Outcome(process.ExitCode, await output, await error);
    }

    /// <summary>Compiles one of the C programs beside the tests, statically, for host and guest.</summary>
    public static async Task<string> CompileAsync(string name, string directory)
    {
        string program = Path.Combine(directory, name);
        Outcome gcc = await RunAsync("gcc", ["-static", "-O2", "-o", program, Path.Combine(AppContext.BaseDirectory, name + ".c")]);
        Assert.True(gcc.ExitCode == 0, gcc.Error);
        return program;
    }
}

/// <summary>A directory of the host that goes away with the test.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    public TemporaryDirectory(string parent, string name = "end to end ü")
    {
        Path = System.IO.Path.Combine(parent, $"{name} {Guid.NewGuid():N}"[..(name.Length + 9)]);
        Directory.CreateDirectory(Path);
        File.SetUnixFileMode(Path, (UnixFileMode)0x1ff);
    }

    public string Path { get; }

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

/// <summary>Processes of this host, told apart even when numbers are used again.</summary>
internal sealed record HostProcess(int Id, int Parent, string StartTime, string State, string Command)
{
    public static List<HostProcess> All()
    {
        var found = new List<HostProcess>();
        foreach (string directory in Directory.GetDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out int pid) && Read(pid) is { } process)
                found.Add(process);
        }

        return found;
    }

    /// <summary>A process and everything below it, as it is now.</summary>
    public static List<HostProcess> Tree(int root)
    {
        ILookup<int, HostProcess> children = All().ToLookup(p => p.Parent);
        var tree = new List<HostProcess>();
        var waiting = new Queue<HostProcess>(children[root]);
        while (waiting.TryDequeue(out HostProcess? process))
        {
            tree.Add(process);
            foreach (HostProcess child in children[process.Id])
                waiting.Enqueue(child);
        }

        return tree;
    }

    /// <summary>Whether this very process still runs; a zombie does not.</summary>
    public bool Lives() => Read(Id) is { } now && now.StartTime == StartTime && now.State != "Z";

    private static HostProcess? Read(int pid)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{pid}/stat");
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return new HostProcess(pid, int.Parse(fields[1], CultureInfo.InvariantCulture), fields[19], fields[0], File.ReadAllText($"/proc/{pid}/cmdline").Replace('\0', ' '));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
