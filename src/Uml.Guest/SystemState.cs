using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>How the guest's own system came up.</summary>
/// <param name="State">systemd's word (systemctl(1), is-system-running): <c>running</c>, <c>degraded</c>, ...; <c>running</c> or <c>unknown</c> for other inits.</param>
/// <param name="FailedUnits">The units that failed, with what they wrote.</param>
public sealed record SystemState(string State, ImmutableArray<FailedUnit> FailedUnits)
{
    /// <summary>Whether everything that should run does, as far as the init can tell.</summary>
    public bool IsHealthy => FailedUnits.IsEmpty && State is "running" or "unknown";
}

/// <summary>A unit of systemd that failed.</summary>
/// <param name="Name">Its name, such as <c>nginx.service</c>.</param>
/// <param name="Result">systemd's word for how (systemd.service(5), Result): <c>exit-code</c>, <c>timeout</c>, ...</param>
/// <param name="Journal">The end of its journal, a line each; empty where there is none.</param>
public sealed record FailedUnit(string Name, string Result, string Journal)
{
    /// <inheritdoc/>
    public override string ToString() => Journal.Length == 0 ? $"{Name} failed ({Result})" : $"{Name} failed ({Result}):\n  {Journal.ReplaceLineEndings("\n  ")}";
}

/// <summary>A unit that was waited for will not become active. The message ends with the end of its journal.</summary>
public sealed class GuestUnitException : GuestException
{
    /// <summary>Creates the exception.</summary>
    public GuestUnitException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }

    /// <summary>The unit's name.</summary>
    public string Unit { get; init; } = "";

    /// <summary>The end of its journal; empty where there is none.</summary>
    public string Journal { get; init; } = "";
}
