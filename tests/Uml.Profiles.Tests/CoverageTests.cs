using System.Diagnostics;

namespace Uml.CI.Profiles.Tests;

/// <summary>The profiles <c>coverage</c> and <c>timetravel</c>, in one kernel.</summary>
public sealed class CoverageTests(Kernels kernels)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_ran_is_counted()
    {
        string directory = Directory.CreateTempSubdirectory("uml-coverage-").FullName;
        try
        {
            await using (Guest guest = await kernels.StartAsync(Kernels.Coverage, b => b.WithCoverage(directory)))
                Assert.True((await guest.ExecAsync(["uname", "-a"], Cancel)).Success);

            // Counts have their notes beside them.
            string counts = Path.Combine(directory, "gcov", "fs#hostfs#hostfs_kern.gcda");
            Assert.True(File.Exists(counts), string.Join('\n', Directory.GetFiles(directory, "*", SearchOption.AllDirectories).Take(10)));
            using Process gcov = Process.Start(new ProcessStartInfo("gcov", ["-n", counts]) { RedirectStandardOutput = true, UseShellExecute = false })!;
            string report = await gcov.StandardOutput.ReadToEndAsync(Cancel);
            Assert.Matches(@"File 'fs/hostfs/hostfs_kern\.c'\nLines executed:[1-9]\d*\.\d+% of", report);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public async Task A_long_wait_is_over_at_once()
    {
        await using Guest guest = await kernels.StartAsync(Kernels.Coverage, b => b.WithVirtualTime());
        long begun = Stopwatch.GetTimestamp();
        ExecResult result = await guest.ExecAsync(["sh", "-c", "cut -d. -f1 /proc/uptime; sleep 3600; cut -d. -f1 /proc/uptime"], Cancel);
        int[] times = [.. result.StandardOutput.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
        Assert.InRange(times[1] - times[0], 3600, 3700);

        // Not how fast, but that the time was not the guest's.
        Assert.True(Stopwatch.GetElapsedTime(begun) < TimeSpan.FromMinutes(10));
    }
}
