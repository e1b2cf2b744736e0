namespace Uml.CI.Cli;

/// <summary>The testbed that autopkgtest is to have.</summary>
internal sealed record TestbedRequest
{
    /// <summary>The guest, without its init.</summary>
    public required RunRequest Run { get; init; }

    /// <summary>The guest's PID 1; null for none. Without meaning while <see cref="FindInit"/> is set.</summary>
    public InitSystem? Init { get; init; }

    /// <summary>Whether the guest boots with systemd if its root has it, and else without an init.</summary>
    public bool FindInit { get; init; }

    /// <summary>Whether everything that is done is told on standard error.</summary>
    public bool Debug { get; init; }
}
