namespace Uml.CI;

/// <summary>Tests down, kernels across.</summary>
internal sealed class ReportMatrix
{
    private ReportMatrix(string[] kernels, List<Suite> suites)
    {
        Kernels = kernels;
        Suites = suites;
    }

    /// <summary>The columns.</summary>
    public string[] Kernels { get; }

    /// <summary>The rows, in the order in which they ran first.</summary>
    public List<Suite> Suites { get; }

    public IEnumerable<Row> Rows => Suites.SelectMany(s => s.Rows);

    /// <summary>Rows that belong together.</summary>
    /// <param name="Name">The suite, with the run's name before it where there are several.</param>
    /// <param name="Rows">Its tests.</param>
    public sealed record Suite(string Name, List<Row> Rows);

    /// <summary>A test on all kernels.</summary>
    /// <param name="Number">Its place in the report.</param>
    /// <param name="RunName">The run it belongs to.</param>
    /// <param name="Name">Its name in its suite.</param>
    /// <param name="FullName">Its whole name, without the run's.</param>
    /// <param name="Tests">What came of it by kernel; null where it is not.</param>
    public sealed record Row(int Number, string RunName, string Name, string FullName, ReportTest?[] Tests)
    {
        public bool Failed => Tests.Any(t => t is not null && t.Outcome.IsFailure());
    }

    public static ReportMatrix Of(Report report)
    {
        string[] kernels = [.. report.Kernels];
        bool manyRuns = report.Runs.Select(r => r.Name).Distinct(StringComparer.Ordinal).Count() > 1;
        Dictionary<(string Run, string Suite), Suite> suites = [];
        Dictionary<(string Run, string Suite, string Name, int Ordinal), Row> rows = [];
        Dictionary<(string Run, string Suite, string Name, string Kernel), int> seen = [];
        List<Suite> inOrder = [];
        foreach (ReportRun run in report.Runs)
        {
            int column = Array.IndexOf(kernels, run.Kernel);
            foreach (ReportTest test in run.Tests)
            {
                string suiteName = test.Suite;
                if (!suites.TryGetValue((run.Name, suiteName), out Suite? suite))
                {
                    string title = suiteName.Length == 0 ? run.Name : manyRuns && suiteName != run.Name ? $"{run.Name}: {suiteName}" : suiteName;
                    inOrder.Add(suite = suites[(run.Name, suiteName)] = new Suite(title, []));
                }

                int ordinal = seen.GetValueOrDefault((run.Name, suiteName, test.Name, run.Kernel));
                seen[(run.Name, suiteName, test.Name, run.Kernel)] = ordinal + 1;
                if (!rows.TryGetValue((run.Name, suiteName, test.Name, ordinal), out Row? row))
                {
                    row = new Row(rows.Count, run.Name, test.Name, test.FullName, new ReportTest?[kernels.Length]);
                    rows.Add((run.Name, suiteName, test.Name, ordinal), row);
                    suite.Rows.Add(row);
                }

                row.Tests[column] = test;
            }
        }

        return new ReportMatrix(kernels, inOrder);
    }
}
