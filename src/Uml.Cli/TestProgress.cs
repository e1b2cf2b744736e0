using System.Diagnostics;

namespace Uml.CI.Cli;

/// <summary>Shows tests while they run: failures in full as they happen and a line for each guest that is done; on a terminal also a line that tells how far all of it is.</summary>
internal sealed class TestProgress : ITestRunListener, IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Assembly, string Kernel), State> _states = [];
    private readonly bool _verbose;
    private readonly bool _terminal = Descriptor.Error.IsTerminal && Environment.GetEnvironmentVariable("TERM") is not (null or "dumb");
    private readonly Timer? _timer;
    private bool _open;

    public TestProgress(bool verbose)
    {
        _verbose = verbose;
        if (_terminal)
            _timer = new Timer(_ => Draw(), null, Interval, Interval);
    }

    /// <summary>How far a guest is.</summary>
    private sealed class State(int expected)
    {
        public long Begun { get; } = Stopwatch.GetTimestamp();

        public int Expected { get; } = expected;

        public int Ended { get; set; }

        public int Failed { get; set; }

        public bool IsRunning { get; set; } = true;
    }

    /// <inheritdoc/>
    public void Starting(GuestTestRun run, int tests)
    {
        lock (_lock)
            _states[Key(run)] = new State(tests);
    }

    /// <inheritdoc/>
    public void Ended(GuestTestRun run, TestResult result)
    {
        lock (_lock)
        {
            State state = _states[Key(run)];
            state.Ended++;
            string where = $"{result.Name} [{run.Kernel}]";
            // Tests that a lost guest never came to are counted at its end.
            if (result.Outcome == TestOutcome.Failed && !result.NeverBegan)
            {
                state.Failed++;
                Print($"FAILED {where}\n{Indent(result.Message, "  ")}{Indent(result.StackTrace, "    ")}{Indent(result.Output, "  | ")}");
            }
            else if (_verbose && !result.NeverBegan)
            {
                string why = result.Outcome == TestOutcome.Skipped ? ": " + result.Message : "";
                Print($"{(result.Outcome == TestOutcome.NotRun ? "not run" : result.Outcome.ToString().ToLowerInvariant())} {where}{why}\n");
            }

            foreach (string warning in result.Warnings)
                Print($"warning {where}: {warning}\n");
        }
    }

    /// <inheritdoc/>
    public void Failed(GuestTestRun run, string error)
    {
        lock (_lock)
        {
            string[] lines = error.Split('\n', 2);
            Print($"ERROR {run.Assembly.Name} [{run.Kernel}]: {lines[0]}\n{(lines.Length > 1 ? Indent(lines[1], "    ") : "")}");
        }
    }

    /// <inheritdoc/>
    public void Wrote(GuestTestRun run, string line)
    {
        lock (_lock)
            Print($"[{run.Kernel}] {line}\n");
    }

    /// <inheritdoc/>
    public void Ended(GuestTestRun run)
    {
        lock (_lock)
        {
            State state = _states[Key(run)];
            state.IsRunning = false;
            int lost = run.Results.Count(r => r.NeverBegan);
            string release = run.Release.Length > 0 ? $"Linux {run.Release}" : "no kernel";
            string counts = $"{run.Count(TestOutcome.Passed)} passed, {run.Count(TestOutcome.Failed)} failed"
                + (run.Count(TestOutcome.Skipped) is > 0 and var skipped ? $", {skipped} skipped" : "")
                + (lost > 0 ? $" ({lost} never came to run)" : "")
                + (run.Stopped ? ", stopped" : "");
            Print($"{run.Assembly.Name} [{run.Kernel}]: {counts} on {release} in {Duration.Format(TimeSpan.FromMilliseconds(Math.Round(run.Duration.TotalMilliseconds)))}\n");
            if (run.KernelLogFile is { } log)
                Print($"  whole kernel log: {log}\n");
        }
    }

    /// <summary>Leaves the terminal as it was.</summary>
    public void Dispose()
    {
        _timer?.Dispose();
        lock (_lock)
            Clear();
    }

    private static (string Assembly, string Kernel) Key(GuestTestRun run) => (run.Assembly.Path, run.Kernel);

    private static string Indent(string text, string indent) =>
        string.Concat(text.TrimEnd().Split('\n').Where(l => l.Length > 0).Select(l => $"{indent}{l.TrimEnd('\r')}\n"));

    private void Print(string text)
    {
        Clear();
        Descriptor.Output.Write(text);
    }

    private void Draw()
    {
        lock (_lock)
        {
            if (_states.Count == 0)
                return;
            int width = (Native.SizeOf(2)?.Columns ?? 80) - 1;
            string[] running = [.. _states.Where(s => s.Value.IsRunning).Select(s =>
                $"{s.Key.Kernel} {Math.Min(s.Value.Ended, s.Value.Expected)}/{s.Value.Expected}{(s.Value.Failed > 0 ? $" ({s.Value.Failed} failed)" : "")} {Stopwatch.GetElapsedTime(s.Value.Begun).TotalSeconds:0} s")];
            string line = $"{_states.Values.Sum(s => s.Ended)} tests, {_states.Values.Sum(s => s.Failed)} failed; {string.Join(", ", running)}";
            Descriptor.Error.Write($"\r\e[K{(line.Length > width ? line[..width] : line)}");
            _open = true;
        }
    }

    private void Clear()
    {
        if (_open)
            Descriptor.Error.Write("\r\e[K");
        _open = false;
    }
}
