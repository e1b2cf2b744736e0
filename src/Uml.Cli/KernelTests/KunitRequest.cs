using System.Collections.Immutable;

namespace Uml.CI.Cli;

/// <summary>What <c>uml kunit run</c>, <c>exec</c> or <c>list</c> was asked for.</summary>
internal sealed record KunitRequest
{
    /// <summary>The tests; the kernel is filled in when it is known.</summary>
    public required KunitOptions Options { get; init; }

    /// <summary>What reports call the kernel; null for its reference. A kernel that is built anew each time keeps its name with this.</summary>
    public string? KernelName { get; init; }

    /// <summary>How to show results.</summary>
    public required KunitView View { get; init; }

    /// <summary>What to name instead of running tests; null to run them.</summary>
    public KunitListing? Lists { get; init; }

    /// <summary>What the kernels may complain about; null for anything.</summary>
    public ComplaintGate? Gate { get; init; }

    /// <summary>The reports to write.</summary>
    public ImmutableArray<ReportRequest> Reports { get; init; } = [];

    /// <summary>A file for the kernels' logs.</summary>
    public string? KernelLogFile { get; init; }
}

/// <summary>What is named instead of run.</summary>
internal enum KunitListing
{
    Tests,
    Attributes,
    Suites,
}

/// <summary>How results are shown.</summary>
internal sealed record KunitView
{
    /// <summary>The name of standard output, as kunit.py has it.</summary>
    public const string StandardOutput = "stdout";

    public KunitRawOutput Raw { get; init; }

    /// <summary>The file, or <see cref="StandardOutput"/>; null for none.</summary>
    public string? JsonFile { get; init; }

    public bool SummaryOnly { get; init; }

    public bool FailedOnly { get; init; }
}

/// <summary>What is shown instead of a tree.</summary>
internal enum KunitRawOutput
{
    None,
    Ktap,
    All,
}
