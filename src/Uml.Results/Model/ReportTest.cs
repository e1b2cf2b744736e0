using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>One test of a run.</summary>
public sealed record ReportTest
{
    /// <summary>Its name, from the outermost suite (or class) to the test itself; at least one element.</summary>
    public required ImmutableArray<string> Path { get; init; }

    /// <summary>What became of it.</summary>
    public required ReportOutcome Outcome { get; init; }

    /// <summary>How long it ran, on the guest's clock; zero where nobody measured.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>When it began; null where nobody said.</summary>
    public DateTimeOffset? Started { get; init; }

    /// <summary>Why it failed, was skipped, or is expected to fail. Its first line is shown where there is room for one.</summary>
    public string Message { get; init; } = "";

    /// <summary>The type of the exception, or a word for the kind of failure.</summary>
    public string ErrorType { get; init; } = "";

    /// <summary>Where it failed: a stack trace, the kernel's report.</summary>
    public string Details { get; init; } = "";

    /// <summary>What it wrote.</summary>
    public string Output { get; init; } = "";

    /// <summary>The file it is written in, or where it failed; relative to the repository where that is known.</summary>
    public string? SourceFile { get; init; }

    /// <summary>The line in it, from 1.</summary>
    public int? SourceLine { get; init; }

    /// <summary>Its traits, as xunit calls them: names with values, a name more than once if need be.</summary>
    public ImmutableArray<(string Name, string Value)> Traits { get; init; } = [];

    /// <summary>What it left.</summary>
    public ImmutableArray<ReportAttachment> Attachments { get; init; } = [];

    /// <summary>How often it was run; 1 unless it was tried again.</summary>
    public int Attempts { get; init; } = 1;

    /// <summary>Whether it passed only after it had failed.</summary>
    public bool Flaky { get; init; }

    /// <summary>The last element of <see cref="Path"/>.</summary>
    public string Name => Path[^1];

    /// <summary>The elements of <see cref="Path"/> before the last, joined by dots; empty if there are none.</summary>
    public string Suite => string.Join('.', Path.Take(Path.Length - 1));

    /// <summary>The elements of <see cref="Path"/> joined by dots: what tells the test from others on the same kernel.</summary>
    public string FullName => string.Join('.', Path);
}
