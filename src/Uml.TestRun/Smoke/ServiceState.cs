using System.Collections.Immutable;
using System.Globalization;

namespace Uml.CI;

/// <summary>A unit as <c>systemctl show</c> has it.</summary>
internal sealed record ServiceState(ImmutableDictionary<string, string> Fields)
{
    /// <summary>What is asked for.</summary>
    public const string Properties = "Id,LoadState,LoadError,UnitFileState,ActiveState,SubState,Type,Result,NRestarts,ConditionResult,Job,ExecMainStatus,ExecMainCode,TriggeredBy";

    /// <summary>The unit's own name.</summary>
    public string Unit => this["Id"];

    private string this[string name] => Fields.GetValueOrDefault(name, "");

    /// <summary>Whether systemd starts it by itself.</summary>
    private bool IsEnabled => this["UnitFileState"] is "enabled" or "enabled-runtime" or "generated";

    /// <summary>Whether it is still on its way.</summary>
    public bool IsPending =>
        this["LoadState"] == "loaded" && (this["ActiveState"] is "activating" or "deactivating" or "reloading" || (IsEnabled && this["ActiveState"] == "inactive" && this["Job"] is not ("" or "0")))
        && !IsRestarting;

    // A timer's service is on its way when the timer says so; one that is started again and again never is.
    private bool IsRestarting => this["SubState"].StartsWith("auto-restart", StringComparison.Ordinal) || Restarts > 0;

    private int Restarts => int.TryParse(this["NRestarts"], NumberStyles.None, CultureInfo.InvariantCulture, out int n) ? n : 0;

    /// <summary>What is wrong with it; null for nothing.</summary>
    public string? Problem
    {
        get
        {
            if (this["LoadState"] is "error" or "bad-setting")
                return $"systemd cannot read {Unit}: {this["LoadError"]}";
            if (this["LoadState"] != "loaded")
                return null;
            string status = this["ExecMainCode"] is "1" && this["ExecMainStatus"] != "0" ? $", status {this["ExecMainStatus"]}" : this["ExecMainCode"] is "2" or "3" ? $", signal {this["ExecMainStatus"]}" : "";
            if (this["ActiveState"] == "failed")
                return $"{Unit} failed ({this["Result"]}{status})";
            if (IsRestarting)
                return $"{Unit} died and was started again{(Restarts > 0 ? $" {Restarts} times" : "")} ({this["Result"]}{status})";
            if (IsPending)
                return $"{Unit} is still {this["ActiveState"]}";
            return IsEnabled && this["ActiveState"] == "inactive" && this["Type"] != "oneshot" && this["ConditionResult"] != "no" && this["TriggeredBy"].Length == 0
                ? $"{Unit} is enabled and does not run ({this["Result"]}{status})"
                : null;
        }
    }

    /// <summary>What is worth knowing of it; null for nothing.</summary>
    public string? Note => this["LoadState"] != "loaded" ? null
        : this["ActiveState"] == "active" && Unit.EndsWith(".service", StringComparison.Ordinal) ? $"{Unit} runs"
        : IsEnabled && this["ActiveState"] == "inactive" && this["ConditionResult"] == "no" ? $"{Unit} is enabled, but a condition of it does not hold here"
        : null;

    /// <summary>Reads what <c>systemctl show</c> printed: a paragraph each. Names of one unit count once.</summary>
    public static ImmutableArray<ServiceState> Parse(string text) =>
    [
        .. text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries)
            .Select(p => new ServiceState(p.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('=', 2)).Where(l => l.Length == 2)
                .GroupBy(l => l[0], StringComparer.Ordinal).ToImmutableDictionary(g => g.Key, g => g.First()[1], StringComparer.Ordinal)))
            .Where(s => s.Unit.Length > 0)
            .DistinctBy(s => s.Unit, StringComparer.Ordinal),
    ];

    /// <inheritdoc/>
    public override string ToString() => $"{Unit}: {this["LoadState"]}, {this["UnitFileState"]}, {this["ActiveState"]} ({this["SubState"]})";
}
