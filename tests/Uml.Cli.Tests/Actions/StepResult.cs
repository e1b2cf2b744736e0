namespace Uml.CI.Cli.Tests;

/// <summary>What became of a step.</summary>
/// <param name="Name">Its name.</param>
/// <param name="ExitCode">The exit status of its shell; null if it was not run.</param>
/// <param name="Log">What it printed.</param>
/// <param name="Outputs">Its outputs.</param>
/// <param name="Summary">Its part of the job's summary.</param>
internal sealed record StepResult(string Name, int? ExitCode, RunnerLog Log, Dictionary<string, string> Outputs, string Summary)
{
    /// <summary>For the message of an assertion that fails.</summary>
    public override string ToString() => $"{Name}: exit {ExitCode}\n{Log.Text}";
}
