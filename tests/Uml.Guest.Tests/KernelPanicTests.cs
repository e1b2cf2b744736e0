using Xunit;

namespace Uml.CI.Tests;

/// <summary>Logs/ holds what 6.1 and 7.2 kernels really printed.</summary>
public sealed class KernelPanicTests
{
    [Theory]
    [InlineData("6.1-bug", "BUG! (BUG: failure at drivers/uml_ci/widget.c:61/work()!)", "BUG: failure at")]
    [InlineData("7.2-bug", "BUG! (BUG: failure at drivers/uml_ci/widget.c:61/work()!)", "BUG: failure at")]
    [InlineData("7.2-panic-on-warn", "kernel: panic_on_warn set ... (WARNING: drivers/uml_ci/widget.c:42 at work+0x2f/0x36 [widget_warn], CPU#0: init/1)", "------------[ cut here ]------------")]
    [InlineData("7.2-null-pointer", "Kernel mode fault at addr 0x0, ip 0x70960000", "Modules linked in:")]
    [InlineData("7.2-sysrq-crash", "sysrq triggered crash", "sysrq: Trigger a crash")]
    public void A_panic_comes_with_its_cause(string log, string reason, string firstLine)
    {
        KernelPanic panic = LastOf(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Logs", log + ".txt")))!;
        Assert.Equal(reason, panic.Reason);
        Assert.Contains(firstLine, panic.Lines[0], StringComparison.Ordinal);
        Assert.EndsWith(panic.Report.Lines[^1], panic.Lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_complained_of_long_before_is_not_the_cause()
    {
        string others = string.Concat(Enumerable.Range(1, 20).Select(i => $"[    2.000000] line {i}\n"));
        KernelPanic panic = LastOf($"[    1.000000] BUG: x\n{others}[    3.000000] Kernel panic - not syncing: y\n")!;
        Assert.Null(panic.Cause);
        Assert.Equal("y", panic.Reason);
        Assert.Equal("BUG: x", LastOf("[    1.000000] BUG: x\n[    1.000000] Kernel panic - not syncing: y\n")!.Cause!.Title);
        Assert.Null(LastOf("[    1.000000] BUG: x\n"));
    }

    private static KernelPanic? LastOf(string log) => KernelPanic.LastOf(KernelLogScanner.Scan(log));
}
