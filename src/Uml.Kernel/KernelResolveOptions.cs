namespace Uml.CI;

/// <summary>How <see cref="KernelStore.ResolveAsync"/> may go about it.</summary>
public sealed record KernelResolveOptions
{
    /// <summary>Fetch again even when the store has the kernel; a kernel pinned by <see cref="LockFile"/> is pinned anew.</summary>
    public bool Refresh { get; init; }

    /// <summary>Never touch the network: what neither the store nor NuGet's packages folder has is an error.</summary>
    public bool Offline { get; init; }

    /// <summary>Told what is going on, from any thread.</summary>
    public IProgress<KernelProgress>? Progress { get; init; }

    /// <summary>
    /// Path of a <c>uml.lock.json</c>. A reference it pins must resolve to that very kernel; a reference it does not know
    /// yet is added to it.
    /// </summary>
    public string? LockFile { get; init; }

    /// <summary>
    /// The directory whose NuGet.Config, with its parents' and the user's, says which feeds packages come from. Default: the current one.
    /// </summary>
    public string? SettingsDirectory { get; init; }
}
