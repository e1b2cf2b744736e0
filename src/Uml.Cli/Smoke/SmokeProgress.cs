namespace Uml.CI.Cli;

/// <summary>Shows the tests of packages while they run: failures as they happen, a line for each package that is done, and what is going on.</summary>
internal sealed class SmokeProgress(bool verbose) : ISmokeListener, IProgress<KernelProgress>, IDisposable
{
    private const int LogLines = 12;

    private readonly Lock _lock = new();
    private readonly ProgressLine _line = new(TimeSpan.Zero);
    private readonly SortedDictionary<string, string> _running = new(StringComparer.Ordinal);
    private int _done, _failed;

    /// <inheritdoc/>
    public void Report(KernelProgress value) => _line.Report(value);

    /// <inheritdoc/>
    public void Begins(SmokeTarget target, string suite, string kernel, string step)
    {
        lock (_lock)
        {
            _running[Name(target, suite, kernel)] = step;
            // A log has the lines of packages that are done; where each of them is, is for a terminal.
            if (Descriptor.Error.IsTerminal)
                _line.Report(new KernelProgress($"{_done} done, {_failed} failed; {string.Join(", ", _running.Select(r => $"{r.Key.Split(" [")[0]} {r.Value}"))}"));
        }
    }

    /// <inheritdoc/>
    public void Ended(SmokeTarget target, string suite, string kernel, SmokeStep step)
    {
        lock (_lock)
        {
            string where = $"{Name(target, suite, kernel)}: {step.Name}";
            if (step.Outcome.IsFailure())
            {
                _line.Dispose();
                Descriptor.Output.WriteLine($"{step.Outcome.Words().ToUpperInvariant()} {where}: {TestStyle.Safe(step.Reason)}");
                string[] log = step.Log.Split('\n', StringSplitOptions.RemoveEmptyEntries);
                foreach (string line in verbose ? log : log.TakeLast(LogLines))
                    Descriptor.Output.WriteLine($"  | {TestStyle.Safe(line)}");
            }
            else if (verbose)
            {
                _line.Dispose();
                Descriptor.Output.WriteLine($"{step.Outcome.Words()} {where}{(step.Reason.Length > 0 ? $": {TestStyle.Safe(step.Reason)}" : $" in {SmokeTable.Time(step.Duration)}")}");
            }

            if (verbose)
            {
                foreach (string note in step.Notes)
                    Descriptor.Output.WriteLine($"  {TestStyle.Safe(note)}");
            }
        }
    }

    /// <inheritdoc/>
    public void Ended(SmokeResult result)
    {
        lock (_lock)
        {
            _running.Remove(Name(result.Target, result.Suite, result.Kernel));
            _done++;
            if (!result.Succeeded)
                _failed++;
            _line.Dispose();
            foreach (string problem in result.Problems)
                Descriptor.Output.WriteLine($"PROBLEM {Name(result.Target, result.Suite, result.Kernel)}: {TestStyle.Safe(problem)}");
            Descriptor.Output.WriteLine($"{(result.Succeeded ? "passed" : "FAILED")} {result.Target.Name} {result.Target.Version} on {result.Suite} [{result.Kernel}] in {SmokeTable.Time(result.Duration)}");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _line.Dispose();

    private static string Name(SmokeTarget target, string suite, string kernel) => $"{target.Name} on {suite} [{kernel}]";
}
