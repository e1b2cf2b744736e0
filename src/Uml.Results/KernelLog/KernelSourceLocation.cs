namespace Uml.CI;

/// <summary>A place in the kernel's source.</summary>
/// <param name="File">The file as printed or as the debug information has it, mostly relative to the tree.</param>
/// <param name="Line">The line, from 1.</param>
/// <param name="Column">The column, from 1, or null.</param>
public sealed record KernelSourceLocation(string File, int Line, int? Column = null)
{
    /// <inheritdoc/>
    public override string ToString() => Column is { } column ? $"{File}:{Line}:{column}" : $"{File}:{Line}";
}
