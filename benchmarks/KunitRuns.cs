using System.Diagnostics;

namespace Uml.CI.Benchmarks;

/// <summary>Unit tests of one kernel, run by <c>uml kunit exec</c> and by the kernel's own kunit.py, turn about.</summary>
/// <param name="cli">The uml executable.</param>
/// <param name="buildDirectory">What <c>kunit.py build --build_dir</c> made.</param>
internal sealed class KunitRuns(string cli, string buildDirectory)
{
    private readonly string _directory = Path.GetFullPath(buildDirectory);

    // make leaves it, and kunit.py works nowhere but in its tree.
    private string Tree => new DirectoryInfo(Path.Combine(_directory, "source")).ResolveLinkTarget(returnFinalTarget: true)?.FullName
        ?? throw new IOException($"{_directory} has no link \"source\" to the kernel's tree: build it with kunit.py build --build_dir");

    /// <summary>Runs the tests a pattern picks, from the start of the program to its end.</summary>
    /// <param name="glob">The pattern; empty for all.</param>
    /// <param name="runs">How often.</param>
    public async Task<Line> MeasureAsync(string glob, int runs)
    {
        string[] pattern = glob.Length == 0 ? [] : [glob];
        var ours = new double[runs];
        var theirs = new double[runs];
        for (int i = -1; i < runs; i++)
        {
            double one = await RunAsync(cli, "/", ["kunit", "exec", "--build_dir", _directory, .. pattern]);
            double other = await RunAsync("python3", Tree, ["tools/testing/kunit/kunit.py", "exec", $"--build_dir={_directory}", .. pattern]);

            // The first does not count.
            if (i >= 0)
                (ours[i], theirs[i]) = (one, other);
        }

        return new Line($"uml kunit exec {(glob.Length == 0 ? "(all suites)" : $"'{glob}'")}", "ms", new Statistics(ours), "kunit.py exec", new Statistics(theirs));
    }

    private static async Task<double> RunAsync(string program, string directory, string[] arguments)
    {
        var clock = Stopwatch.StartNew();
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = directory,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
            Environment = { ["PYTHONDONTWRITEBYTECODE"] = "1" },
        })!;
        process.StandardInput.Close();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? clock.Elapsed.TotalMilliseconds
            : throw new IOException($"{program} {string.Join(' ', arguments)} exited with {process.ExitCode}: {string.Join('\n', output.Split('\n').TakeLast(5))}");
    }
}
