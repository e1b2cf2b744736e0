namespace Uml.CI;

/// <summary>Kernels built on this machine.</summary>
internal sealed class BuiltKernels : IKernelProvider
{
    public Task<KernelDocument> ProvideAsync(KernelRequest request, CancellationToken cancellationToken) =>
        throw new KernelException($"{request.Reference} cannot be provided: kernels of this kind are not supported.");
}
