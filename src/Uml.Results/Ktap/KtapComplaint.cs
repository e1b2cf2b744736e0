namespace Uml.CI;

/// <summary>Something wrong with a log.</summary>
/// <param name="Kind">What.</param>
/// <param name="Line">The line of the log, from 1; 0 when it is about the whole.</param>
/// <param name="Message">In words, with the test's name where there is one.</param>
/// <param name="IsError">Whether results may be lost or wrong; other complaints are about form.</param>
public sealed record KtapComplaint(KtapComplaintKind Kind, long Line, string Message, bool IsError);
