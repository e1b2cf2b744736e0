using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Uml.CI.Tests;

/// <summary>
/// Where we read a log otherwise than kunit.py, on purpose: the table in the parser's README.md, each row asked of both. When
/// a newer kunit.py changes its mind, this says so.
/// </summary>
public sealed class KunitDifferenceTests
{
    private const string Suite = "KTAP version 1\n1..1\n  KTAP version 1\n  # Subtest: s\n";

    // Counts are passed/failed/crashed/skipped. For kunit.py, crashed includes what never ran, and what is expected passes.
    public static TheoryData<string, string, string, bool, string, bool> Rows => new()
    {
        { "empty suite", "KTAP version 1\n1..1\n  KTAP version 1\n  # Subtest: s\n  1..1\n    # Subtest: c\n  ok 1 c\nok 1 s\n", "1/0/0/0", true, "0/1/0/0", false },
        { "nested kselftest", "TAP version 13\n1..1\n# selftests: a: b\n# TAP version 13\n# 1..2\n# ok 1 x\n# ok 2 y\nok 1 selftests: a: b\n", "1/0/0/0", true, "2/0/0/0", true },
        { "nested kselftest that fails", "TAP version 13\n1..1\n# selftests: a: b\n# TAP version 13\n# 1..2\n# ok 1 x\n# not ok 2 y\nok 1 selftests: a: b\n", "1/0/0/0", true, "1/1/0/0", false },
        { "XFAIL and TODO", "TAP version 13\n1..2\nnot ok 1 a # XFAIL known\nnot ok 2 b # TODO later\n", "0/2/0/0", false, "2/0/0/0", true },
        { "TIMEOUT and ERROR", "TAP version 13\n1..2\nok 1 a # TIMEOUT 45 s\nok 2 b # ERROR gone\n", "2/0/0/0", true, "0/2/0/0", false },
        { "skip in small letters", "TAP version 13\n1..1\nnot ok 1 a # skip no device\n", "0/1/0/0", false, "0/0/0/1", true },
        { "# in a name", "KTAP version 1\n1..2\nok 1 a#1\nok 2 b\n", "1/0/1/0", false, "2/0/0/0", true },
        { "skip on the next line", "KTAP version 1\n1..2\nok 1 a\n # SKIP too large\nok 2 b\n", "2/0/0/0", true, "1/0/0/1", true },
        { "failed suite of skipped tests", Suite + "  1..1\n  ok 1 a # SKIP x\nnot ok 1 s\n", "0/0/0/1", false, "0/1/0/1", false },
        { "more than planned", "KTAP version 1\n1..1\nok 1 a\nnot ok 2 b\n", "1/0/0/0", true, "1/1/0/0", false },
        { "second document", "KTAP version 1\n1..1\nok 1 a\nKTAP version 1\n1..1\nnot ok 1 b\n", "1/0/0/0", true, "1/1/0/0", false },
        { "skipped as a whole", "TAP version 13\n1..0 # SKIP no device\n", "0/0/0/0", false, "0/0/0/0", true },
        { "in the middle of a line", "KTAP version 1\n1..2\nok 1 a\ndone. not ok 2 b\n", "1/0/1/0", false, "1/1/0/0", false },
        { "late plan", "KTAP version 1\nok 1 a\n1..2\n", "1/0/0/0", true, "1/0/1/0", false },
        { "bail out", "TAP version 13\n1..1\nok 1 a\nBail out! gone\n", "1/0/0/0", true, "1/0/0/0", false },
        { "no version line", "1..1\nok 1 a\n", "0/0/0/0", false, "1/0/0/0", true },
        { "totals that know better", "TAP version 13\n1..1\nok 1 a\n# Totals: pass:0 fail:1 xfail:0 xpass:0 skip:0 error:0\n", "1/0/0/0", true, "1/0/0/0", false },
        { "suite without a result", "KTAP version 1\n1..2\n    KTAP version 1\n    # Subtest: one\n    1..1\n    ok 1 a\n    KTAP version 1\n    # Subtest: two\n    1..1\n    ok 1 b\nok 2 two\n", "2/0/0/0", true, "2/1/0/0", false },
        { "kernel that starts again", "KTAP version 1\n1..2\nok 1 a\nLinux version 7.3\nKTAP version 1\n1..2\nok 1 a\nok 2 b\n", "3/0/0/0", true, "3/0/1/0", false },
    };

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Each_row_of_the_table_is_so(string what, string log, string theirs, bool theirSuccess, string ours, bool ourSuccess)
    {
        KtapResults results = KtapParser.Parse(log);
        KtapCounts counts = results.Root.Counts;
        Assert.Equal(
            (ours, ourSuccess),
            ($"{counts.Passed + counts.ExpectedFailures + counts.UnexpectedPasses}/{counts.Failed + counts.TimedOut + counts.Errors + counts.Empty}/{counts.Crashed + counts.NotRun}/{counts.Skipped}", results.IsSuccess));
        Assert.True(theirs != ours || theirSuccess != ourSuccess, $"{what}: there is no difference");

        Assert.SkipWhen(KernelTrees.All.Count == 0, KernelTrees.Reason);
        Assert.SkipWhen(KernelTrees.Python is null, "python3 is not in the search path: kunit.py cannot be asked");
        string path = Path.Combine(Path.GetTempPath(), $"uml-kunit-{Guid.NewGuid():N}.log");
        try
        {
            await File.WriteAllTextAsync(path, log, TestContext.Current.CancellationToken);
            ProcessStartInfo start = new(KernelTrees.Python!)
            {
                UseShellExecute = false,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                ArgumentList = { Path.Combine(KernelTrees.All[^1], "tools/testing/kunit/kunit.py"), "parse", path },
                Environment = { ["PYTHONDONTWRITEBYTECODE"] = "1" },
            };
            using Process process = Process.Start(start)!;
            Task<string> error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            string output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            string summary = output.Split('\n').LastOrDefault(line => line.Contains("Testing complete. Ran ", StringComparison.Ordinal)) ?? await error;
            Assert.Contains("Ran ", summary, StringComparison.Ordinal);
            Assert.Equal((theirs, theirSuccess), ($"{Count("passed")}/{Count("failed")}/{Count("crashed")}/{Count("skipped")}", process.ExitCode == 0));

            int Count(string word) => Regex.Match(summary, $@"\b{word}: (\d+)") is { Success: true } match ? int.Parse(match.Groups[1].ValueSpan) : 0;
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void The_readme_has_a_row_for_each()
    {
        string? directory = AppContext.BaseDirectory;
        while (directory is not null && !File.Exists(Path.Combine(directory, "Uml.CI.sln")))
            directory = Path.GetDirectoryName(directory);
        Assert.NotNull(directory);
        string readme = File.ReadAllText(Path.Combine(directory, "src/Uml.Results/Ktap/README.md"));
        foreach (ITheoryDataRow row in Rows)
            Assert.Contains($"| {row.GetData()[0]} |", readme, StringComparison.Ordinal);
    }
}
