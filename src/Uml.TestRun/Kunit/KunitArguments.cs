using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>The kernel's command line for its unit tests (lib/kunit/executor.c).</summary>
internal static class KunitArguments
{
    private static readonly Version FirstWithAttributes = new(6, 6);

    /// <summary>What to add to the command line.</summary>
    /// <param name="options">What is to run.</param>
    /// <param name="glob">The tests of this kernel; empty for all.</param>
    /// <param name="action"><c>list</c>, <c>list_attr</c>, or null to run the tests.</param>
    public static ImmutableArray<string> Create(KunitOptions options, string glob, string? action = null) =>
    [
        .. options.Guest.KernelArguments,
        .. action is null ? (string[])[] : [$"kunit.action={action}"],
        .. glob.Length == 0 ? (string[])[] : [$"kunit.filter_glob={glob}"],

        // It may hold spaces; the kernel takes the quotes off.
        .. options.Filter.Length == 0 ? (string[])[] : [$"kunit.filter=\"{options.Filter}\""],
        .. options.SkipFiltered ? (string[])["kunit.filter_action=skip"] : [],
        "kunit.enable=1",
        "kunit_shutdown=halt",
    ];

    /// <summary>Checks what is asked for against the kernel that is to do it.</summary>
    /// <exception cref="ArgumentException">It cannot; the message says why and what to do.</exception>
    public static void Check(KunitOptions options, GuestKernel kernel, bool attributes = false)
    {
        if (options.FilterGlob.AsSpan().ContainsAny(" \"\t\n"))
            throw new ArgumentException($"\"{options.FilterGlob}\" cannot be a pattern of test names, which have neither spaces nor quotes: write SUITE or SUITE.TEST, such as 'list*' or 'list*.*del_test'");
        if (options.Filter.AsSpan().ContainsAny("\"\n"))
            throw new ArgumentException($"the filter {options.Filter} holds a quote or a line break: write it without, such as speed>slow");
        if (!KernelText.Contains(kernel.ExecutablePath, "kunit_shutdown"u8))
            throw new ArgumentException($"kernel {kernel.Release} ({kernel.Reference}) has no unit tests (CONFIG_KUNIT is off): build one with uml kunit build, or name one with the profile kunit");
        if ((attributes || options.Filter.Length > 0 || options.SkipFiltered) && kernel.Version < FirstWithAttributes)
            throw new ArgumentException($"kernel {kernel.Release} ({kernel.Reference}) knows no attributes of tests, which came with Linux {FirstWithAttributes}: pick tests by name");
    }
}
