using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>How an OCI image wants its program to be run.</summary>
public sealed record OciImageConfig
{
    /// <summary>Environment variables, as NAME=VALUE, in the image's order.</summary>
    public ImmutableArray<string> Environment { get; init; } = [];

    /// <summary>Who runs the program: a name or a number, and after a colon the group's; empty for root.</summary>
    public string User { get; init; } = "";

    /// <summary>Where the program starts: an absolute path; empty for <c>/</c>.</summary>
    public string WorkingDirectory { get; init; } = "";

    /// <summary>The program and its first arguments; empty where the image has none.</summary>
    public ImmutableArray<string> EntryPoint { get; init; } = [];

    /// <summary>Arguments of the entry point, or the command where there is none; what the user gives stands for it.</summary>
    public ImmutableArray<string> Command { get; init; } = [];

    /// <summary>What runs: the entry point with the user's command, or with the image's own where the user gives none; empty when there is neither.</summary>
    public ImmutableArray<string> CommandLine(IReadOnlyCollection<string> given) => [.. EntryPoint, .. given.Count > 0 ? given : Command];
}
