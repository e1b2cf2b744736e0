using System.Collections.Immutable;
using System.Globalization;

namespace Uml.CI.Cli;

/// <summary>The action's main step: the commands in a guest of each kernel, and what became of them as annotations, summary, outputs and reports.</summary>
internal sealed class ActionSession : IDisposable
{
    private const string GuestScript = "/run/uml-action-script";
    private const int MostPlaces = 500;
    private const int LogLines = 60;

    private readonly ActionInputs _inputs;
    private readonly ActionTool _tool = new();
    private readonly List<string> _directories = [];
    private SourceTree _sources;
    private readonly AnnotationList _annotations = new();
    private readonly List<ReportRun> _runs = [];
    private readonly List<string> _reportFiles = [];

    private ActionSession(ActionInputs inputs)
    {
        _inputs = inputs;
        _sources = SourcesOf(null);
    }

    /// <summary>Runs the commands on every kernel; the exit status of the first that failed, or 0.</summary>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static async Task<int> RunAsync(ActionInputs inputs)
    {
        using var session = new ActionSession(inputs);
        return await session.RunAsync();
    }

    public void Dispose() => _tool.Dispose();

    private async Task<int> RunAsync()
    {
        Directory.CreateDirectory(_inputs.Output);
        string script = Path.Combine(Environment.GetEnvironmentVariable("RUNNER_TEMP") is { Length: > 0 } temporary ? temporary : Path.GetTempPath(), $"uml-{Guid.NewGuid():N}.sh");
        File.WriteAllText(script, _inputs.Run.Replace("\r\n", "\n", StringComparison.Ordinal) + "\n");
        List<KernelResult> results = [];
        try
        {
            foreach (string kernel in _inputs.Kernels)
            {
                if (_tool.Signal != 0)
                    break;
                results.Add(await RunAsync(kernel, script));
            }
        }
        finally
        {
            File.Delete(script);
        }

        WriteReports();
        foreach (Annotation annotation in _annotations.Limited())
            Descriptor.Output.WriteLine(WorkflowCommands.Annotate(annotation));
        KernelResult? failure = results.Find(r => r.ExitStatus != 0);
        int status = _tool.Signal != 0 ? ExitStatus.OfSignal(_tool.Signal) : failure?.ExitStatus ?? 0;
        WorkflowFiles.SetOutput("status", _tool.Signal != 0 ? "interrupted" : failure?.Status ?? "passed");
        WorkflowFiles.SetOutput("exit-code", (failure?.CommandStatus ?? 0).ToString(CultureInfo.InvariantCulture));
        WorkflowFiles.SetOutput("kernel-release", string.Join('\n', results.Select(r => r.Release)));
        WorkflowFiles.SetOutput("results", _inputs.Output);
        WorkflowFiles.SetOutput("reports", string.Join('\n', _reportFiles));
        WorkflowFiles.SetOutput("kernel-logs", string.Join('\n', results.Select(r => r.KernelLog).Where(File.Exists)));
        return status;
    }

    /// <summary>What a kernel's run came to.</summary>
    /// <param name="Status">One word.</param>
    /// <param name="ExitStatus">What the step says of it: not 0 for any failure.</param>
    /// <param name="CommandStatus">What the command gave.</param>
    /// <param name="Release">The kernel's release.</param>
    /// <param name="KernelLog">The file with its log.</param>
    private sealed record KernelResult(string Status, int ExitStatus, int CommandStatus, string Release, string KernelLog);

    private async Task<KernelResult> RunAsync(string kernel, string script)
    {
        string directory = Path.Combine(_inputs.Output, Distinct(FileName(kernel), _directories));
        _sources = SourcesOf(kernel);
        UnixFiles.DeleteTree(directory);
        Directory.CreateDirectory(directory);
        string log = Path.Combine(directory, "kernel.log");
        string json = Path.Combine(directory, "run.json");
        List<string> names = [];
        string[] reports = [.. _inputs.Reports.Select(r => Path.Combine(directory, "reports", Distinct(Path.GetFileName(Path.TrimEndingDirectorySeparator(InGuest(r))), names)))];
        DateTimeOffset started = DateTimeOffset.UtcNow;
        List<string> arguments =
        [
            "run", .. _inputs.GuestOptions(kernel, "cow"), "--json", json, "--kernel-log", log, "--no-stdin", "--fail-on-complaint",
            "--copy", $"{ActionInputs.Escape(script)}:{GuestScript}",
        ];
        if (_inputs.Timeout is { } timeout)
            arguments.AddRange(["--timeout", timeout]);
        foreach (string list in _inputs.AllowLists)
            arguments.AddRange(["--allow", list]);
        foreach (string artifact in _inputs.Artifacts)
            arguments.AddRange(["--copy-out", $"{ActionInputs.Escape(InGuest(artifact))}:{ActionInputs.Escape(directory)}/"]);
        foreach ((string report, string copy) in _inputs.Reports.Zip(reports))
            arguments.AddRange(["--copy-out", $"{ActionInputs.Escape(InGuest(report))}:{ActionInputs.Escape(copy)}"]);
        arguments.AddRange(["--", .. _inputs.Shell == "bash" ? (string[])["bash", "--noprofile", "--norc", "-eo", "pipefail"] : ["sh", "-e"], GuestScript]);

        var mentions = new OutputMentions(_sources);
        Descriptor.Output.WriteLine(WorkflowCommands.Group($"Linux {kernel}"));
        int status;
        using (new OutputFence(Descriptor.Output))
        {
            status = await _tool.RunAsync(arguments, mentions.Add);
        }

        Descriptor.Output.WriteLine(WorkflowCommands.EndGroup);
        ActionResult result = ActionResult.Read(json, status);
        ReportRun run = ReadTests(kernel, reports, new ReportRun
        {
            Name = "run",
            Kernel = kernel,
            Release = result.Release,
            Started = started,
            Duration = result.Duration,
            ExitStatus = CommandStatus(result),
            KernelLogFile = log,
            Errors = result.Error.Length > 0 ? [new ReportError(result.Error, result.Detail)] : [],
            Complaints = [.. result.Complaints.Select(Place)],
        });
        _runs.Add(run);
        KernelResult judged = Judge(result, run, log);
        if (judged.ExitStatus != 0)
            ShowLog(kernel, log);
        Say(kernel, judged, result, run);
        if (_inputs.Annotate)
            Annotate(kernel, judged, result, run, mentions);
        return judged;
    }

    private ReportComplaint Place(ReportComplaint complaint)
    {
        (SourceMention? mention, string? file) = complaint is { SourceFile: { } named, SourceLine: { } line }
            ? (new SourceMention(AnnotationLevel.Error, named, line, ""), _sources.Find(named))
            : FirstPlace(complaint.Title);
        return complaint with
        {
            SourceFile = file ?? mention?.File,
            SourceLine = mention?.Line,
            AllowedBecause = complaint.AllowedBecause ?? (_inputs.FailOnComplaints ? null : "the input \"complaints\" says warn"),
        };
    }

    // What the commands wrote about their tests. One that cannot be read is an error: it may be the one with the failure. So is one without tests.
    private ReportRun ReadTests(string kernel, string[] reports, ReportRun run)
    {
        foreach ((string path, string asked) in reports.Zip(_inputs.Reports))
        {
            string[] files = Directory.Exists(path) ? ReportsIn(path) : File.Exists(path) ? [path] : [];
            int before = run.Tests.Length;
            foreach (string file in files)
            {
                _reportFiles.Add(file);
                try
                {
                    foreach (ReportRun part in ReportFile.Read(file).Runs)
                    {
                        run = run with
                        {
                            Tests = [.. run.Tests, .. part.Tests],
                            Errors = [.. run.Errors, .. part.Errors],
                        };
                    }
                }
                catch (Exception e) when (e is ReportException or IOException)
                {
                    Descriptor.Output.WriteLine(WorkflowCommands.Line($"uml: {kernel}: {e.Message}"));
                    run = run with { Errors = run.Errors.Add(new ReportError(e.Message)) };
                }
            }

            // One that is missing has been complained of.
            if ((files.Length > 0 || Directory.Exists(path)) && !run.Tests.Skip(before).Any(t => t.Outcome != ReportOutcome.NotRun))
                run = run with { Errors = run.Errors.Add(new ReportError(files.Length > 0 ? $"no test was run, says the report \"{asked}\"" : $"the directory \"{asked}\" has no reports: they end in .trx, .xml, .json, .ktap or .tap")) };
        }

        return run;
    }

    private static string[] ReportsIn(string directory) =>
    [
        .. Directory.EnumerateFiles(directory, "*", new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint })
            .Where(f => Path.GetExtension(f) is ".trx" or ".xml" or ".json" or ".ktap" or ".tap")
            .Order(StringComparer.Ordinal),
    ];

    // A complaint is the kernel's, and no status of the command.
    private static int CommandStatus(ActionResult result) => result.Outcome == "complained" ? 0 : result.ExitStatus;

    private static KernelResult Judge(ActionResult result, ReportRun run, string log)
    {
        bool complained = run.Complaints.Any(c => c.AllowedBecause is null);
        int command = CommandStatus(result);
        string status = command switch
        {
            0 when run.Tests.Any(t => t.Outcome.IsFailure()) || !run.Errors.IsEmpty => "failed",
            0 when complained => "kernel-complained",
            0 => "passed",
            _ when result.Outcome is "exited" or "signaled" or "not-found" or "not-executable" => "failed",
            _ => result.Outcome,
        };
        int exit = status switch
        {
            "passed" => 0,
            "kernel-complained" => ExitStatus.Complained,
            _ => command != 0 ? command : 1,
        };
        return new KernelResult(status, exit, command, result.Release, log);
    }

    private static void Say(string kernel, KernelResult judged, ActionResult result, ReportRun run)
    {
        string tests = run.Tests.IsEmpty ? "" : $", {string.Join(", ", ReportOutcomes.WorstFirst.Select(o => (Outcome: o, Count: run.Count(o))).Where(c => c.Count > 0).Select(c => $"{c.Count} {c.Outcome.Words()}"))}";
        string complaints = run.Complaints.IsEmpty ? "" : $", kernel complaints: {run.Complaints.Length}";
        string release = judged.Release.Length > 0 ? $" ({judged.Release})" : "";
        Descriptor.Output.WriteLine(WorkflowCommands.Line($"{kernel}{release}: {judged.Status}, exit status {judged.CommandStatus}{tests}{complaints}, {Duration.Format(result.Duration)}"));
    }

    private static void ShowLog(string kernel, string file)
    {
        string[] lines;
        try
        {
            lines = [.. File.ReadLines(file).TakeLast(LogLines)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return;
        }

        if (lines.Length == 0)
            return;
        Descriptor.Output.WriteLine(WorkflowCommands.Group($"End of the kernel log of {kernel}"));
        using (new OutputFence(Descriptor.Output))
        {
            foreach (string line in lines)
                Descriptor.Output.WriteLine(line);
        }

        Descriptor.Output.WriteLine(WorkflowCommands.EndGroup);
    }

    private void Annotate(string kernel, KernelResult judged, ActionResult result, ReportRun run, OutputMentions mentions)
    {
        foreach (ReportTest test in run.Tests.Where(t => t.Outcome.IsFailure()))
        {
            string message = test.Message.Length > 0 ? test.Message : test.Outcome.Words();
            string? file = test.SourceFile is { } named ? _sources.Find(named) : null;
            int? line = file is not null ? test.SourceLine : null;
            if (file is null)
            {
                (SourceMention? mention, file) = FirstPlace($"{test.Details}\n{test.Message}\n{test.Output}");
                line = file is not null ? mention!.Line : null;
            }

            _annotations.Add(new Annotation(AnnotationLevel.Error, test.FullName, message, file, line), kernel);
        }

        AnnotationLevel level = _inputs.FailOnComplaints ? AnnotationLevel.Error : AnnotationLevel.Warning;
        HashSet<string> allowed = [.. result.Complaints.Where(c => c.AllowedBecause is not null).Select(c => c.Title)];
        foreach (ReportComplaint complaint in run.Complaints.Where(c => c.AllowedBecause is null || !_inputs.FailOnComplaints && !allowed.Contains(c.Title)))
        {
            string? file = complaint.SourceFile is { } named ? _sources.Find(named) : null;
            _annotations.Add(new Annotation(level, "Kernel: " + complaint.Title, complaint.Text.Length > 0 ? complaint.Text : complaint.Title, file, file is null ? null : complaint.SourceLine), kernel);
        }

        // What a command says of a source on its way to success is nobody's failure; and what a report says is said.
        foreach ((SourceMention mention, string file) in judged.ExitStatus == 0 ? [] : mentions.Found)
        {
            if (!_annotations.HasPlace(kernel, file, mention.Line))
                _annotations.Add(new Annotation(mention.Level, "Linux", mention.Message, file, mention.Line), kernel);
        }

        if (judged.ExitStatus != 0 && !_annotations.HasPlace(kernel))
        {
            string message = result.Error.Length > 0 ? result.Error
                : judged.CommandStatus != 0 ? $"the command ended with status {judged.CommandStatus}"
                : run.Errors.IsEmpty ? judged.Status : run.Errors[0].Message;
            _annotations.Add(new Annotation(AnnotationLevel.Error, judged.Status, message), kernel);
        }
    }

    // The innermost place of the repository, else the innermost of any.
    private (SourceMention? Mention, string? File) FirstPlace(string text)
    {
        SourceMention? first = null;
        foreach (SourceMention mention in SourceMentions.InFailure(text).Take(MostPlaces))
        {
            first ??= mention;
            if (_sources.Find(mention.File) is { } file)
                return (mention, file);
        }

        return (first, null);
    }

    private void WriteReports()
    {
        var report = Report.Of(_runs);
        foreach ((ReportFormat format, string name) in (ReadOnlySpan<(ReportFormat, string)>)[(ReportFormat.JUnit, "junit.xml"), (ReportFormat.Ctrf, "ctrf.json"), (ReportFormat.Html, "report.html")])
        {
            string file = Path.Combine(_inputs.Output, name);
            ReportFile.Write(report, format, file);
            _reportFiles.Add(file);
        }

        using var markdown = new MemoryStream();
        const int Least = 8 * 1024;
        if (WorkflowFiles.SummaryRoom is > Least and var room)
        {
            ReportFile.Write(report, ReportFormat.Markdown, markdown, new ReportWriteOptions { Title = "uml", MarkdownLimit = room });
            WorkflowFiles.AddSummary(System.Text.Encoding.UTF8.GetString(markdown.GetBuffer(), 0, (int)markdown.Length));
        }
    }

    // Where the kernel's source is a part of the repository, what the kernel says of itself is relative to that part.
    private SourceTree SourcesOf(string? kernel) =>
        new(_inputs.Workspace, kernel is not null && KernelReference.Parse(kernel) is { Source: KernelSource.SourceTree, BuildSource: { } source } ? [_inputs.WorkingDirectory, source] : [_inputs.WorkingDirectory]);

    // A name that is none of those in use, and is in use now.
    private static string Distinct(string name, List<string> used)
    {
        string distinct = name;
        for (int i = 2; used.Contains(distinct, StringComparer.Ordinal); i++)
            distinct = $"{i.ToString(CultureInfo.InvariantCulture)}-{name}";
        used.Add(distinct);
        return distinct;
    }

    private string InGuest(string path) => Path.GetFullPath(path, _inputs.WorkingDirectory);

    // What artifacts may be called, and files on any machine they are unpacked on.
    private static string FileName(string kernel) =>
        string.Concat(kernel.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' ? c : '-')).Trim('-', '.') is { Length: > 0 } name
            ? name.Length > 100 ? name[^100..] : name
            : "kernel";
}
