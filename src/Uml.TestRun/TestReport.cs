using System.Collections.Immutable;
using System.Reflection;
using Xunit.Sdk;

namespace Uml.CI;

/// <summary>What came of a run, as the model that reports are written from.</summary>
public static class TestReport
{
    /// <summary>Writes a report. Attachments go to a directory beside it, where its format refers to files.</summary>
    /// <param name="format">Its format.</param>
    /// <param name="path">The file; its directory is made.</param>
    /// <param name="runs">What came of each assembly in each guest.</param>
    /// <exception cref="IOException">It could not be written.</exception>
    public static void Write(ReportFormat format, string path, IEnumerable<GuestTestRun> runs) => ReportFile.Write(Of(runs), format, path);

    /// <summary>The model.</summary>
    /// <param name="runs">What came of each assembly in each guest.</param>
    public static Report Of(IEnumerable<GuestTestRun> runs) => Report.Of(runs.Select(Of)) with
    {
        ToolVersion = typeof(TestReport).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "",
    };

    private static ReportRun Of(GuestTestRun run)
    {
        ImmutableSortedDictionary<string, string> properties = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal).Add("assembly", run.Assembly.Path);
        if (run.Framework.Length > 0)
            properties = properties.Add("framework", run.Framework);
        ImmutableArray<ReportError> errors = [.. run.Errors.Select(ReportError.Of)];
        return new ReportRun
        {
            Name = run.Assembly.Name,
            Kernel = run.Kernel,
            Release = run.Release,
            Environment = run.Environment,
            Started = run.Started,
            Duration = run.Duration,
            Tests = [.. run.Results.Select(Of)],
            Errors = run.Stopped ? errors.Add(new ReportError("stopped: a test had failed elsewhere")) : errors,
            KernelLog = run.KernelLogFile is { } log && File.Exists(log) ? File.ReadAllText(log) : null,
            KernelLogFile = run.KernelLogFile,
            Properties = properties,
        };
    }

    private static ReportTest Of(TestResult result) => new()
    {
        Path = result.ClassName.Length > 0 ? [result.ClassName, result.ShortName] : [result.Name],
        Outcome = result.Outcome switch
        {
            TestOutcome.Passed => ReportOutcome.Passed,
            TestOutcome.Skipped => ReportOutcome.Skipped,
            TestOutcome.NotRun => ReportOutcome.NotRun,
            _ => result.NeverBegan ? ReportOutcome.Error : ReportOutcome.Failed,
        },
        Duration = result.Duration,
        Started = result.Started,
        Message = result.Message,
        ErrorType = result.ExceptionType,
        Details = result.StackTrace,
        Output = result.Warnings.IsEmpty ? result.Output : string.Join('\n', [.. result.Warnings.Select(w => $"warning: {w}"), result.Output]),
        SourceFile = result.SourceFile,
        SourceLine = result.SourceLine,
        Traits = result.Traits,
        Attachments = [.. result.Attachments.Select(a => Of(a.Key, a.Value))],
    };

    private static ReportAttachment Of(string name, TestAttachment attachment)
    {
        if (attachment.AttachmentType != TestAttachmentType.ByteArray)
            return new ReportAttachment { Name = name, Text = attachment.AsString() };
        (byte[] bytes, string mediaType) = attachment.AsByteArray();
        return new ReportAttachment { Name = name, Bytes = [.. bytes], MediaType = mediaType };
    }
}
