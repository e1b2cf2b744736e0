using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Uml.CI.Cli;

/// <summary>Does what <c>uml kunit</c> is asked for, shows it, and says how it went.</summary>
internal static class KunitSession
{
    /// <summary>Works out a configuration.</summary>
    public static Task<int> ConfigureAsync(KunitSource source, string? output, CancellationToken cancellationToken) => KernelTestSession.InterruptibleAsync(async stop =>
    {
        if (output is not null)
            OutputFile.Check(output, "--output");
        using var progress = new ProgressLine(TimeSpan.FromSeconds(1));
        string text = await new KernelStore().ConfigureAsync(source.Reference, source.Build with { Progress = progress }, stop);
        progress.Dispose();
        if (output is null)
            Descriptor.Output.Write(text);
        else
            OutputFile.Write(output, "--output", text);
        return 0;
    }, cancellationToken);

    /// <summary>Builds a kernel.</summary>
    public static Task<int> BuildAsync(KunitSource source, CancellationToken cancellationToken) => KernelTestSession.InterruptibleAsync(async stop =>
    {
        BuiltKernel built = await MakeAsync(source, stop);
        Descriptor.Output.WriteLine($"Linux {built.Kernel.Release}: {Describe(built)}");
        Descriptor.Output.WriteLine($"  kernel    {Path.Combine(built.Directory, "linux")}");
        Descriptor.Output.WriteLine("Run its tests: uml kunit exec, with the same options");
        return 0;
    }, cancellationToken);

    /// <summary>Configures, builds and runs.</summary>
    public static Task<int> RunAsync(KunitSource source, KunitRequest request, CancellationToken cancellationToken) => KernelTestSession.InterruptibleAsync(async stop =>
    {
        CheckOutputs(request);
        BuiltKernel built = await MakeAsync(source, stop);
        Message.Note($"Linux {built.Kernel.Release}: {Describe(built)}");
        return await ExecuteAsync(request with { KernelName = source.Name, Options = request.Options with { Guest = request.Options.Guest with { Kernel = KernelReference.File(Path.Combine(built.Directory, "linux")) } } }, stop);
    }, cancellationToken);

    /// <summary>Runs a kernel that is there.</summary>
    public static Task<int> ExecuteAsync(KernelReference kernel, KunitRequest request, CancellationToken cancellationToken) => KernelTestSession.InterruptibleAsync(async stop =>
    {
        CheckOutputs(request);
        using var progress = new ProgressLine(TimeSpan.FromSeconds(1));
        var resolution = new KernelResolveOptions { Progress = progress, LockFile = KernelLock.FindFile(kernel, Directory.GetCurrentDirectory()) };
        return await ExecuteAsync(request with { Options = request.Options with { Guest = request.Options.Guest with { Kernel = kernel, KernelResolution = resolution } } }, stop);
    }, cancellationToken);

    /// <summary>Shows the results in a file.</summary>
    public static int Parse(string? file, KunitView view)
    {
        if (view.JsonFile is not null and not KunitView.StandardOutput)
            OutputFile.Check(view.JsonFile, "--json");
        string text = ReadInput(file);
        if (view.Raw != KunitRawOutput.None)
        {
            foreach (string line in text.Split('\n'))
                ShowRaw(view, line.TrimEnd('\r'));
            return 0;
        }

        KtapResults results = KtapParser.Parse(text);
        if (!view.SummaryOnly)
        {
            using var tree = new TestTree(view.FailedOnly, isLive: false);
            tree.Show(results.Root);
        }

        string[] problems = [.. results.Complaints.Where(c => c.IsError).Select(c => c.Line > 0 ? $"line {c.Line}: {c.Message}" : c.Message)];
        KtapCounts counts = results.Root.Counts;
        if (counts.Total > 0 && counts.Skipped == counts.Total)
            problems = [.. problems, $"no test ran: all {counts.Total} were skipped"];
        Conclude(problems, results.Root, "", view);
        WriteJson(view, results.Root, "");
        return problems.Length == 0 && results.IsSuccess ? 0 : KernelTestSession.Failed;
    }

    private static async Task<int> ExecuteAsync(KunitRequest request, CancellationToken cancellationToken)
    {
        if (request.Lists is { } lists)
            return await ListAsync(request.Options, lists, cancellationToken);

        ReportRequest.Prepare(request.Reports);
        DateTimeOffset begun = DateTimeOffset.Now;
        using FileStream? log = request.KernelLogFile is { } path ? OutputFile.Create(path, "--kernel-log") : null;
        KunitOptions options = request.Options;
        bool several = options.Isolation != KunitIsolation.None;
        if (request.View.Raw != KunitRawOutput.None)
            options = options with { LogListener = (_, line) => ShowRaw(request.View, line.Text), Jobs = several ? 1 : options.Jobs };
        bool quiet = request.View.SummaryOnly || request.View.Raw != KunitRawOutput.None || request.View.JsonFile == KunitView.StandardOutput;
        KunitResult result;
        using (TestTree? tree = quiet ? null : new TestTree(request.View.FailedOnly))
            result = await KunitRun.RunAsync(options with { Stopping = cancellationToken }, new Observer(tree, log), CancellationToken.None);
        ComplaintVerdict? verdict = request.Gate is { } gate ? await JudgeAsync(gate, result, CancellationToken.None) : null;
        string[] problems = [.. result.Problems, .. verdict?.Problems ?? []];
        foreach (string note in verdict?.Notes ?? [])
            Message.Note(TestStyle.Safe(note));
        Conclude(problems, result.Root, $" in {Duration.Format(TimeSpan.FromMilliseconds(Math.Round(result.Duration.TotalMilliseconds / 10) * 10))} on Linux {result.Kernel.Release}", request.View);
        WriteJson(request.View, result.Root, Path.GetDirectoryName(result.Kernel.ExecutablePath) ?? "");
        bool written = ReportRequest.WriteAll(request.Reports, ReportOf(request, result, verdict, begun));
        cancellationToken.ThrowIfCancellationRequested();
        return !result.IsSuccess || verdict is { IsClean: false } ? KernelTestSession.Failed : written ? 0 : ExitStatus.NotProvided;
    }

    // Each kernel by itself: what one says last and another first is no report.
    private static async Task<ComplaintVerdict> JudgeAsync(ComplaintGate gate, KunitResult result, CancellationToken cancellationToken)
    {
        var all = new ComplaintVerdict([], [], [], []);
        foreach (KunitBoot boot in result.Boots)
        {
            // A test that took its kernel down has been told of; what the kernel said of that belongs to it.
            ComplaintVerdict one = await gate.JudgeAsync(boot.LogText, result.Kernel, boot.TestOf, boot.IsOfCulprit, cancellationToken);
            all = new ComplaintVerdict(
                [.. all.Complaints, .. one.Complaints.Where(c => !boot.IsOfCulprit(c))], [.. all.Allowed, .. one.Allowed], [.. all.Problems, .. one.Problems], [.. all.Notes.Union(one.Notes)]);
        }

        return all;
    }

    private static Report ReportOf(KunitRequest request, KunitResult result, ComplaintVerdict? verdict, DateTimeOffset begun) => Report.Of([new ReportRun
    {
        Name = "kunit",
        Kernel = request.KernelName ?? result.Kernel.Reference,
        Release = result.Kernel.Release,
        Started = begun,
        Duration = result.Duration,
        Tests = KtapReport.TestsOf(result.Root),
        Errors = [.. result.Problems.Where(p => !IsOfATest(result, p)).Select(ReportError.Of)],
        Complaints = verdict?.ForReport() ?? [],
        KernelLog = string.Concat(result.Boots.SelectMany(b => b.LogText).Select(l => l + "\n")),
        KernelLogFile = request.KernelLogFile is { } log ? Path.GetFullPath(log) : null,
    }]) with
    { ToolVersion = VersionText.Version };

    // The test that ended a kernel tells of it already.
    private static bool IsOfATest(KunitResult result, string problem) =>
        result.Boots.Any(b => b.Culprit is { } culprit && problem.StartsWith($"{culprit}: {b.Problem}", StringComparison.Ordinal));

    private static async Task<int> ListAsync(KunitOptions options, KunitListing lists, CancellationToken cancellationToken)
    {
        try
        {
            string[] names = lists == KunitListing.Attributes
                ? [.. await KunitRun.ListAttributesAsync(options, cancellationToken)]
                : [.. (await KunitRun.ListAsync(options, cancellationToken)).Select(t => lists == KunitListing.Suites ? t.Suite : t.ToString()).Distinct(StringComparer.Ordinal)];
            foreach (string name in names)
                Descriptor.Output.WriteLine(TestStyle.Safe(name));
            if (names.Length > 0)
                return 0;
            Message.Error("there are no such tests");
            return ExitStatus.NotProvided;
        }
        catch (GuestException e) when (e is not GuestUnavailableException)
        {
            Message.Error(e.Message);
            return KernelTestSession.Failed;
        }
    }

    private static async Task<BuiltKernel> MakeAsync(KunitSource source, CancellationToken cancellationToken)
    {
        using var progress = new ProgressLine(TimeSpan.Zero);
        var store = new KernelStore();
        BuiltKernel built = await store.BuildAsync(source.Reference, source.Build with { Progress = progress }, cancellationToken);
        source.Remember(store, built);
        return built;
    }

    private static string Describe(BuiltKernel built) => built.WasPresent
        ? "already built"
        : $"built in {Duration.Format(TimeSpan.FromSeconds(Math.Ceiling(built.Duration.TotalSeconds)))}, {built.Compiled} files compiled{(built.UsedCcache ? " (through ccache)" : "")}";

    private static void Conclude(string[] problems, KtapTest root, string where, KunitView view)
    {
        if (view.JsonFile == KunitView.StandardOutput)
        {
            foreach (string problem in problems)
                Message.Error(TestStyle.Safe(problem));
            return;
        }

        foreach (string problem in problems)
            Descriptor.Output.WriteLine($"{(TestStyle.IsColoured ? "\e[31mproblem:\e[m" : "problem:")} {TestStyle.Safe(problem)}");
        bool good = problems.Length == 0 && !root.Outcome.IsFailure();
        string verdict = good ? "passed" : "FAILED";
        if (TestStyle.IsColoured)
            verdict = $"\e[{(good ? 32 : 31)}m{verdict}\e[m";
        Descriptor.Output.WriteLine($"{verdict}: {root.Counts.Total} {(root.Counts.Total == 1 ? "test" : "tests")}: {TestStyle.Describe(root.Counts)}{where}");
    }

    private static void WriteJson(KunitView view, KtapTest root, string buildDirectory)
    {
        if (view.JsonFile is not { } file)
            return;
        string json = KunitJson.Write(root, buildDirectory);
        if (file == KunitView.StandardOutput)
            Descriptor.Output.Write(json);
        else
            OutputFile.Write(file, "--json", json);
    }

    private static void CheckOutputs(KunitRequest request)
    {
        if (request.View.JsonFile is not null and not KunitView.StandardOutput)
            OutputFile.Check(request.View.JsonFile, "--json");
    }

    private static void ShowRaw(KunitView view, string line)
    {
        if (view.Raw == KunitRawOutput.All || IsKtap(line))
            Descriptor.Output.WriteLine(TestStyle.Safe(line));
    }

    private static bool IsKtap(string line)
    {
        ReadOnlySpan<char> text = line.AsSpan().TrimStart();
        return text.StartsWith("KTAP version", StringComparison.Ordinal) || text.StartsWith("TAP version", StringComparison.Ordinal) || text.StartsWith("1..", StringComparison.Ordinal)
            || text.StartsWith("ok ", StringComparison.Ordinal) || text.StartsWith("not ok ", StringComparison.Ordinal) || text.StartsWith("# ", StringComparison.Ordinal);
    }

    private static string ReadInput(string? file)
    {
        if (file is not null and not "-")
        {
            try
            {
                return File.ReadAllText(file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new IOException($"the file \"{file}\" cannot be read: {e.Message.TrimEnd('.')}", e);
            }
        }

        using var buffer = new MemoryStream();
        byte[] chunk = new byte[64 * 1024];
        while (Descriptor.Input.Read(chunk) is > 0 and var n)
            buffer.Write(chunk, 0, n);
        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    /// <summary>Shows the tests of the only kernel as they come, those of one among several when it has ended, lest they mix.</summary>
    private sealed class Observer(TestTree? tree, FileStream? log) : IKunitObserver
    {
        private readonly Lock _lock = new();
        private bool _shownLive;

        public IKtapObserver? Starting(string glob, bool isOnly)
        {
            _shownLive |= isOnly;
            return isOnly ? tree : null;
        }

        public void Ended(KunitBoot boot)
        {
            lock (_lock)
            {
                foreach (string line in log is null ? [] : boot.LogText)
                    log!.Write(Encoding.UTF8.GetBytes(line + "\n"));
                log?.Flush();
                if (tree is null)
                    return;
                if (_shownLive)
                    _shownLive = false;
                else
                    tree.Show(boot.Results.Root);
                if (boot.Culprit is { } culprit)
                    tree.Say($"{TestStyle.Coloured(boot.End == KunitBootEnd.TestTimedOut ? KtapOutcome.TimedOut : KtapOutcome.Crashed)} {culprit}: {TestStyle.Safe(boot.Problem)}; the tests after it get another kernel");
            }
        }
    }
}
