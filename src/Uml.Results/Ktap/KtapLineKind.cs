namespace Uml.CI;

internal enum KtapLineKind
{
    Other,
    Diagnostic,
    Version,
    Plan,
    Result,
    Subtest,
    BailOut,
}
