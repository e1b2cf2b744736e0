using System.Globalization;

namespace Uml.CI.Cli;

/// <summary>Packages down, steps across.</summary>
internal static class SmokeTable
{
    /// <summary>Prints the table and the verdict.</summary>
    public static void Write(SmokeTest.Outcome outcome)
    {
        if (outcome.Results.Length > 0)
        {
            Descriptor.Output.WriteLine("");
            bool kernels = outcome.Results.Select(r => r.Kernel).Distinct(StringComparer.Ordinal).Count() > 1;
            List<string[]> rows = [["PACKAGE", "SUITE", .. kernels ? ["KERNEL"] : (string[])[], .. SmokeStep.Names.Select(n => n.ToUpperInvariant()), "TOTAL"]];
            foreach (SmokeResult result in outcome.Results)
                rows.Add([result.Target.Name, result.Suite, .. kernels ? [result.Kernel] : (string[])[], .. result.Steps.Select(Cell), Time(result.Duration)]);
            Table.Write(rows);
        }

        int passed = outcome.Results.Count(r => r.Succeeded), failed = outcome.Results.Length - passed;
        string rest = outcome.NotRun.Length > 0 ? $", {outcome.NotRun.Length} not run" : "";
        Descriptor.Output.WriteLine($"\n{(outcome.Succeeded ? "passed" : "FAILED")}: {passed} passed, {failed} failed{rest}");
    }

    /// <summary>A time in seconds, as the table has it.</summary>
    public static string Time(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.0}s");

    private static string Cell(SmokeStep step) => step.Outcome switch
    {
        ReportOutcome.Passed => Time(step.Duration),
        ReportOutcome.Skipped => "-",
        _ => step.Outcome.Words().ToUpperInvariant(),
    };
}
