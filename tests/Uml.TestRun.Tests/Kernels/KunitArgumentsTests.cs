namespace Uml.CI.Tests;

/// <summary>What a kernel is told about its unit tests.</summary>
public sealed class KunitArgumentsTests
{
    private static readonly KunitOptions Options = new() { Guest = new GuestOptions { Kernel = "debian:sid", KernelArguments = ["quiet"] } };

    [Fact]
    public void All_tests_need_no_filter() => Assert.Equal(["quiet", "kunit.enable=1", "kunit_shutdown=halt"], KunitArguments.Create(Options, ""));

    [Fact]
    public void A_filter_may_hold_spaces() => Assert.Equal(
        ["quiet", "kunit.action=list", "kunit.filter_glob=list*.*del*", "kunit.filter=\"speed>slow, module!=example\"", "kunit.filter_action=skip", "kunit.enable=1", "kunit_shutdown=halt"],
        KunitArguments.Create(Options with { Filter = "speed>slow, module!=example", SkipFiltered = true }, "list*.*del*", "list"));
}
