namespace Uml.CI;

/// <summary>One report while a kernel is being fetched or built.</summary>
/// <param name="Stage">What is happening, in one line fit for a person: "downloading user-mode-linux 7.2um1".</param>
/// <param name="BytesDone">Bytes done in this stage, where known.</param>
/// <param name="BytesTotal">Bytes this stage has in all, where known.</param>
/// <param name="IsWarning">The line tells of something out of the ordinary that the user should see even in a quiet log.</param>
public sealed record KernelProgress(string Stage, long? BytesDone = null, long? BytesTotal = null, bool IsWarning = false)
{
    /// <summary>Files done in this stage, where they are counted.</summary>
    public int? FilesDone { get; init; }

    /// <summary>Files this stage has in all, as far as is known at this moment.</summary>
    public int? FilesTotal { get; init; }

    /// <summary>How long the stage will take from here on, where that can be told.</summary>
    public TimeSpan? TimeLeft { get; init; }
}
