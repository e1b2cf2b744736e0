using System.Collections.Immutable;
using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary>The options that ask for reports, for every verb that has something to report.</summary>
internal sealed class ReportOptionSet
{
    private readonly (ReportFormat Format, Option<string?> Option)[] _options =
    [
        (ReportFormat.Trx, File("trx", "Write what came of the tests of all kernels as TRX")),
        (ReportFormat.JUnit, File("junit", "The same as JUnit XML")),
        (ReportFormat.Ctrf, File("ctrf", "The same as CTRF JSON, from which \"uml report\" makes any other")),
        (ReportFormat.Html, File("html", "The same as a page for a browser, with everything in it")),
        (ReportFormat.Markdown, File("markdown", "The same as Markdown, fit for GitHub's job summary")),
        (ReportFormat.Ktap, File("ktap", "The same as KTAP")),
        (ReportFormat.Kcidb, File("kcidb", "The same as JSON for KernelCI's database")),
    ];

    public IEnumerable<Option> Options => _options.Select(o => o.Option);

    /// <summary>What was asked for.</summary>
    public ImmutableArray<ReportRequest> Read(ParseResult result) =>
    [
        .. _options.Where(o => result.GetValue(o.Option) is not null).Select(o => new ReportRequest(o.Format, o.Option.Name, result.GetValue(o.Option)!)),
    ];

    private static Option<string?> File(string format, string description) => new($"--report-{format}") { HelpName = "FILE", Description = description };
}
