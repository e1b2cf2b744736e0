namespace Uml.CI.Tests;

/// <summary>Which test made a kernel complain.</summary>
public sealed class KunitBootTests
{
    private static readonly string[] Log =
    [
        "[    0.010000] ------------[ cut here ]------------",
        "[    0.010000] WARNING: init/early.c:1 at early+0x1/0x2",
        "[    0.010000] ---[ end trace 0000000000000000 ]---",
        "[    0.020000] KTAP version 1",
        "[    0.020000] 1..2",
        "[    0.020000]     KTAP version 1",
        "[    0.020000]     # Subtest: one",
        "[    0.020000]     1..2",
        "[    0.020000]     ok 1 quiet",
        "[    0.030000] ------------[ cut here ]------------",
        "[    0.030000] WARNING: lib/a.c:2 at a+0x1/0x2",
        "[    0.030000] ---[ end trace 0000000000000000 ]---",
        "[    0.030000]     ok 2 loud",
        "[    0.030000] ok 1 one",
        "[    0.030000]     KTAP version 1",
        "[    0.030000]     # Subtest: two",
        "[    0.030000]     1..1",
        "[    0.040000] ------------[ cut here ]------------",
        "[    0.040000] WARNING: lib/b.c:3 at b+0x1/0x2",
        "[    0.040000] ---[ end trace 0000000000000000 ]---",
        "[    0.050000] Kernel panic - not syncing: the end",
    ];

    [Fact]
    public void A_complaint_belongs_to_the_test_that_ran()
    {
        var parser = new KtapParser();
        var scanner = new KernelLogScanner();
        foreach (string line in Log)
        {
            parser.PushLine(line);
            scanner.PushLine(line);
        }

        var boot = new KunitBoot("", KunitBootEnd.Panicked, parser.Complete(), [], TimeSpan.Zero) { Culprit = new KunitTestName("two", "last") };
        KernelComplaint[] complaints = [.. scanner.Complete().Select(c => c with { Test = boot.TestOf(c) })];
        Assert.Equal([null, "one.loud", "two.last", "two.last"], complaints.Select(c => c.Test));
        Assert.Equal([false, false, true, true], complaints.Select(boot.IsOfCulprit));
    }
}
