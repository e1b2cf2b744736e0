using System.Runtime.CompilerServices;

namespace Uml.CI;

/// <summary>Kernels in NuGet packages.</summary>
internal sealed class PackagedKernels : IKernelProvider
{
    public Task<KernelDocument> ProvideAsync(KernelRequest request, CancellationToken cancellationToken)
    {
        SdkAssemblies.Require(request.Reference.ToString());
        return ProvideFromFeedsAsync(request);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Task<KernelDocument> ProvideFromFeedsAsync(KernelRequest request)
    {
        if (PackageRange.Parse(request.Reference.VersionRange!) is null)
            throw new KernelException($"{request.Reference} names no range of versions: write nuget:ID@[7.2,7.4) for one.") { Problem = KernelProblem.InvalidReference };
        throw new KernelException($"{request.Reference} cannot be provided: kernels of this kind are not supported.");
    }
}
