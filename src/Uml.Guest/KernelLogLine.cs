namespace Uml.CI;

/// <summary>One line of the kernel log.</summary>
/// <param name="Received">When the host read it.</param>
/// <param name="KernelTime">The kernel's own time stamp, since boot; null if the line has none.</param>
/// <param name="Text">The line without time stamp and line end.</param>
public readonly record struct KernelLogLine(DateTimeOffset Received, TimeSpan? KernelTime, string Text);
