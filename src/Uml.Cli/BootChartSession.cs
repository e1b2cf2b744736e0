using System.Text;

namespace Uml.CI.Cli;

/// <summary>Boots a guest several times, charts the boots and sums them up.</summary>
internal sealed class BootChartSession : IDisposable
{
    private const int MostErrorOutput = 2000;

    private readonly RunRequest _request;
    private readonly int _runs;
    private readonly ForwardedSignals _signals = new();
    private readonly ProgressLine _progress = new(TimeSpan.FromSeconds(1));
    private readonly List<BootTimeline> _traced = [];
    private readonly List<TimeSpan> _plain = [];
    private TimeSpan? _first;
    private BootSubject? _subject;

    private BootChartSession(RunRequest request, int runs)
    {
        _request = request;
        _runs = runs;
    }

    /// <summary>Where the results go.</summary>
    /// <param name="Chart">The chart's file, or <c>-</c>.</param>
    /// <param name="Json">A file for programs, or null.</param>
    public sealed record Output(string Chart, string? Json);

    /// <summary>Does it all and returns the exit status.</summary>
    public static async Task<int> RunAsync(RunRequest request, Output output, int runs)
    {
        if (output.Chart != "-")
            OutputFile.Check(output.Chart, "--output");
        if (output.Json is { } json)
            OutputFile.Check(json, "--json");
        if (request.Command.IsEmpty && request.Guest.Root != GuestRoot.Empty)
            request = request with { Command = ["true"] };
        using var session = new BootChartSession(request, runs);
        Outcome? failure = await session.BootAsync();
        session._progress.Dispose();
        if (failure?.Error is { } error)
            Message.Error(error);
        int status = failure?.ExitStatus ?? 0;
        if (session.Measurement() is not { } boots)
            return status;
        session.Write(boots, output);
        return status;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _progress.Dispose();
        _signals.Dispose();
    }

    private BootMeasurement? Measurement() =>
        _subject is null || _traced.Count == 0
            ? null
            : new BootMeasurement { Subject = _subject, Shown = BootMeasurement.Choose(_traced), Traced = [.. _traced], Plain = [.. _plain] };

    // A boot each of the two kinds in turn, so that both see the same machine. One more before them pays for what is done
    // once in a process, and is not counted, unless it fails.
    private async Task<Outcome?> BootAsync()
    {
        for (int run = 0; run <= _runs; run++)
        {
            if (_signals.Stopped.IsCancellationRequested)
                return new Outcome("interrupted", ExitStatus.OfSignal(_signals.Last));
            _progress.Report(new KernelProgress($"booting, {2 * (_runs + 1)} times at most"));
            (BootTimeline? timeline, Outcome? failure) = await BootAsync(new BootTrace(followsLog: true));
            if (timeline is not null && (run > 0 || failure is not null))
                _traced.Add(timeline);
            if (failure is not null)
                return failure;
            if (run == 0)
            {
                _first = timeline?.Goal;
                continue;
            }

            (timeline, failure) = await BootAsync(new BootTrace(followsLog: false));
            if (failure is not null)
                return failure;
            if (timeline?.Goal is { } goal)
                _plain.Add(goal);
        }

        return null;
    }

    /// <returns>What is known of the boot, null if there was none; and how it failed, null if it did not.</returns>
    private async Task<(BootTimeline? Timeline, Outcome? Failure)> BootAsync(BootTrace trace)
    {
        GuestOptions options = _request.Guest with
        {
            KernelResolution = new KernelResolveOptions { Progress = _progress, LockFile = _request.LockFile },
            KernelArguments = trace.FollowsLog ? [.. BootTrace.KernelArguments, .. _request.Guest.KernelArguments] : _request.Guest.KernelArguments,
            Trace = trace,
        };
        Outcome? failure = null;
        Guest? guest = null;
        try
        {
            guest = await new GuestBuilder(options).StartAsync(_signals.Stopped);
            failure = await RunAsync(guest, trace);
        }
        catch (Exception e) when (Outcome.Of(e, _signals.Last) is { } outcome)
        {
            failure = outcome;
        }

        if (guest is not null)
        {
            await guest.DisposeAsync();
            const int Abort = 6;
            if (failure is null && await guest.WaitForExitAsync() is { Signal: Abort })
                failure = new Outcome("panic", ExitStatus.Lost) { Error = "the guest's kernel panicked after the command had ended" };
        }

        if (trace.Kernel is not { } kernel)
            return (null, failure);
        _subject ??= Describe(kernel, guest, trace);
        var timeline = BootTimelineReader.Read(trace.Moments, trace.Lines);
        // Anybody in the guest may write to its log that the kernel panicked.
        if (failure is null)
            timeline = timeline with { Failure = null, FailedAt = null };
        else if (timeline is { Failure: null, Goal: null })
            timeline = timeline with { Failure = failure.Error ?? failure.Name };
        return (timeline, failure);
    }

    private async Task<Outcome?> RunAsync(Guest guest, BootTrace trace)
    {
        if (_request.Command.IsEmpty)
            return null;
        trace.Mark(BootMoment.CommandSent);
        GuestProcess process = await guest.StartProcessAsync(new ExecOptions(_request.Command) { User = _request.User, Timeout = _request.Timeout }, _signals.Stopped);
        trace.Mark(BootMoment.CommandStarted);
        _signals.ForwardTo(new OwnCommandProcess(process));
        try
        {
            var error = new MemoryStream();
            Task reading = Task.WhenAll(process.StandardOutput.CopyToAsync(Stream.Null, _signals.Stopped), KeepAsync(process.StandardError, error));
            GuestExit exit = await process.WaitAsync(_signals.Stopped);
            trace.Mark(BootMoment.CommandEnded);
            await reading;
            if (exit.ExitCode == 0)
                return null;
            string said = Encoding.UTF8.GetString(error.ToArray()).Trim();
            return Outcome.Of(exit) with { Error = $"the command \"{ShellText.Join(_request.Command)}\" ended with status {exit.ExitCode}{(said.Length > 0 ? $": {said}" : "")}" };
        }
        finally
        {
            _signals.ForwardTo(null);
        }
    }

    private static async Task KeepAsync(Stream stream, MemoryStream kept)
    {
        byte[] buffer = new byte[4096];
        while (await stream.ReadAsync(buffer) is > 0 and var n)
            kept.Write(buffer, 0, Math.Min(n, MostErrorOutput - (int)kept.Length));
    }

    private BootSubject Describe(GuestKernel kernel, Guest? guest, BootTrace trace)
    {
        GuestOptions options = _request.Guest;
        string package = kernel.PackageVersion is { } version ? $" (package {version})" : "";
        return new BootSubject
        {
            Release = guest?.Release ?? kernel.Release,
            Reference = $"{kernel.Reference}{package}",
            CommandLine = trace.CommandLine,
            Guest = $"root {options.Root}, {ByteSize.Format(options.Memory)} of memory, {options.Cpus} {(options.Cpus == 1 ? "CPU" : "CPUs")}",
            Command = ShellText.Join(_request.Command),
            Host = BootSubject.DescribeHost(),
        };
    }

    private void Write(BootMeasurement boots, Output output)
    {
        string chart = Path.GetExtension(output.Chart) is ".html" or ".htm" ? BootChartHtml.Write(boots) : BootChartSvg.Draw(boots);
        Descriptor summary = Descriptor.Output;
        if (output.Chart == "-")
        {
            Descriptor.Output.Write(chart);
            summary = Descriptor.Error;
        }
        else
        {
            OutputFile.Write(output.Chart, "--output", chart);
        }

        if (output.Json is { } json)
            OutputFile.Write(json, "--json", BootChartJson.Write(boots));
        summary.Write(BootChartText.Write(boots, _first) + (output.Chart == "-" ? "" : $"\nchart: {output.Chart}\n"));
    }
}
