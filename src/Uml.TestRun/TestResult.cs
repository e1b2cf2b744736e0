using System.Collections.Immutable;
using Xunit.Sdk;

namespace Uml.CI;

/// <summary>What became of a test.</summary>
public enum TestOutcome
{
    /// <summary>It passed.</summary>
    Passed,

    /// <summary>It failed, or its guest was lost before it had ended.</summary>
    Failed,

    /// <summary>It was skipped.</summary>
    Skipped,

    /// <summary>It is explicit, and nobody asked for it.</summary>
    NotRun,
}

/// <summary>One test in one guest.</summary>
public sealed record TestResult
{
    /// <summary>Its name for people: class, method, arguments.</summary>
    public required string Name { get; init; }

    /// <summary>Full name of its class; empty where the test framework knows none.</summary>
    public string ClassName { get; init; } = "";

    /// <summary>Its method.</summary>
    public string MethodName { get; init; } = "";

    /// <summary>What became of it.</summary>
    public TestOutcome Outcome { get; init; }

    /// <summary>Whether it had not begun when its guest was lost.</summary>
    public bool NeverBegan { get; init; }

    /// <summary>How long it ran, on the guest's clock.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>When it began.</summary>
    public DateTimeOffset Started { get; init; }

    /// <summary>When it ended.</summary>
    public DateTimeOffset Finished { get; init; }

    /// <summary>Why it failed or was skipped.</summary>
    public string Message { get; init; } = "";

    /// <summary>The type of the exception that failed it.</summary>
    public string ExceptionType { get; init; } = "";

    /// <summary>Where it failed.</summary>
    public string StackTrace { get; init; } = "";

    /// <summary>What it wrote to its output helper.</summary>
    public string Output { get; init; } = "";

    /// <summary>Its warnings.</summary>
    public ImmutableArray<string> Warnings { get; init; } = [];

    /// <summary>Its traits.</summary>
    public ImmutableArray<(string Name, string Value)> Traits { get; init; } = [];

    /// <summary>The file it is written in, where its assembly knows.</summary>
    public string? SourceFile { get; init; }

    /// <summary>The line, from 1.</summary>
    public int? SourceLine { get; init; }

    /// <summary>What it attached, by name.</summary>
    public ImmutableSortedDictionary<string, TestAttachment> Attachments { get; init; } = ImmutableSortedDictionary.Create<string, TestAttachment>(StringComparer.Ordinal);

    /// <summary>The name without the class, where that is known.</summary>
    public string ShortName => ClassName.Length > 0 && Name.StartsWith(ClassName + ".", StringComparison.Ordinal) ? Name[(ClassName.Length + 1)..] : Name;
}
