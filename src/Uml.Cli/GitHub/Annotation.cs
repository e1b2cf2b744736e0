namespace Uml.CI.Cli;

/// <summary>Something to show at a line of the repository, or at the job.</summary>
/// <param name="Level">How loud.</param>
/// <param name="Title">What it is about.</param>
/// <param name="Message">What is to be said; several lines if need be.</param>
/// <param name="File">A file of the repository, relative to its root; null for none.</param>
/// <param name="Line">The line, from 1.</param>
internal sealed record Annotation(AnnotationLevel Level, string Title, string Message, string? File = null, int? Line = null);
