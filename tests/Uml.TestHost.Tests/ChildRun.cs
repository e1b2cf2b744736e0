using System.Diagnostics;
using System.Text.Json;
using Xunit;

namespace Uml.CI.TestHost;

/// <summary>Runs tests of Uml.TestHost.Cases in a process of their own, and keeps what it reported.</summary>
internal sealed class ChildRun : IDisposable
{
    private const string Program = "Uml.TestHost.Cases";

    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("uml-testhost-tests-");

    // Every guest of the child, also one no test knows of, has its directory below this. Not named uml-*: supervisors remove those.
    private readonly DirectoryInfo _guests = Directory.CreateDirectory(Path.Combine(MemoryDirectory.Find(GuestOptions.MinimumMemory), $"testhost-{Guid.NewGuid():N}"));
    private readonly Process _process;
    private readonly Task<string> _output;

    private ChildRun(string[] filter, (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(AppContext.BaseDirectory.Replace("Uml.TestHost.Tests", Program, StringComparison.Ordinal) + Program)
        {
            ArgumentList = { "-ctrf", Report, "-noColor", "-noLogo" },
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string argument in filter)
            start.ArgumentList.Add(argument);
        // A run of the test platform tells its child so; this child is to take the runner's own command line.
        foreach (string variable in start.Environment.Keys.Where(k => k.StartsWith("TESTINGPLATFORM", StringComparison.Ordinal)).ToArray())
            start.Environment.Remove(variable);
        start.Environment.Remove("UML_REQUIRED");
        start.Environment["TMPDIR"] = _scratch.CreateSubdirectory("tmp").FullName;
        start.Environment["UML_TMPDIR"] = _guests.FullName;
        // What the tests of this assembly do side by side is not to keep them from their guests.
        start.Environment["UML_MAX_GUESTS"] = "16";
        start.Environment["UML_RESULTS_DIRECTORY"] = Results;
        start.Environment["UML_TESTHOST_TRACE"] = TraceFile;
        foreach ((string variable, string value) in environment)
            start.Environment[variable] = value;
        _process = Process.Start(start)!;
        _output = Task.Run(async () =>
        {
            string[] streams = await Task.WhenAll(_process.StandardOutput.ReadToEndAsync(), _process.StandardError.ReadToEndAsync());
            return string.Concat(streams);
        });
    }

    public int ProcessId => _process.Id;

    /// <summary>How many guests there are now.</summary>
    public int GuestCount => _guests.GetDirectories().Length;

    public string Results => Path.Combine(_scratch.FullName, "results");

    private string Report => Path.Combine(_scratch.FullName, "report.json");

    private string TraceFile => Path.Combine(_scratch.FullName, "trace");

    public static ChildRun OfMethod(string name, params (string Name, string Value)[] environment) => new(["-method", $"Uml.CI.TestHost.Cases.{name}"], environment);

    public static ChildRun Of(params string[] filter) => new(filter, []);

    public static ChildRun OfClass(string name, params (string Name, string Value)[] environment) => new(["-class", $"Uml.CI.TestHost.Cases.{name}"], environment);

    /// <summary>Waits for the child's end and returns what it wrote.</summary>
    public async Task<string> OutputAsync()
    {
        string output = await _output.WaitAsync(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken);
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return output;
    }

    public async Task<Dictionary<string, Result>> WaitAsync()
    {
        string output = await OutputAsync();
        Assert.True(File.Exists(Report), output);
        using JsonDocument report = JsonDocument.Parse(await File.ReadAllTextAsync(Report, TestContext.Current.CancellationToken));
        return report.RootElement.GetProperty("results").GetProperty("tests").EnumerateArray()
            .Select(t => new Result(t.Clone(), output))
            .ToDictionary(r => r.Name, StringComparer.Ordinal);
    }

    /// <summary>Waits until the child has started a guest.</summary>
    public async Task<GuestTrace> FirstGuestAsync()
    {
        while (!File.Exists(TraceFile) || !(await File.ReadAllTextAsync(TraceFile)).EndsWith('\n'))
        {
            Assert.False(_process.HasExited, "the child ended without a guest");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }

        return Guests()[0];
    }

    /// <summary>Waits until the child has as many guests, those that no test has yet included.</summary>
    public async Task GuestsAsync(int count)
    {
        var clock = Stopwatch.StartNew();
        while (GuestCount < count)
        {
            Assert.True(clock.Elapsed < TimeSpan.FromMinutes(1), $"{GuestCount} guests, not {count}");
            Assert.False(_process.HasExited, "the child ended before it had its guests");
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Waits until nothing of any guest is left.</summary>
    public async Task AssertNothingLeftAsync()
    {
        var clock = Stopwatch.StartNew();
        while (Left() is { Length: > 0 } left)
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5), $"left behind: {left}");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }

    public GuestTrace[] Guests() => [.. File.ReadAllLines(TraceFile).Select(l => l.Split(' ', 3)).Select(f => new GuestTrace(int.Parse(f[0]), int.Parse(f[1]), f[2]))];

    public void Signal(string name)
    {
        using Process kill = Process.Start("kill", ["-s", name, $"{_process.Id}"]);
        kill.WaitForExit();
    }

    public Task ExitedAsync() => _process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(30));

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        // A line for each guest, for who counts them.
        if (Environment.GetEnvironmentVariable("UML_TEST_BOOTS") is { Length: > 0 } boots && File.Exists(TraceFile))
        {
            Directory.CreateDirectory(boots);
            File.WriteAllLines(Path.Combine(boots, _scratch.Name), File.ReadAllLines(TraceFile).Distinct(StringComparer.Ordinal));
        }

        _scratch.Delete(recursive: true);
        _guests.Delete(recursive: true);
    }

    private string Left()
    {
        var left = new List<string>(_guests.GetFileSystemInfos().Select(f => f.FullName));
        foreach (string process in Directory.GetDirectories("/proc").Where(p => char.IsAsciiDigit(p[^1])))
        {
            try
            {
                if (File.ReadAllText($"{process}/cmdline").Contains(_guests.FullName, StringComparison.Ordinal)
                    || new FileInfo($"{process}/cwd").LinkTarget?.StartsWith(_guests.FullName, StringComparison.Ordinal) == true)
                    left.Add(process);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It ended while it was looked at, or is none of ours.
            }
        }

        return string.Join(' ', left);
    }
}

/// <summary>A guest of a child.</summary>
internal sealed record GuestTrace(int Supervisor, int Kernel, string Directory)
{
    /// <summary>Waits until nothing of the guest is left.</summary>
    public async Task AssertGoneAsync()
    {
        var clock = Stopwatch.StartNew();
        while (Alive(Supervisor) || Alive(Kernel) || System.IO.Directory.Exists(Directory))
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5), $"left behind: supervisor {Alive(Supervisor)}, kernel {Alive(Kernel)}, directory {System.IO.Directory.Exists(Directory)}");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }

    // A zombie runs nothing; reaping it is its new parent's affair.
    private static bool Alive(int pid)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[stat.LastIndexOf(')') + 2] is not ('Z' or 'X');
        }
        catch (IOException)
        {
            return false;
        }
    }
}

/// <summary>What a child reported about one test.</summary>
internal sealed class Result(JsonElement test, string output)
{
    public string Name { get; } = test.GetProperty("name").GetString()!["Uml.CI.TestHost.Cases.".Length..].Split('.', 2)[1];

    public string Status => test.GetProperty("status").GetString()!;

    public string Message => test.TryGetProperty("message", out JsonElement message) ? message.GetString()! : "";

    public string Everything => test.ToString() + "\n" + output;

    public string Output => Extra("output")?.GetString() ?? "";

    public string[] Tags => test.TryGetProperty("tags", out JsonElement tags) ? [.. tags.EnumerateArray().Select(t => t.GetString()!)] : [];

    public string[] Warnings => Extra("warnings") is { } warnings ? [.. warnings.EnumerateArray().Select(l => l.GetString()!)] : [];

    /// <summary>The attachments, by name, with their content.</summary>
    public Dictionary<string, string> Attachments => test.TryGetProperty("attachments", out JsonElement attachments)
        ? attachments.EnumerateArray().ToDictionary(
            a => a.GetProperty("name").GetString()!,
            a => File.ReadAllText(a.GetProperty("path").GetString()!),
            StringComparer.Ordinal)
        : [];

    public override string ToString() => Everything;

    private JsonElement? Extra(string name) => test.GetProperty("extra").TryGetProperty(name, out JsonElement value) ? value : null;
}
