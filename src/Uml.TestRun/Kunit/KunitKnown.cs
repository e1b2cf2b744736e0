namespace Uml.CI;

/// <summary>
/// Complaints that the kernel's unit tests provoke on purpose, as they test what a function does when it is misused, and one that
/// comes of the configuration they are built with.
/// </summary>
internal static class KunitKnown
{
    private const string Text = """
        kind: Warning
        source: lib/math/int_log.c
        reason: the tests of intlog2 and intlog10 ask for the logarithm of 0, which warns
        expires: 2028-12-31

        kind: Warning
        title: No virtio device ID configured for PCI - no PCI support
        reason: the kernel's own configuration of UML for KUnit turns PCI on and names no device
        expires: 2028-12-31

        kind: Kasan
        test: kasan.*
        reason: the tests of KASAN make the mistakes it is to find, and fail when it does not
        expires: 2028-12-31

        kind: Kfence
        test: kfence.*
        reason: the tests of KFENCE make the mistakes it is to find, and fail when it does not
        expires: 2028-12-31

        kind: Kcsan
        test: kcsan.*
        reason: the tests of KCSAN make the races it is to find, and fail when it does not
        expires: 2028-12-31
        """;

    /// <summary>The list.</summary>
    public static KernelAllowList List { get; } = KernelAllowList.Parse(Text, "kunit");
}
