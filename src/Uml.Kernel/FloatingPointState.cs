using System.Runtime.Intrinsics.X86;

namespace Uml.CI;

/// <summary>
/// Whether a kernel can keep the floating point registers of its processes on this machine's processor. Kernels before 6.13 have room
/// for 2696 bytes of them (HOST_FP_SIZE in arch/x86/um/user-offsets.c), as much as AVX-512 takes; since then they ask the host. A
/// processor with larger ones, such as the tiles of AMX, makes the host refuse what an old kernel hands back (PTRACE_SETREGSET wants
/// all of it), and its processes die.
/// </summary>
public static class FloatingPointState
{
    private const int RoomInOldKernels = 2696;
    private static readonly Version s_fixed = new(6, 13);

    /// <summary>What is wrong, in one line, with a kernel of a version on this machine; null when nothing is.</summary>
    /// <param name="kernel">The kernel's version.</param>
    public static string? ProblemOf(Version kernel) => ProblemOf(kernel, SizeOnThisMachine());

    /// <summary>The same for a machine whose processor has that many bytes of such state.</summary>
    /// <param name="kernel">The kernel's version.</param>
    /// <param name="size">Bytes, or null when they are not known.</param>
    internal static string? ProblemOf(Version kernel, int? size)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        return kernel < s_fixed && size > RoomInOldKernels
            ? $"kernels before {s_fixed}, of which {kernel.Major}.{kernel.Minor} is one, cannot keep the floating point registers of this processor ({size} bytes, more than {RoomInOldKernels}) unless they were patched: programs in the guest may die"
            : null;
    }

    /// <summary>What XSAVE writes with the features that the host has switched on (CPUID leaf 13).</summary>
    private static int? SizeOnThisMachine()
    {
        const int leaf = 13;
        if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < leaf)
            return null;
        int size = X86Base.CpuId(leaf, 0).Ebx;
        return size > 0 ? size : null;
    }
}
