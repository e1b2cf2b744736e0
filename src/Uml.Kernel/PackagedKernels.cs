namespace Uml.CI;

/// <summary>Kernels in NuGet packages.</summary>
internal sealed class PackagedKernels : IKernelProvider
{
    public Task<KernelDocument> ProvideAsync(KernelRequest request, CancellationToken cancellationToken) =>
        throw new KernelException($"{request.Reference} cannot be provided: kernels of this kind are not supported.");
}
