namespace Uml.CI.Cli;

/// <summary>A line of output that names a place in some source.</summary>
/// <param name="Level">Whether it is about an error.</param>
/// <param name="File">The file, as it is written there.</param>
/// <param name="Line">The line.</param>
/// <param name="Message">What is said about it.</param>
internal sealed record SourceMention(AnnotationLevel Level, string File, int Line, string Message);
