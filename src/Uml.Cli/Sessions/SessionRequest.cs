using System.Collections.Immutable;

namespace Uml.CI.Cli;

/// <summary>What is asked of the process that keeps a guest: first of all on a connection, and while a command runs.</summary>
internal sealed record SessionRequest
{
    public const string Exec = "exec", Stream = "stream", Signal = "signal", Resize = "resize", Stop = "stop";

    public required string Verb { get; init; }

    /// <summary>The command.</summary>
    public ImmutableArray<string> Command { get; init; } = [];

    /// <summary>A script of the host, which becomes the command's last argument.</summary>
    public string? Script { get; init; }

    public ImmutableSortedDictionary<string, string> Environment { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    public string? WorkingDirectory { get; init; }

    public string? User { get; init; }

    /// <summary>Whether standard input follows.</summary>
    public bool Input { get; init; }

    /// <summary>The size of the command's terminal; none if it has none.</summary>
    public int Columns { get; init; }

    public int Rows { get; init; }

    public double? TimeoutSeconds { get; init; }

    /// <summary>The command a stream belongs to.</summary>
    public string Id { get; init; } = "";

    /// <summary>0, 1 or 2 as in a process.</summary>
    public int Descriptor { get; init; }

    public int Number { get; init; }
}
