using System.Collections.Immutable;
using System.Diagnostics;

namespace Uml.CI.Cli;

/// <summary>Runs test assemblies in guests, says what happens, and writes reports.</summary>
internal static class TestSession
{
    private const int TestFailed = 1;
    private const int DefaultWidth = 160;

    /// <summary>Does it all and returns the exit status.</summary>
    public static async Task<int> RunAsync(TestRequest request, CancellationToken cancellationToken)
    {
        if (request.Run.Assemblies.IsEmpty)
        {
            Message.Error("no test assembly was named: uml test [options] ASSEMBLY...; see \"uml test --help\"");
            return ExitStatus.NotProvided;
        }

        using var signals = new ForwardedSignals();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, signals.Stopped);
        try
        {
            return request.ListOnly ? await ListAsync(request.Run, stop.Token) : await RunTestsAsync(request, stop.Token);
        }
        catch (OperationCanceledException)
        {
            Message.Error("interrupted");
            return ExitStatus.OfSignal(signals.Last);
        }
    }

    private static async Task<int> ListAsync(TestRunOptions run, CancellationToken cancellationToken)
    {
        int count = 0;
        foreach (TestAssembly assembly in run.Assemblies)
        {
            foreach (string test in await TestRun.ListAsync(assembly, run.Filter, run.Timeout, cancellationToken))
            {
                Descriptor.Output.WriteLine(test);
                count++;
            }
        }

        if (count > 0)
            return 0;
        Message.Error("there are no such tests");
        return ExitStatus.NotProvided;
    }

    private static async Task<int> RunTestsAsync(TestRequest request, CancellationToken cancellationToken)
    {
        ReportRequest.Prepare(request.Reports);
        var clock = Stopwatch.StartNew();
        ImmutableArray<GuestTestRun> runs;
        using (var download = new ProgressLine(TimeSpan.FromSeconds(1)))
        {
            TestRunOptions options = request.Run with
            {
                Guests = [.. request.Run.Guests.Select(g => g with { KernelResolution = new KernelResolveOptions { Progress = download, LockFile = KernelLock.FindFile(g.Kernel, Directory.GetCurrentDirectory()) } })],
            };
            using var progress = new TestProgress(request.Verbose);
            runs = await TestRun.RunAsync(options, progress, cancellationToken);
        }

        int width = Descriptor.Output.IsTerminal ? Native.SizeOf(1)?.Columns ?? DefaultWidth : DefaultWidth;
        Descriptor.Output.Write("\n" + TestTable.Format(runs, width));
        Summarize(runs, clock.Elapsed);
        bool written = ReportRequest.WriteAll(request.Reports, TestReport.Of(runs));
        return !runs.All(r => r.Succeeded) ? TestFailed : written ? 0 : ExitStatus.NotProvided;
    }

    private static void Summarize(ImmutableArray<GuestTestRun> runs, TimeSpan time)
    {
        int Count(TestOutcome outcome) => runs.Sum(r => r.Count(outcome));
        int errors = runs.Sum(r => r.Errors.Length);
        string verdict = runs.All(r => r.Succeeded) ? "passed" : "FAILED";
        string others = string.Concat(
            Count(TestOutcome.Skipped) is > 0 and var skipped ? $", {skipped} skipped" : "",
            Count(TestOutcome.NotRun) is > 0 and var notRun ? $", {notRun} not run" : "",
            errors > 0 ? $", {errors} {(errors == 1 ? "error" : "errors")}" : "");
        Descriptor.Output.WriteLine($"\n{verdict}: {Count(TestOutcome.Passed)} passed, {Count(TestOutcome.Failed)} failed{others} in {Duration.Format(TimeSpan.FromMilliseconds(Math.Round(time.TotalMilliseconds / 100) * 100))}");
    }
}
