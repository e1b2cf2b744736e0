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

    /// <summary>Arguments of the entry point, or the command where there is none.</summary>
    public ImmutableArray<string> Command { get; init; } = [];

    /// <summary>What runs where the user asks for nothing: the entry point and the command; empty when the image has neither.</summary>
    public ImmutableArray<string> CommandLine => [.. EntryPoint, .. Command];
}
