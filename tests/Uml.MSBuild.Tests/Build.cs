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
    // Not the project's: the tasks must not take the caller's directory for it.
    private string _directory = "/";
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

    public Build From(string directory)
    {
        _directory = directory;
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

    /// <summary>Writes a project that has <paramref name="items"/> and a target Build that does nothing.</summary>
    public string WriteProject(string items, string name = "test.proj", string build = "")
    {
        Directory.CreateDirectory(Path.GetDirectoryName(this[name])!);
        File.WriteAllText(this[name], $"""
            <Project DefaultTargets="Build">
              <PropertyGroup>
                <UmlTaskAssembly>{Metadata("TaskAssembly")}</UmlTaskAssembly>
                <IntermediateOutputPath>obj/</IntermediateOutputPath>
              </PropertyGroup>
              <Import Project="{AppContext.BaseDirectory}build/Uml.MSBuild.props" />
              <ItemGroup>
                {items}
              </ItemGroup>
              <Target Name="Build">{build}</Target>
              <Import Project="{AppContext.BaseDirectory}build/Uml.MSBuild.targets" />
            </Project>
            """);
        return this[name];
    }

    /// <summary>Builds a project that is there; what an earlier build said is forgotten.</summary>
    public Build StartBuild(string name = "test.proj", params string[] arguments)
    {
        _process?.Dispose();
        lock (_output)
            _output.Clear();
        return StartDotnet(["msbuild", this[name], "-nologo", "-tl:off", "-nodeReuse:false", .. arguments]);
    }

    public Build StartDotnet(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments)
        {
            WorkingDirectory = _directory,
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

    /// <summary>Waits until nothing of the build's guests is left: these processes, those that name the guests' directory, and what is in it.</summary>
    public async Task AssertGuestsGoneAsync(int[] processes, string what = "")
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            int[] left = [.. processes.Union(ProcessesThatName(GuestDirectory)).Where(p => ReadStat(p) is { State: not ('Z' or 'X') })];
            string[] files = Directory.GetFileSystemEntries(GuestDirectory);
            if (left.Length + files.Length == 0)
                return;
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5), $"left behind {what}: processes {string.Join(' ', left)}, files {string.Join(' ', files)}\n{Output}");
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

    private static IEnumerable<int> ProcessesThatName(string directory)
    {
        foreach (string process in Directory.GetDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(process), out int pid))
                continue;
            string commandLine = "";
            try
            {
                commandLine = File.ReadAllText($"{process}/cmdline");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It has ended, or is somebody else's.
            }

            if (commandLine.Contains(directory, StringComparison.Ordinal))
                yield return pid;
        }
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
