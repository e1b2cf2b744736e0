using System.Collections.Immutable;

namespace Uml.CI.Tests;

/// <summary>
/// What kernels really printed. Logs/6.1-* and 7.2-* are Debian's kernels with a module that misbehaves, 7.3-* one with the debug
/// profile that was told to (/sys/kernel/debug/provoke-crash), frames in the middle of their stacks left out.
/// </summary>
public sealed class KernelLogTests
{
    public static TheoryData<string, string[], int[]> Provoked => new()
    {
        {
            "7.3-warnings",
            [
                "Warning 0/28/sh WARNING: drivers/misc/lkdtm/bugs.c:164 at lkdtm_WARNING+0x39/0x40, CPU#0: sh/28 ()",
                "Warning 0/29/sh WARNING: drivers/misc/lkdtm/bugs.c:169 at lkdtm_WARNING_MESSAGE+0x44/0x50, CPU#0: sh/29 (Warning message trigger count: 2)",
                "Refcount 0/31/sh WARNING: lib/refcount.c:28 at refcount_warn_saturate+0x2a2/0x2b0, CPU#0: sh/31 (refcount_t: underflow; use-after-free.)",
                "Ubsan 0/35/sh UBSAN: array-index-out-of-bounds in /usr/src/linux/drivers/misc/lkdtm/bugs.c:458:16 (index 8 is out of range for type 'char [8]')",
            ],
            [22, 24, 24, 18]
        },
        { "7.3-list", ["ListCorruption 0/27/sh WARNING: lib/list_debug.c:29 at __list_add_valid_or_report+0x16d/0x280, CPU#0: sh/27 (list_add corruption. next->prev should be prev (000000006738fb70), but was 0000000000000000. (next=000000006738fb90).)"], [23] },
        { "7.3-kasan-overflow", ["Kasan 0/28/sh BUG: KASAN: slab-out-of-bounds in lkdtm_SLAB_LINEAR_OVERFLOW.cold+0x6e/0x70 ()"], [55] },
        { "7.3-kasan-after-free", ["Kasan 0/28/sh BUG: KASAN: slab-use-after-free in lkdtm_WRITE_AFTER_FREE.cold+0xee/0xf0 ()"], [66] },
        {
            "7.3-lockdep",
            [
                "AtomicSleep 0/28/sh BUG: sleeping function called from invalid context at kernel/locking/mutex.c:623 ()",
                "Lockdep 0/28/sh [ BUG: Invalid wait context ] ()",
                "AtomicSleep 0/28/sh BUG: scheduling while atomic: sh/28/0x00000002 ()",
            ],
            [18, 25, 17]
        },
        { "7.3-hung-task", ["HungTask /28/sh INFO: task sh:28 blocked for more than 3 seconds. ()", "HungTask /28/sh INFO: task sh:28 blocked for more than 6 seconds. ()"], [24, 24] },
        { "7.3-soft-lockup", ["SoftLockup 0/29/sh watchdog: BUG: soft lockup - CPU#0 stuck for 5s! [sh:29] ()", "SoftLockup 0/29/sh watchdog: BUG: soft lockup - CPU#0 stuck for 10s! [sh:29] ()"], [17, 17] },
        { "7.3-bug", ["Bug // BUG: failure at drivers/misc/lkdtm/bugs.c:132/lkdtm_BUG()! ()", "Panic 0/28/sh Kernel panic - not syncing: BUG! ()"], [1, 14] },
        { "7.3-fault", ["Panic 0/28/sh Kernel panic - not syncing: Kernel mode fault at addr 0x0, ip 0x615e05b1 ()"], [23] },
        {
            "7.3-fortify",
            [
                "Warning 0/29/sh WARNING: lib/string_helpers.c:1036 at __fortify_report+0xb3/0x110, CPU#0: sh/29 (strscpy: detected buffer overflow: 15 byte write of buffer size 10)",
                "Bug // BUG: failure at lib/string_helpers.c:1044/__fortify_panic()! ()",
                "Panic 0/29/sh Kernel panic - not syncing: BUG! ()",
            ],
            [23, 1, 15]
        },
    };

    [Theory]
    [MemberData(nameof(Provoked))]
    public void What_a_debug_kernel_was_provoked_to_say_is_read(string log, string[] complaints, int[] lines)
    {
        ImmutableArray<KernelComplaint> found = Scan(log);
        Assert.Equal(complaints, found.Select(c => $"{c.Kind} {c.Cpu}/{c.ProcessId}/{c.Command} {c.Title} ({c.Message})"));
        Assert.Equal(lines, found.Select(c => c.Lines.Length));
    }

    [Theory]
    [InlineData("7.3-warnings", 2, "refcount_warn_saturate")]
    [InlineData("7.3-kasan-overflow", 0, "lkdtm_SLAB_LINEAR_OVERFLOW.cold")]
    [InlineData("7.3-kasan-after-free", 0, "lkdtm_WRITE_AFTER_FREE.cold")]
    [InlineData("7.3-lockdep", 1, "__lock_acquire.cold")]
    [InlineData("7.3-hung-task", 1, "schedule")]
    public void The_stack_is_that_of_the_complaint_and_no_other(string log, int complaint, string function)
    {
        KernelComplaint found = Scan(log)[complaint];
        Assert.Contains(function, found.Frames.Where(f => f.IsReliable).Select(f => f.Function));
        Assert.DoesNotContain("kasan_save_stack", found.Frames.Select(f => f.Function));
        Assert.InRange(found.Frames.Length, 5, 7);
    }

    [Theory]
    [InlineData("7.3-fault", 0, "lkdtm_EXCEPTION+0x11/0x40")]
    [InlineData("7.3-soft-lockup", 1, "lkdtm_SOFTLOCKUP+0x62/0x90")]
    public void Where_a_fault_or_a_lockup_happened_is_its_first_frame(string log, int complaint, string frame)
    {
        KernelStackFrame first = Scan(log)[complaint].Frames[0];
        Assert.Equal(frame, first.ToString());
        Assert.False(first.IsReturnAddress);
    }

    [Theory]
    [InlineData("6.1-sysrq-crash", "sysrq triggered crash", "sysrq: Trigger a crash")]
    [InlineData("7.2-sysrq-crash", "sysrq triggered crash", "sysrq: Trigger a crash")]
    [InlineData("6.1-init-exits", "Attempted to kill init! exitcode=0x00000300", "Kernel panic - not syncing: ")]
    [InlineData("7.2-init-exits", "Attempted to kill init! exitcode=0x00000300", "Kernel panic - not syncing: ")]
    [InlineData("6.1-init-segfaults", "Attempted to kill init! exitcode=0x0000000b", "init[1]: segfault at 8 ip ")]
    [InlineData("7.2-init-segfaults", "Attempted to kill init! exitcode=0x0000000b", "init[1]: segfault at 8 ip ")]
    [InlineData("6.1-no-root", "VFS: Unable to mount root fs on unknown-block(98,0)", "VFS: Cannot open root device \"98:0\"")]
    [InlineData("7.2-no-root", "VFS: Unable to mount root fs on unknown-block(98,0)", "/dev/root: Can't open blockdev")]
    [InlineData("6.1-null-pointer", "Kernel mode fault at addr 0x0, ip 0x98994000", "Modules linked in:")]
    [InlineData("7.2-null-pointer", "Kernel mode fault at addr 0x0, ip 0x70960000", "Modules linked in:")]
    [InlineData("6.1-sysrq-t", "Kernel mode fault at addr 0x8, ip 0x601176b7", "Modules linked in:")]
    public void A_panic_comes_with_what_led_to_it_and_its_stack(string log, string title, string firstLine)
    {
        KernelComplaint panic = Assert.Single(Scan(log));
        Assert.Equal((KernelComplaintKind.Panic, "Kernel panic - not syncing: " + title), (panic.Kind, panic.Title));
        Assert.StartsWith(firstLine, KernelLogPrefix.Strip(panic.Lines[0]).ToString(), StringComparison.Ordinal);
        Assert.Equal(panic.Lines.Length, panic.LastLine - panic.FirstLine + 1);
        Assert.Equal("new_thread_handler", panic.Frames[^1].Function);
    }

    [Theory]
    [InlineData("6.1", "WARNING: CPU: 0 PID: 1 at drivers/uml_ci/widget.c:{0} work+0x{1} [{2}]")]
    [InlineData("7.2", "WARNING: drivers/uml_ci/widget.c:{0} at work+0x{1} [{2}], CPU#0: init/1")]
    public void Warnings_of_modules_have_their_place_their_message_and_their_frames(string kernel, string title)
    {
        ImmutableArray<KernelComplaint> warnings = Scan(kernel + "-warnings");
        Assert.All(warnings, warning => Assert.Equal(KernelComplaintKind.Warning, warning.Kind));
        Assert.Equal(
            [
                string.Format(title, 42, "2f/0x36", "widget_warn"),
                string.Format(title, 57, "3a/0x41", "widget_warnmsg"),
                string.Format(title, 70, "4f/0x56", "widget_nonl"),
            ],
            warnings.Select(warning => warning.Title));
        Assert.Equal([null, "widget 7 is late", "two\nlines"], warnings.Select(warning => warning.Message));
        Assert.Equal(["widget_warn", "widget_warnmsg", "widget_nonl"], warnings.Select(warning => warning.Frames.First(frame => frame is { Function: "work", IsReliable: true }).Module));
        Assert.All(warnings, warning => Assert.EndsWith("---[ end trace 0000000000000000 ]---", warning.Lines[^1], StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("6.1-panic-on-warn", KernelComplaintKind.Warning, "kernel: panic_on_warn set ...")]
    [InlineData("7.2-panic-on-warn", KernelComplaintKind.Warning, "kernel: panic_on_warn set ...")]
    [InlineData("6.1-bug", KernelComplaintKind.Bug, "BUG!")]
    [InlineData("7.2-bug", KernelComplaintKind.Bug, "BUG!")]
    public void What_a_panic_is_because_of_stands_right_before_it(string log, KernelComplaintKind kind, string title)
    {
        ImmutableArray<KernelComplaint> found = Scan(log);
        Assert.Equal([kind, KernelComplaintKind.Panic], found.Select(complaint => complaint.Kind));
        Assert.Equal("Kernel panic - not syncing: " + title, found[1].Title);
        Assert.Equal(found[0].LastLine + 1, found[1].FirstLine);
        Assert.Contains(found[1].Frames, frame => frame is { Function: "work", Module: not null });
    }

    [Theory]
    [InlineData("6.1-sysrq-w")]
    [InlineData("7.2-sysrq-w")]
    [InlineData("7.2-sysrq-t")]
    [InlineData("6.1-user-segfault")]
    [InlineData("7.2-user-segfault")]
    public void Stacks_and_registers_that_are_no_complaint_give_none(string log) => Assert.Empty(Scan(log));

    [Fact]
    public void A_lack_of_memory_is_one_complaint_with_its_statistics()
    {
        KernelComplaint killed = Assert.Single(Scan("6.1-out-of-memory"));
        Assert.Equal(KernelComplaintKind.OutOfMemory, killed.Kind);
        Assert.Contains("Out of memory: Killed process", killed.Lines[^1], StringComparison.Ordinal);
        Assert.Equal([KernelComplaintKind.OutOfMemory, KernelComplaintKind.PageAllocationFailure], Scan("7.2-out-of-memory").Select(complaint => complaint.Kind));
    }

    [Theory]
    [InlineData("6.1-forged")]
    [InlineData("7.2-forged")]
    public void What_a_program_writes_to_kmsg_is_taken_for_the_kernels_and_what_it_prints_is_not(string log)
    {
        // With kmsg nothing in the log tells them apart.
        string[] titles = [.. Scan(log).Select(complaint => complaint.Title)];
        Assert.Contains("Kernel panic - not syncing: x", titles);
        Assert.DoesNotContain("Kernel panic - not syncing: on the tty", titles);
        Assert.DoesNotContain("WARNING: on console", titles);
    }

    private static ImmutableArray<KernelComplaint> Scan(string log) => KernelLogScanner.Scan(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Logs", log + ".txt")));
}
