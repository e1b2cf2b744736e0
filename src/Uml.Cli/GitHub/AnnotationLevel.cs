namespace Uml.CI.Cli;

/// <summary>How loud an annotation is.</summary>
internal enum AnnotationLevel
{
    Warning,
    Error,
}
