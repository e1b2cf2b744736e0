namespace Uml.CI;

/// <summary>A line that came with a test.</summary>
/// <param name="IsDiagnostic">
/// Whether it is a KTAP diagnostic ("# text"), whose text is without the mark, or anything else, mostly the kernel's log,
/// whose text is as it was, time stamp and all.
/// </param>
/// <param name="Text">The text.</param>
public readonly record struct KtapLogLine(bool IsDiagnostic, string Text);
