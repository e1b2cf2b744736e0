using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>A complaint in a kernel's log.</summary>
/// <param name="Kind">What it is about.</param>
/// <param name="Title">The line that says so, without time stamp.</param>
public sealed record KernelComplaint(KernelComplaintKind Kind, string Title)
{
    /// <summary>The whole report, its lines as they were in the log. Of a very long one, the first lines.</summary>
    public ImmutableArray<string> Lines { get; init; } = [];

    /// <summary>The line of the log it begins at, from 1.</summary>
    public long FirstLine { get; init; }

    /// <summary>The line of the log it ends with; later than its lines tell where there are too many to keep, or another's in between.</summary>
    public long LastLine { get; init; }

    /// <summary>When, by the kernel's clock; null when the log has no time stamps.</summary>
    public TimeSpan? Time { get; init; }

    /// <summary>The stack, outermost call last. Of several traces, the first.</summary>
    public ImmutableArray<KernelStackFrame> Frames { get; init; } = [];

    /// <summary>The CPU, where printed.</summary>
    public int? Cpu { get; init; }

    /// <summary>The process, where printed.</summary>
    public int? ProcessId { get; init; }

    /// <summary>The process's name, where printed.</summary>
    public string? Command { get; init; }

    /// <summary>Where in the source, as the kernel printed it: "at lib/foo.c:12", "in lib/foo.c:12:3".</summary>
    public KernelSourceLocation? Location { get; init; }

    /// <summary>What the code had to say: the text of a WARN, the second line of a UBSAN report. Null when nothing.</summary>
    public string? Message { get; init; }

    /// <summary>The test during which it came, as "suite.test"; null when there was none, or nobody knows.</summary>
    public string? Test { get; init; }

    /// <inheritdoc/>
    public bool Equals(KernelComplaint? other) =>
        other is not null && Kind == other.Kind && Title == other.Title && FirstLine == other.FirstLine && Lines.AsSpan().SequenceEqual(other.Lines.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Kind, Title, FirstLine);
}
