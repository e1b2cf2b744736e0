using System.Collections.Immutable;
using System.Text;

namespace Uml.CI;

/// <summary>A command to run in a guest.</summary>
public sealed record ExecOptions
{
    /// <summary>Creates the options of a command.</summary>
    /// <param name="arguments">Program and arguments. No shell is involved.</param>
    public ExecOptions(params IEnumerable<string> arguments) => Arguments = [.. arguments];

    /// <summary>Program and arguments; the program is looked up in PATH unless it has a slash.</summary>
    public ImmutableArray<string> Arguments { get; init; }

    /// <summary>Variables of this command, over those of the guest.</summary>
    public ImmutableSortedDictionary<string, string> Environment { get; init; } =
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>Working directory; null for the guest's.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>User name or number, optionally with :GROUP; null for root.</summary>
    public string? User { get; init; }

    /// <summary>Whether <see cref="GuestProcess.StandardInput"/> reaches the command; else it reads end of file.</summary>
    public bool RedirectStandardInput { get; init; }

    /// <summary>The size of a pseudo-terminal to run the command on; null for none. A terminal has no separate standard error.</summary>
    public TerminalSize? Terminal { get; init; }

    /// <summary>How long the command may take; null for the guest's <see cref="GuestOptions.CommandTimeout"/>, <see cref="System.Threading.Timeout.InfiniteTimeSpan"/> for any time.</summary>
    public TimeSpan? Timeout { get; init; }
}

/// <summary>Size of a terminal in characters.</summary>
/// <param name="Columns">Columns.</param>
/// <param name="Rows">Rows.</param>
public readonly record struct TerminalSize(int Columns, int Rows);

/// <summary>How a command ended.</summary>
/// <param name="ExitCode">Its exit status, 0 to 255; 128 + the signal's number if a signal ended it, as shells count.</param>
/// <param name="Signal">The number of the signal that ended it, or null.</param>
public sealed record GuestExit(int ExitCode, int? Signal)
{
    /// <summary>Whether the command exited with status 0.</summary>
    public bool Success => ExitCode == 0;

    /// <inheritdoc/>
    public override string ToString() => Signal is { } signal ? $"killed by signal {signal}" : $"exit status {ExitCode}";
}

/// <summary>What a command did.</summary>
/// <param name="Exit">How it ended.</param>
/// <param name="StandardOutputBytes">What it wrote to standard output.</param>
/// <param name="StandardErrorBytes">What it wrote to standard error.</param>
/// <param name="Duration">From the request to its end, on the host's clock.</param>
public sealed record ExecResult(GuestExit Exit, ReadOnlyMemory<byte> StandardOutputBytes, ReadOnlyMemory<byte> StandardErrorBytes, TimeSpan Duration)
{
    /// <summary>The exit status; 128 + n if signal n ended it.</summary>
    public int ExitCode => Exit.ExitCode;

    /// <summary>Whether the command exited with status 0.</summary>
    public bool Success => Exit.Success;

    /// <summary>Standard output as UTF-8.</summary>
    public string StandardOutput => Encoding.UTF8.GetString(StandardOutputBytes.Span);

    /// <summary>Standard error as UTF-8.</summary>
    public string StandardError => Encoding.UTF8.GetString(StandardErrorBytes.Span);
}
