using System.Collections.Immutable;

namespace Uml.CI.Cli;

/// <summary>What <c>uml test</c> was asked for.</summary>
internal sealed record TestRequest
{
    public required TestRunOptions Run { get; init; }

    public ImmutableArray<TestReportRequest> Reports { get; init; } = [];

    /// <summary>The tests are named, and nothing is booted.</summary>
    public bool ListOnly { get; init; }

    public bool Verbose { get; init; }
}

/// <summary>A report to write.</summary>
/// <param name="Format">Its format.</param>
/// <param name="Option">The option that asked for it.</param>
/// <param name="Path">The file.</param>
internal sealed record TestReportRequest(TestReportFormat Format, string Option, string Path);
