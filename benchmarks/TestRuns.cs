using System.Diagnostics;
using System.Reflection;

namespace Uml.CI.Benchmarks;

/// <summary>Whole test runs, as "dotnet test" and test programs do them.</summary>
internal sealed class TestRuns(string kernel, int runs)
{
    private const int GuestTests = 100;

    /// <summary>A project's tests inside a guest, beside the same on the host.</summary>
    /// <param name="project">A built xunit v3 project's file or directory.</param>
    /// <param name="tool">The uml tool's assembly.</param>
    public async Task<Line> InsideAsync(string project, string tool)
    {
        string directory = Directory.Exists(project) ? project : Path.GetDirectoryName(Path.GetFullPath(project))!;
        string[] command = ["test", "--project", Path.GetFullPath(project), "--no-build"];
        string[] inside = [.. command, $"-p:UmlKernel={kernel}", $"-p:UmlTool={tool}", $"-p:CustomAfterMicrosoftCommonTargets={Path.Combine(AppContext.BaseDirectory, "Uml.MSBuild.Run.targets")}"];

        // What the tests give need not be success, but the same. One run after the other, so that both see the same machine.
        int status = await RunAsync(directory, command);
        var host = new double[runs];
        var guest = new double[runs];
        for (int i = -1; i < runs; i++)
        {
            double onHost = await TimeAsync(directory, command, status);
            double inGuest = await TimeAsync(directory, inside, status);
            if (i < 0)
                continue;
            host[i] = onHost;
            guest[i] = inGuest;
        }

        return new Line($"dotnet test of {Path.GetFileName(project.TrimEnd('/'))} in a guest", "ms", new Statistics(guest), "on the host", new Statistics(host));
    }

    /// <summary>A test program whose hundred tests have a fresh guest each, one after the other.</summary>
    public async Task<Line> FreshGuestsAsync(Statistics bare)
    {
        string program = typeof(TestRuns).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "Cases").Value!;
        Statistics rate = await Statistics.MeasureAsync(Math.Max(3, runs / 5), async () =>
        {
            var start = new ProcessStartInfo(program, ["-noColor", "-class", "Uml.CI.TestHost.Cases.ManyCases"]) { RedirectStandardOutput = true, UseShellExecute = false };
            start.Environment["UML_TESTHOST_MANY"] = $"{GuestTests}";
            start.Environment["UML_KERNEL"] = kernel;
            start.Environment["UML_REQUIRED"] = "1";
            var clock = Stopwatch.StartNew();
            using Process process = Process.Start(start)!;
            string output = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            return process.ExitCode == 0 && output.Contains($"Total: {GuestTests},", StringComparison.Ordinal)
                ? GuestTests / clock.Elapsed.TotalSeconds
                : throw new IOException($"the tests with a guest each ended with {process.ExitCode}: {output}");
        });
        return new Line("tests with a fresh guest each", "tests/s", rate, "complete guests, two in parallel", bare);
    }

    private static async Task<double> TimeAsync(string directory, string[] arguments, int expected)
    {
        var clock = Stopwatch.StartNew();
        int status = await RunAsync(directory, arguments);
        return status == expected ? clock.Elapsed.TotalMilliseconds : throw new IOException($"dotnet {string.Join(' ', arguments)} exited with {status}, not with {expected} as before");
    }

    private static async Task<int> RunAsync(string directory, string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments) { WorkingDirectory = directory, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        await process.StandardOutput.ReadToEndAsync();
        await error;
        await process.WaitForExitAsync();
        return process.ExitCode;
    }
}
