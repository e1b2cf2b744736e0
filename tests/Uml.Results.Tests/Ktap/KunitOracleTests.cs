using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Uml.CI.Tests;

/// <summary>Every log of the kernel's own tests, as kunit.py reads it and as we do.</summary>
public sealed class KunitOracleTests
{
    /// <summary>Where we differ on those logs; README.md beside the parser tells why. What it is must be exactly this.</summary>
    private static readonly Dictionary<string, string[]> Differences = new(StringComparer.Ordinal)
    {
        // The tests of the two nested programs are read as well. (Older trees have that log without the skipped test.)
        ["test_is_test_passed-kselftest"] =
            ["counts: kunit.py 2/0/0/1, here 4/0/0/1", "counts: kunit.py 2/0/0/0, here 4/0/0/0"],

        // A suite without tests does not pass.
        ["test_is_test_passed-no_tests_no_plan"] =
            ["counts: kunit.py 1/0/0/0, here 0/1/0/0"],
    };

    [Fact]
    public async Task The_kernels_own_logs_are_read_as_kunit_py_reads_them()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        Assert.SkipWhen(KernelTrees.All.Count == 0, KernelTrees.Reason);
        Assert.SkipWhen(KernelTrees.Python is null, "python3 is not in the search path: kunit.py cannot be asked");
        HashSet<string> differing = new(StringComparer.Ordinal);
        int logs = 0;
        StringBuilder wrong = new();
        foreach (string tree in KernelTrees.All)
        {
            foreach (string log in Directory.EnumerateFiles(Path.Combine(tree, "tools/testing/kunit/test_data"), "*.log").Order(StringComparer.Ordinal))
            {
                logs++;
                string name = Path.GetFileNameWithoutExtension(log);
                KtapResults results = KtapParser.ParseFile(log);
                (JsonElement kunit, string summary) = await AskKunitAsync(tree, log, cancellation);
                string[] found = [.. Compare(kunit, summary, results)];
                string[] expected = Differences.GetValueOrDefault(name, [""]);
                string actual = string.Join("; ", found);
                if (!expected.Contains(actual))
                    wrong.Append($"{KernelTrees.Version(tree)} {name}: expected \"{expected[0]}\", found \"{actual}\"\n{Describe(results)}\n");
                if (found.Length > 0)
                    differing.Add(name);
            }
        }

        Assert.True(wrong.Length == 0, wrong.ToString());
        Assert.True(logs >= 20, $"only {logs} logs were found");
        Assert.Equal(Differences.Keys.Order(), differing.Order());
    }

    [Fact]
    public async Task Kunit_py_reads_what_we_write_as_we_do()
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        Assert.SkipWhen(KernelTrees.All.Count == 0, KernelTrees.Reason);
        Assert.SkipWhen(KernelTrees.Python is null, "python3 is not in the search path: kunit.py cannot be asked");
        Random random = new(20261121);
        int made = 0;
        KtapTest root = new() { IsSuite = true, Plan = 150, Subtests = [.. Enumerable.Range(1, 150).Select(number => Make(number, 0))] };
        string path = Path.Combine(Path.GetTempPath(), $"uml-kunit-{Guid.NewGuid():N}.log");
        try
        {
            await File.WriteAllTextAsync(path, KtapTreeWriter.Write(root), cancellation);
            KtapResults results = KtapParser.ParseFile(path);
            Assert.Empty(results.Complaints);
            Assert.True(made > 500, $"only {made} tests");
            (JsonElement kunit, string summary) = await AskKunitAsync(KernelTrees.All[^1], path, cancellation);
            Assert.Empty(Compare(kunit, summary, results));
        }
        finally
        {
            File.Delete(path);
        }

        KtapTest Make(int number, int depth)
        {
            made++;
            KtapLogLine[] log = [.. Enumerable.Range(0, random.Next(3)).Select(line => new KtapLogLine(random.Next(2) == 0, $"line {line} of {made}"))];
            if (depth < 3 && random.Next(3) == 0)
            {
                KtapTest[] subtests = [.. Enumerable.Range(1, random.Next(1, 9)).Select(sub => Make(sub, depth + 1))];
                bool failed = subtests.Any(test => test.Outcome == KtapOutcome.Failed);
                return new KtapTest { Name = $"suite_{made}", Number = number, IsSuite = true, Plan = subtests.Length, IsOk = !failed, Outcome = failed ? KtapOutcome.Failed : KtapOutcome.Passed, Subtests = [.. subtests], Log = [.. log] };
            }

            KtapOutcome outcome = random.Next(10) switch { 0 => KtapOutcome.Failed, 1 => KtapOutcome.Skipped, _ => KtapOutcome.Passed };
            return new KtapTest
            {
                Name = $"test {made}",
                Number = number,
                IsOk = outcome != KtapOutcome.Failed,
                Outcome = outcome,
                Log = [.. log],
                Directive = outcome == KtapOutcome.Skipped ? KtapDirective.Skip : KtapDirective.None,
                Reason = outcome == KtapOutcome.Skipped ? "no device" : "",
                Duration = random.Next(2) == 0 ? TimeSpan.FromMilliseconds(random.Next(1, 5_000)) : null,
            };
        }
    }

    private static IEnumerable<string> Compare(JsonElement kunit, string summary, KtapResults results)
    {
        KtapTest root = results.Root;
        foreach (string difference in CompareTests("", kunit, root.Subtests))
            yield return difference;

        // "Testing complete. Ran 10 tests: passed: 8, crashed: 2, errors: 3": the counts, where old ones have none in the JSON.
        KtapCounts counts = root.Counts;
        string theirs = $"{Count("passed")}/{Count("failed")}/{Count("crashed")}/{Count("skipped")}";
        string ours = $"{counts.Passed + counts.ExpectedFailures + counts.UnexpectedPasses}/{counts.Failed + counts.TimedOut + counts.Errors + counts.Empty}/{counts.Crashed + counts.NotRun}/{counts.Skipped}";
        if (theirs != ours)
            yield return $"counts: kunit.py {theirs}, here {ours}";
        if ((Count("errors") > 0) != results.Complaints.Any(complaint => complaint.IsError))
            yield return $"errors: kunit.py {Count("errors")}, here {string.Join(", ", results.Complaints.Where(complaint => complaint.IsError).Select(complaint => complaint.Kind))}";

        int Count(string word) => Regex.Match(summary, $@"\b{word}: (\d+)") is { Success: true } match ? int.Parse(match.Groups[1].ValueSpan) : 0;
    }

    private static IEnumerable<string> CompareTests(string path, JsonElement group, IEnumerable<KtapTest> tests)
    {
        // kunit.py lists groups and cases apart: the order between them is not in its report.
        List<JsonElement> groups = [.. group.GetProperty("sub_groups").EnumerateArray()];
        List<JsonElement> cases = [.. group.GetProperty("test_cases").EnumerateArray()];
        foreach (KtapTest test in tests)
        {
            if (groups.Count > 0 && groups[0].GetProperty("name").GetString() == test.Name && test.Subtests.Length > 0)
            {
                foreach (string difference in CompareTests(path + test.Name + "/", groups[0], test.Subtests))
                    yield return difference;
                groups.RemoveAt(0);
                continue;
            }

            if (cases.Count == 0)
            {
                yield return $"{path}{test.DisplayName} is not in kunit.py's report";
                continue;
            }

            JsonElement other = cases[0];
            cases.RemoveAt(0);
            string status = test.Outcome switch
            {
                KtapOutcome.Passed or KtapOutcome.ExpectedFailure or KtapOutcome.UnexpectedPass => "PASS",
                KtapOutcome.Skipped => "SKIP",
                KtapOutcome.Crashed or KtapOutcome.NotRun => "ERROR",
                _ => "FAIL",
            };
            if (other.GetProperty("name").GetString() != test.Name || other.GetProperty("status").GetString() != status)
                yield return $"{path}{test.Name} {status}: kunit.py has {other.GetProperty("name")} {other.GetProperty("status")}";
        }

        foreach (JsonElement left in groups.Concat(cases))
            yield return $"{path}{left.GetProperty("name")} is in kunit.py's report only";
    }

    internal static async Task<(JsonElement Report, string Summary)> AskKunitAsync(string tree, string log, CancellationToken cancellation)
    {
        string json = Path.Combine(Path.GetTempPath(), $"uml-kunit-{Guid.NewGuid():N}.json");
        try
        {
            ProcessStartInfo start = new(KernelTrees.Python!)
            {
                UseShellExecute = false,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                ArgumentList = { Path.Combine(tree, "tools/testing/kunit/kunit.py"), "parse", "--json=" + json, log },
                Environment = { ["PYTHONDONTWRITEBYTECODE"] = "1" },
            };
            using Process process = Process.Start(start)!;
            Task<string> output = process.StandardOutput.ReadToEndAsync(cancellation);
            Task<string> error = process.StandardError.ReadToEndAsync(cancellation);
            await process.WaitForExitAsync(cancellation);
            Assert.True(File.Exists(json), $"kunit.py gave no report: {await output}{await error}");
            using var document = JsonDocument.Parse(await File.ReadAllTextAsync(json, cancellation));
            string summary = (await output).Split('\n').LastOrDefault(line => line.Contains("Testing complete. Ran ", StringComparison.Ordinal)) ?? "";
            Assert.NotEmpty(summary);
            return (document.RootElement.Clone(), summary);
        }
        finally
        {
            File.Delete(json);
        }
    }

    internal static string Describe(KtapResults results)
    {
        StringBuilder text = new();
        Add(results.Root, 0);
        foreach (KtapComplaint complaint in results.Complaints)
            text.AppendLine($"line {complaint.Line}: {complaint.Kind}: {complaint.Message}");
        return text.ToString();

        void Add(KtapTest test, int depth)
        {
            text.Append(' ', depth * 2).AppendLine($"{test.Number} \"{test.Name}\" {test.Outcome} {test.Directive} {test.Reason}");
            foreach (KtapTest subtest in test.Subtests)
                Add(subtest, depth + 1);
        }
    }
}
