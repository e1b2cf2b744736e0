namespace Uml.CI;

/// <summary>One kernel to provide.</summary>
/// <param name="Reference">What was asked for.</param>
/// <param name="Pin">What the lock file pins it to, or null.</param>
/// <param name="StoreRoot">The store it will be kept in.</param>
/// <param name="Temporary">A directory for what is needed on the way; removed afterwards.</param>
/// <param name="Built">An empty directory below it, to be filled with <c>linux</c> and what belongs to it.</param>
/// <param name="Progress">Told what happens.</param>
/// <param name="SettingsDirectory">The directory whose settings hold, NuGet's among them.</param>
/// <param name="Offline">The network may not be used.</param>
/// <param name="Refresh">It is wanted anew, even where the store has it.</param>
internal sealed record KernelRequest(
    KernelReference Reference, KernelLockEntry? Pin, string StoreRoot, string Temporary, string Built, IProgress<KernelProgress>? Progress,
    string SettingsDirectory, bool Offline, bool Refresh);

/// <summary>Where kernels of one kind come from.</summary>
internal interface IKernelProvider
{
    /// <summary>
    /// Fills <see cref="KernelRequest.Built"/> with the kernel and describes it; or describes one that the store has whole, and leaves
    /// the directory empty.
    /// </summary>
    /// <exception cref="KernelException">It cannot be had.</exception>
    Task<KernelDocument> ProvideAsync(KernelRequest request, CancellationToken cancellationToken);
}
