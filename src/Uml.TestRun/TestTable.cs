using System.Globalization;

namespace Uml.CI;

/// <summary>The table at the end of a run: tests down, kernels across. A class whose tests agree on every kernel, without a failure, is one row.</summary>
public static class TestTable
{
    private const string Gap = "  ";
    private const int NarrowestName = 24;

    /// <summary>Draws the table.</summary>
    /// <param name="runs">What came of each assembly in each guest.</param>
    /// <param name="width">How wide it may be; names of tests give way.</param>
    public static string Format(IEnumerable<GuestTestRun> runs, int width = int.MaxValue)
    {
        GuestTestRun[] all = [.. runs];
        string[] kernels = [.. all.Select(r => r.Kernel).Distinct(StringComparer.Ordinal)];
        IGrouping<string, GuestTestRun>[] assemblies = [.. all.GroupBy(r => r.Assembly.Path, StringComparer.Ordinal)];
        var rows = new List<string[]> { (string[])["", .. kernels] };
        foreach (IGrouping<string, GuestTestRun> assembly in assemblies)
        {
            GuestTestRun?[] across = [.. kernels.Select(k => assembly.FirstOrDefault(r => r.Kernel == k))];
            if (assemblies.Length > 1)
                rows.Add([assembly.First().Assembly.Name, .. across.Select(_ => "")]);
            rows.AddRange(RowsOf(across));
        }

        rows.Add([]);
        rows.AddRange(Totals([.. kernels.Select(k => all.Where(r => r.Kernel == k).ToArray())]));
        return Draw(rows, width);
    }

    private static IEnumerable<string[]> RowsOf(GuestTestRun?[] across)
    {
        // Two rows of a theory may have one name.
        Dictionary<(string Class, string Name, int Place), TestResult>[] results = [.. across.Select(r => (r?.Results ?? [])
            .GroupBy(t => (t.ClassName, t.ShortName))
            .SelectMany(g => g.Select((t, i) => (Key: (g.Key.ClassName, g.Key.ShortName, i), Test: t)))
            .ToDictionary(t => t.Key, t => t.Test))];
        var tests = results.SelectMany(r => r.Keys).Distinct().OrderBy(k => k.Class, StringComparer.Ordinal).ThenBy(k => k.Name, StringComparer.Ordinal).ThenBy(k => k.Place);
        foreach (var group in tests.GroupBy(k => k.Class, StringComparer.Ordinal))
        {
            var rows = group.Select(k => (Key: k, Cells: results.Select(r => r.TryGetValue(k, out TestResult? test) ? Word(test) : "-").ToArray())).ToArray();
            var plain = rows.Where(r => r.Cells.Distinct(StringComparer.Ordinal).Count() == 1 && r.Cells[0] is not ("FAILED" or "lost")).ToArray();
            string name = group.Key.Length > 0 ? group.Key : "(no class)";
            if (plain.Length == rows.Length)
            {
                yield return [name, .. Summaries(plain.Select(r => r.Cells).ToArray(), across.Length)];
                continue;
            }

            yield return [name, .. across.Select(_ => "")];
            foreach (var row in rows.Except(plain))
                yield return ["  " + row.Key.Name, .. row.Cells];
            if (plain.Length > 0)
                yield return [string.Create(CultureInfo.InvariantCulture, $"  {plain.Length} more"), .. Summaries(plain.Select(r => r.Cells).ToArray(), across.Length)];
        }
    }

    private static IEnumerable<string> Summaries(string[][] rows, int columns) => Enumerable.Range(0, columns).Select(i => string.Join(", ", rows
        .GroupBy(r => r[i], StringComparer.Ordinal).OrderByDescending(g => g.Key == "passed").ThenBy(g => g.Key, StringComparer.Ordinal)
        .Select(g => string.Create(CultureInfo.InvariantCulture, $"{g.Count()} {g.Key}"))));

    private static IEnumerable<string[]> Totals(GuestTestRun[][] kernels)
    {
        foreach (TestOutcome outcome in (TestOutcome[])[TestOutcome.Passed, TestOutcome.Failed, TestOutcome.Skipped, TestOutcome.NotRun])
        {
            int[] counts = [.. kernels.Select(k => k.Sum(r => r.Count(outcome)))];
            if (outcome is TestOutcome.Passed or TestOutcome.Failed || counts.Any(c => c > 0))
                yield return [outcome == TestOutcome.NotRun ? "not run" : outcome.ToString().ToLowerInvariant(), .. counts.Select(c => c.ToString(CultureInfo.InvariantCulture))];
        }

        int[] errors = [.. kernels.Select(k => k.Sum(r => r.Errors.Length))];
        if (errors.Any(e => e > 0))
            yield return ["errors", .. errors.Select(e => e.ToString(CultureInfo.InvariantCulture))];
        if (kernels.Any(k => k.Any(r => r.Stopped)))
            yield return ["", .. kernels.Select(k => k.Any(r => r.Stopped) ? "stopped" : "")];
        yield return ["kernel", .. kernels.Select(k => k.Select(r => r.Release).FirstOrDefault(r => r.Length > 0) ?? "none")];
        yield return ["time", .. kernels.Select(k => string.Create(CultureInfo.InvariantCulture, $"{k.Sum(r => r.Duration.TotalSeconds):0.0} s"))];
    }

    private static string Word(TestResult test) => test switch
    {
        { NeverBegan: true } => "lost",
        { Outcome: TestOutcome.Failed } => "FAILED",
        { Outcome: TestOutcome.Skipped } => "skipped",
        { Outcome: TestOutcome.NotRun } => "not run",
        _ => "passed",
    };

    private static string Draw(List<string[]> rows, int width)
    {
        int columns = rows.Max(r => r.Length);
        int[] widths = [.. Enumerable.Range(0, columns).Select(i => rows.Max(r => r.Length > i ? r[i].Length : 0))];
        int others = widths.Skip(1).Sum(w => w + Gap.Length);
        widths[0] = Math.Min(widths[0], Math.Max(NarrowestName, width - others));
        return string.Concat(rows.Select(r => string.Join(Gap, r.Select((cell, i) => Fit(cell, widths[i]))).TrimEnd() + "\n"));
    }

    // The end of a name tells more than its beginning: the method, the arguments.
    private static string Fit(string cell, int width)
    {
        if (cell.Length <= width)
            return cell.PadRight(width);
        string indent = cell.StartsWith("  ", StringComparison.Ordinal) ? "  " : "";
        return indent + "…" + cell[^(width - indent.Length - 1)..];
    }
}
