using System.Diagnostics;
using System.Reflection;
using System.Text;
using Xunit;

namespace Uml.CI.MSBuild;

/// <summary>A build in a process of its own, in a directory of its own.</summary>
internal sealed class Build : IDisposable
{
    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("uml-msbuild-tests-");
    private readonly Dictionary<string, string> _environment = new(StringComparer.Ordinal);
    private readonly StringBuilder _output = new();
    private Process? _process;
    private Task _reading = Task.CompletedTask;

    public Build() => Directory.CreateDirectory(GuestDirectory);

    public string this[string name] => Path.Combine(_scratch.FullName, name);

    /// <summary>Where the build's guests have their memory and their files: empty when they are gone.</summary>
    public string GuestDirectory => this["guests"];

    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    public static string Metadata(string key) =>
        typeof(Build).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == key).Value!;

    public Build With(string variable, string value)
    {
        _environment[variable] = value;
        return this;
    }

    /// <summary>Starts a build whose one target has <paramref name="tasks"/>.</summary>
    public Build Start(string tasks, params string[] arguments)
    {
        File.WriteAllText(this["test.proj"], $"""
            <Project DefaultTargets="Run">
              <PropertyGroup>
                <UmlTaskAssembly>{Metadata("TaskAssembly")}</UmlTaskAssembly>
              </PropertyGroup>
              <Import Project="{AppContext.BaseDirectory}build/Uml.MSBuild.props" />
              <Import Project="{AppContext.BaseDirectory}build/Uml.MSBuild.targets" />
              <Target Name="Run">
                {tasks}
              </Target>
            </Project>
            """);
        return StartDotnet(["msbuild", this["test.proj"], "-nologo", "-tl:off", "-nodeReuse:false", .. arguments]);
    }

    public Build StartDotnet(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments)
        {
            // Not the project's: the tasks must not take the caller's directory for it.
            WorkingDirectory = "/",
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // What the SDK that runs these tests tells its children is not for this one.
        foreach (string variable in start.Environment.Keys.Where(k => k.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToArray())
            start.Environment.Remove(variable);
        start.Environment["UML_TMPDIR"] = GuestDirectory;
        foreach ((string variable, string value) in _environment)
            start.Environment[variable] = value;
        _process = Process.Start(start)!;
        _reading = Task.WhenAll(ReadAsync(_process.StandardOutput), ReadAsync(_process.StandardError));
        return this;
    }

    /// <summary>Waits for the build's end; returns its exit status.</summary>
    public async Task<int> WaitAsync()
    {
        await _process!.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromMinutes(3));
        // A node that outlives the build may hold the pipes.
        await Task.WhenAny(_reading, Task.Delay(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken));
        return _process.ExitCode;
    }

    public async Task WaitForOutputAsync(string text)
    {
        while (!Output.Contains(text, StringComparison.Ordinal))
        {
            Assert.False(_process!.HasExited, Output);
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
    }

    public void Signal(string name)
    {
        using Process kill = Process.Start("kill", ["-s", name, $"{_process!.Id}"]);
        kill.WaitForExit();
    }

    /// <summary>The processes of the build's guests: what was started below the build and is not .NET's own.</summary>
    public int[] GuestProcesses()
    {
        Dictionary<int, int> parents = [];
        foreach (string directory in Directory.GetDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), out int pid) && ReadStat(pid) is { } stat)
                parents[pid] = stat.Parent;
        }

        bool Below(int pid) => parents.TryGetValue(pid, out int parent) && (parent == _process!.Id || (parent > 1 && Below(parent)));
        return [.. parents.Keys.Where(p => Below(p) && ReadStat(p)?.Name is not (null or "dotnet" or "MSBuild"))];
    }

    /// <summary>Waits until nothing of the build's guests is left.</summary>
    public async Task AssertGuestsGoneAsync(int[] processes)
    {
        var clock = Stopwatch.StartNew();
        while (processes.Any(p => ReadStat(p) is { State: not ('Z' or 'X') }) || Directory.EnumerateFileSystemEntries(GuestDirectory).Any())
        {
            Assert.True(
                clock.Elapsed < TimeSpan.FromSeconds(5),
                $"left behind: processes {string.Join(' ', processes.Where(p => ReadStat(p) is not null))}, files {string.Join(' ', Directory.EnumerateFileSystemEntries(GuestDirectory))}\n{Output}");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }

    public void Dispose()
    {
        if (_process is not null)
        {
            if (!_process.HasExited)
                _process.Kill(entireProcessTree: true);
            _process.Dispose();
        }

        _scratch.Delete(recursive: true);
    }

    private static (string Name, char State, int Parent)? ReadStat(int pid)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{pid}/stat");
            int end = stat.LastIndexOf(')');
            string[] fields = stat[(end + 2)..].Split(' ');
            return (stat[(stat.IndexOf('(', StringComparison.Ordinal) + 1)..end], fields[0][0], int.Parse(fields[1]));
        }
        catch (IOException)
        {
            return null;
        }
    }

    private async Task ReadAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (_output)
                _output.Append(line).Append('\n');
        }
    }
}
