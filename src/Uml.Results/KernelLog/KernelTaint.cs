using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>One reason why a kernel is tainted.</summary>
/// <param name="Bit">Its bit in /proc/sys/kernel/tainted.</param>
/// <param name="Letter">Its letter in the kernel's log.</param>
/// <param name="Reason">In words.</param>
/// <param name="IsComplaint">Whether the kernel sets it because something went wrong, rather than because of how it is used.</param>
public sealed record KernelTaint(int Bit, char Letter, string Reason, bool IsComplaint)
{
    /// <summary>All that are known, by bit.</summary>
    /// <remarks>Documentation/admin-guide/tainted-kernels.rst of Linux 7.3, and include/linux/panic.h.</remarks>
    public static ImmutableArray<KernelTaint> Known { get; } =
    [
        new(0, 'P', "a proprietary module was loaded", false),
        new(1, 'F', "a module was loaded by force", false),
        new(2, 'S', "the kernel runs on a system out of specification", false),
        new(3, 'R', "a module was unloaded by force", false),
        new(4, 'M', "the processor reported a machine check exception", true),
        new(5, 'B', "a bad page was referenced, or had unexpected flags", true),
        new(6, 'U', "a program of the user asked for it", false),
        new(7, 'D', "the kernel died: there was an oops or BUG", true),
        new(8, 'A', "an ACPI table was overridden", false),
        new(9, 'W', "the kernel issued a warning", true),
        new(10, 'C', "a staging driver was loaded", false),
        new(11, 'I', "a bug of the platform's firmware was worked around", false),
        new(12, 'O', "a module built outside of the tree was loaded", false),
        new(13, 'E', "an unsigned module was loaded", false),
        new(14, 'L', "a soft lockup occurred", true),
        new(15, 'K', "the kernel has been live patched", false),
        new(16, 'X', "a taint defined by the distribution", false),
        new(17, 'T', "the kernel was built with randomised structures", false),
        new(18, 'N', "an in-kernel test was run", false),
        new(19, 'J', "a program used a mutating debug operation of fwctl", false),
    ];

    /// <summary>What a value of /proc/sys/kernel/tainted means. Bits nobody knows yet are given with '?'.</summary>
    /// <param name="value">The value.</param>
    public static ImmutableArray<KernelTaint> Parse(ulong value)
    {
        ImmutableArray<KernelTaint>.Builder taints = ImmutableArray.CreateBuilder<KernelTaint>();
        for (int bit = 0; bit < 64; bit++)
        {
            if ((value & (1UL << bit)) == 0)
                continue;
            taints.Add(bit < Known.Length ? Known[bit] : new KernelTaint(bit, '?', $"unknown taint, bit {bit}", IsComplaint: true));
        }

        return taints.ToImmutable();
    }

    /// <summary>What came to be between two values: the bits of the later one that the earlier one has not.</summary>
    /// <param name="before">The earlier value.</param>
    /// <param name="after">The later value.</param>
    public static ImmutableArray<KernelTaint> Added(ulong before, ulong after) => Parse(after & ~before);

    /// <summary>As the kernel's log has it: "G        W          ", in the order of the bits; "Not tainted" is the empty value.</summary>
    /// <param name="value">The value.</param>
    public static string Letters(ulong value)
    {
        Span<char> letters = stackalloc char[Known.Length];
        for (int bit = 0; bit < letters.Length; bit++)
            letters[bit] = (value & (1UL << bit)) != 0 ? Known[bit].Letter : bit == 0 ? 'G' : ' ';
        return value == 0 ? "" : letters.ToString();
    }
}
