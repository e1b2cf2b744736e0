namespace Uml.CI;

/// <summary>One report while a kernel is being fetched.</summary>
/// <param name="Stage">What is happening, in one line fit for a person: "downloading user-mode-linux 7.2um1".</param>
/// <param name="BytesDone">Bytes done in this stage, where known.</param>
/// <param name="BytesTotal">Bytes this stage has in all, where known.</param>
/// <param name="IsWarning">The line tells of something out of the ordinary that the user should see even in a quiet log.</param>
public sealed record KernelProgress(string Stage, long? BytesDone = null, long? BytesTotal = null, bool IsWarning = false);
