using System.Collections.Immutable;

namespace Uml.CI.Cli;

/// <summary>What <c>uml test</c> was asked for.</summary>
internal sealed record TestRequest
{
    public required TestRunOptions Run { get; init; }

    public ImmutableArray<ReportRequest> Reports { get; init; } = [];

    /// <summary>The tests are named, and nothing is booted.</summary>
    public bool ListOnly { get; init; }

    public bool Verbose { get; init; }
}
