namespace Uml.CI.Cli;

/// <summary>What the process that keeps a guest answers.</summary>
internal sealed record SessionReply
{
    /// <summary>The request is understood; streams may be connected.</summary>
    public const string Accepted = "accepted";

    /// <summary>The command runs.</summary>
    public const string Started = "started";

    /// <summary>It is over; <see cref="Outcome"/> says how.</summary>
    public const string Ended = "ended";

    public required string Kind { get; init; }

    public string Id { get; init; } = "";

    public Outcome? Outcome { get; init; }
}
