using System.Collections.Immutable;

namespace Uml.CI.Cli;

/// <summary>One run: the guest, the command, and what happens around them.</summary>
internal sealed record RunRequest
{
    public required GuestOptions Guest { get; init; }

    /// <summary>What runs; empty for what the root's image says.</summary>
    public required ImmutableArray<string> Command { get; init; }

    public string? User { get; init; }

    public TimeSpan? Timeout { get; init; }

    public ImmutableArray<CopyOut> CopiesOut { get; init; } = [];

    /// <summary>The lock file that pins the kernel; null for none.</summary>
    public string? LockFile { get; init; }

    /// <summary>The directory whose NuGet.Config holds; null for the current one.</summary>
    public string? SettingsDirectory { get; init; }

    /// <summary>The socket of "dotnet test", which the program in the guest reaches under the same path; null for none.</summary>
    public string? TestPlatformSocket { get; init; }

    /// <summary>Where the program's reports go, on the host; null for nowhere.</summary>
    public string? ResultsDirectory { get; init; }

    /// <summary>Nothing is downloaded.</summary>
    public bool Offline { get; init; }

    /// <summary>The guest waits until the machine has room for one more; see <see cref="GuestLimit"/>.</summary>
    public bool WaitsForRoom { get; init; }

    /// <summary>The run ends when the process that started the tool has ended.</summary>
    public bool EndsWithParent { get; init; }

    public string? JsonFile { get; init; }

    /// <summary>The kernel log goes to standard error as it grows.</summary>
    public bool ShowKernelLog { get; init; }

    /// <summary>The command runs on a terminal.</summary>
    public bool Terminal { get; init; }

    /// <summary>The tool's own standard input stays unread.</summary>
    public bool NoInput { get; init; }

    /// <summary>The user is told where they are.</summary>
    public bool Banner { get; init; }

    /// <summary>What the guest's kernel may complain about; null for anything.</summary>
    public ComplaintGate? Gate { get; init; }

    public bool DryRun { get; init; }

    public bool Verbose { get; init; }
}
