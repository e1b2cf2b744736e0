namespace Uml.CI;

/// <summary>One frame of a kernel's stack trace.</summary>
/// <param name="Function">The function.</param>
/// <param name="Offset">How far into the function the address is.</param>
/// <param name="Size">How long the function is, or 0 when the kernel did not print it.</param>
public sealed record KernelStackFrame(string Function, ulong Offset, ulong Size)
{
    /// <summary>The address, where the kernel printed it (User-mode Linux does).</summary>
    public ulong? Address { get; init; }

    /// <summary>The module the function is in, or null for the kernel itself.</summary>
    public string? Module { get; init; }

    /// <summary>Whether the kernel is sure; a "?" says that the address was found on the stack by scanning.</summary>
    public bool IsReliable { get; init; } = true;

    /// <summary>Whether the address is where a call returns to, as in all frames but the one that failed.</summary>
    public bool IsReturnAddress { get; init; } = true;

    /// <summary>Where in the source it is, innermost inlined function first; empty when not resolved.</summary>
    public System.Collections.Immutable.ImmutableArray<KernelSourceLine> Source { get; init; } = [];

    /// <inheritdoc/>
    public override string ToString()
    {
        string text = $"{(IsReliable ? "" : "? ")}{Function}+0x{Offset:x}/0x{Size:x}{(Module is null ? "" : $" [{Module}]")}";
        return Source.IsDefaultOrEmpty ? text : $"{text} ({Source[0].Location})";
    }
}
