using System.Collections.Immutable;
using System.Text;

namespace Uml.CI.Tests;

public sealed class KernelLogScannerTests
{
    // As Debian's 7.2.7 for User-mode Linux prints it.
    private const string Panic = """
        [    0.030000] Run /init as init process
        [    0.100000] sysrq: Trigger a crash
        [    0.100000] Kernel panic - not syncing: sysrq triggered crash
        [    0.100000] CPU: 0 UID: 0 PID: 226 Comm: sh Not tainted 7.2.7 #1 VOLUNTARY  
        [    0.100000] Stack:
        [    0.100000]  6225fbc0 60983b0b 607b940e 60bfb2e0
        [    0.100000]  60a5c601 60983b0b 6225fc78 6003209e
        [    0.100000]  6225fbf0 6003e01d 6093c5c5 60bfb2e0
        [    0.100000] Call Trace:
        [    0.100000]  [<6003209e>] ? _printk+0x0/0x45
        [    0.100000]  [<60041149>] show_stack+0x10b/0x11a
        [    0.100000]  [<6003e052>] dump_stack+0x1a/0x1c
        [    0.100000]  [<605c613e>] write_sysrq_trigger+0x83/0xa3 [sysrq]
        [    0.100000]  [<60040493>] fork_handler+0x54/0x58
        """;

    [Fact]
    public void A_panic_of_User_mode_Linux_is_read_whole()
    {
        KernelComplaint panic = Assert.Single(KernelLogScanner.Scan(Panic));
        Assert.Equal((KernelComplaintKind.Panic, "Kernel panic - not syncing: sysrq triggered crash"), (panic.Kind, panic.Title));
        Assert.Equal((0, 226, "sh"), (panic.Cpu, panic.ProcessId, panic.Command));
        Assert.Equal((2, 14), (panic.FirstLine, panic.LastLine));
        Assert.Equal(TimeSpan.FromMilliseconds(100), panic.Time);
        Assert.Equal(13, panic.Lines.Length);
        Assert.Equal(
            ["? _printk+0x0/0x45", "show_stack+0x10b/0x11a", "dump_stack+0x1a/0x1c", "write_sysrq_trigger+0x83/0xa3 [sysrq]", "fork_handler+0x54/0x58"],
            panic.Frames.Select(frame => frame.ToString()));
        Assert.Equal(0x60041149UL, panic.Frames[1].Address);
    }

    [Fact]
    public void A_warning_is_read_with_its_place_its_message_and_its_stack()
    {
        KernelComplaint warning = Assert.Single(KernelLogScanner.Scan("""
            clocksource: ok
            ------------[ cut here ]------------
            WARNING: CPU: 0 PID: 12 at kernel/time/clockevents.c:458 clockevents_register_device+0x143/0x160
            posix-timer cpumask == cpu_all_mask, using cpu_possible_mask instead
            CPU: 0 PID: 12 Comm: my task Not tainted 5.1.0-rc7 #163
            Stack:
             6005cc00 60233e18 60233e60 60233e18
            Call Trace:
             [<600214c5>] ? os_is_signal_stack+0x15/0x30
             [<6002a1b4>] ? __warn+0x144/0x170

            random: get_random_bytes called from print_oops_end_marker+0x4c/0x60 with crng_init=0
            ---[ end trace c83434852b3702d3 ]---
            Calibrating delay loop... 6958.28 BogoMIPS (lpj=34791424)
            """));
        Assert.Equal(KernelComplaintKind.Warning, warning.Kind);
        Assert.Equal(new KernelSourceLocation("kernel/time/clockevents.c", 458), warning.Location);
        Assert.Equal("posix-timer cpumask == cpu_all_mask, using cpu_possible_mask instead", warning.Message);
        Assert.Equal((0, 12, "my task"), (warning.Cpu, warning.ProcessId, warning.Command));
        Assert.Equal(["os_is_signal_stack", "__warn"], warning.Frames.Select(frame => frame.Function));
        Assert.Equal(12, warning.Lines.Length);
        Assert.StartsWith("---[ end trace", warning.Lines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public void The_warning_of_new_kernels_says_who_in_its_first_line()
    {
        KernelComplaint warning = Assert.Single(KernelLogScanner.Scan("""
            [    1.000000][   T12] ------------[ cut here ]------------
            [    1.000000][   T12] refcount_t: underflow; use-after-free.
            [    1.000000][   T12] WARNING: lib/refcount.c:28 at refcount_warn_saturate+0x6a/0x90, CPU#1: kworker/1:2/12
            [    1.000000][   T12] Modules linked in: foo(O)
            [    1.000000][   T12] CPU: 1 UID: 0 PID: 12 Comm: kworker/1:2 Tainted: G           O        7.3.0 #1 NONE
            [    1.000000][   T12] RIP: 0010:refcount_warn_saturate+0x6a/0x90
            [    1.000000][   T12] Code: 01 e8 0b 0f
            [    1.000000][   T12] RSP: 0018:ffffc90000013e10 EFLAGS: 00010286
            [    1.000000][   T12] RAX: 0000000000000000 RBX: ffff888003b5c000 RCX: 0000000000000027
            [    1.000000][   T12] Call Trace:
            [    1.000000][   T12]  <TASK>
            [    1.000000][   T12]  foo_put+0x1c/0x20 [foo 0123456789abcdef]
            [    1.000000][   T12]  </TASK>
            [    1.000000][   T12] ---[ end trace 0000000000000000 ]---
            [    1.100000][   T12] foo: gone
            """));
        Assert.Equal(KernelComplaintKind.Refcount, warning.Kind);
        Assert.StartsWith("WARNING: lib/refcount.c:28 at", warning.Title, StringComparison.Ordinal);
        Assert.Equal("refcount_t: underflow; use-after-free.", warning.Message);
        Assert.Equal(new KernelSourceLocation("lib/refcount.c", 28), warning.Location);
        Assert.Equal((1, 12, "kworker/1:2"), (warning.Cpu, warning.ProcessId, warning.Command));
        Assert.Equal(["refcount_warn_saturate+0x6a/0x90", "foo_put+0x1c/0x20 [foo]"], warning.Frames.Select(frame => frame.ToString()));
        Assert.False(warning.Frames[0].IsReturnAddress);
        Assert.Equal(14, warning.Lines.Length);
    }

    [Theory]
    [InlineData("WARNING: possible circular locking dependency detected", KernelComplaintKind.Lockdep)]
    [InlineData("WARNING: possible recursive locking detected", KernelComplaintKind.Lockdep)]
    [InlineData("WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected", KernelComplaintKind.Lockdep)]
    [InlineData("WARNING: inconsistent lock state", KernelComplaintKind.Lockdep)]
    [InlineData("WARNING: suspicious RCU usage", KernelComplaintKind.Lockdep)]
    [InlineData("WARNING: lock held when returning to user space!", KernelComplaintKind.Lockdep)]
    [InlineData("WARNING: bad unlock balance detected!", KernelComplaintKind.Lockdep)]
    [InlineData("WARNING: sh/12 still has locks held!", KernelComplaintKind.Lockdep)]
    [InlineData("INFO: possible circular locking dependency detected", KernelComplaintKind.Lockdep)]
    [InlineData("[ INFO: possible recursive locking detected ]", KernelComplaintKind.Lockdep)]
    [InlineData("[ BUG: Invalid wait context ]", KernelComplaintKind.Lockdep)]
    [InlineData("INFO: trying to register non-static key.", KernelComplaintKind.Lockdep)]
    [InlineData("WARNING: something is odd", KernelComplaintKind.Warning)]
    [InlineData("BUG: KASAN: slab-use-after-free in foo+0x1/0x2", KernelComplaintKind.Kasan)]
    [InlineData("BUG: KCSAN: data-race in a / b", KernelComplaintKind.Kcsan)]
    [InlineData("BUG: KFENCE: use-after-free read in foo+0x1/0x2", KernelComplaintKind.Kfence)]
    [InlineData("BUG: KMSAN: uninit-value in foo", KernelComplaintKind.Kmsan)]
    [InlineData("UBSAN: array-index-out-of-bounds in lib/foo.c:12:3", KernelComplaintKind.Ubsan)]
    [InlineData("rcu: INFO: rcu_preempt self-detected stall on CPU", KernelComplaintKind.RcuStall)]
    [InlineData("rcu: INFO: rcu_sched self-detected stall on CPU", KernelComplaintKind.RcuStall)]
    [InlineData("rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-.... } 21 jiffies s: 5 root: 0x2/.", KernelComplaintKind.RcuStall)]
    [InlineData("INFO: task sh:12 blocked in I/O wait for more than 120 seconds.", KernelComplaintKind.HungTask)]
    [InlineData("bad: scheduling from the idle thread!", KernelComplaintKind.AtomicSleep)]
    [InlineData("BUG: stack guard page was hit at 0000000012345678 (stack is 0000000012340000..0000000012344000)", KernelComplaintKind.Oops)]
    [InlineData("alignment check: 0000 [#1] SMP", KernelComplaintKind.Oops)]
    [InlineData("Oops: general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#2] SMP", KernelComplaintKind.Oops)]
    [InlineData("refcount_t: underflow; use-after-free.", KernelComplaintKind.Refcount)]
    [InlineData("list_add corruption. next->prev should be prev (0000000061000000), but was 0000000000000000. (next=0000000061000010).", KernelComplaintKind.ListCorruption)]
    [InlineData("list_add double add: new=0000000061000000, prev=0000000061000000, next=0000000061000010.", KernelComplaintKind.ListCorruption)]
    [InlineData("rcu: INFO: rcu_sched detected stalls on CPUs/tasks:", KernelComplaintKind.RcuStall)]
    [InlineData("INFO: rcu_tasks detected stalls on tasks:", KernelComplaintKind.RcuStall)]
    [InlineData("INFO: task kworker/0:1:12 blocked for more than 120 seconds.", KernelComplaintKind.HungTask)]
    [InlineData("watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [sh:12]", KernelComplaintKind.SoftLockup)]
    [InlineData("BUG: workqueue lockup - pool cpus=0", KernelComplaintKind.SoftLockup)]
    [InlineData("watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 0", KernelComplaintKind.HardLockup)]
    [InlineData("NMI watchdog: Watchdog detected hard LOCKUP on cpu 1", KernelComplaintKind.HardLockup)]
    [InlineData("BUG: scheduling while atomic: sh/12/0x00000002", KernelComplaintKind.AtomicSleep)]
    [InlineData("BUG: sleeping function called from invalid context at mm/slab.h:437", KernelComplaintKind.AtomicSleep)]
    [InlineData("BUG: using smp_processor_id() in preemptible [00000000] code: sh/12", KernelComplaintKind.AtomicSleep)]
    [InlineData("BUG: unable to handle page fault for address: ffffc90000000000", KernelComplaintKind.Oops)]
    [InlineData("BUG: kernel NULL pointer dereference, address: 0000000000000008", KernelComplaintKind.Oops)]
    [InlineData("general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP", KernelComplaintKind.Oops)]
    [InlineData("Oops: Oops: 0002 [#1] SMP", KernelComplaintKind.Oops)]
    [InlineData("Unable to handle kernel NULL pointer dereference at virtual address 0", KernelComplaintKind.Oops)]
    [InlineData("kernel BUG at fs/ext4/inode.c:123!", KernelComplaintKind.Bug)]
    [InlineData("BUG: Bad page state in process sh  pfn:12345", KernelComplaintKind.Bug)]
    [InlineData("BUG kmalloc-64 (Not tainted): Poison overwritten", KernelComplaintKind.Bug)]
    [InlineData("BUG: spinlock bad magic on CPU#0, sh/12", KernelComplaintKind.Bug)]
    [InlineData("Kernel panic - not syncing: Kernel mode fault at addr 0x0, ip 0x60001234", KernelComplaintKind.Panic)]
    [InlineData("refcount_t: addition on 0; use-after-free.", KernelComplaintKind.Refcount)]
    [InlineData("list_del corruption. prev->next should be ffff, but was 0000", KernelComplaintKind.ListCorruption)]
    [InlineData("kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)", KernelComplaintKind.Kmemleak)]
    [InlineData("unreferenced object 0x61e8a000 (size 64):", KernelComplaintKind.Kmemleak)]
    [InlineData("sh: page allocation failure: order:4, mode:0x40cc0(GFP_KERNEL|__GFP_COMP)", KernelComplaintKind.PageAllocationFailure)]
    [InlineData("sh invoked oom-killer: gfp_mask=0x140cca", KernelComplaintKind.OutOfMemory)]
    public void Each_kind_is_known_by_its_first_line(string title, KernelComplaintKind kind)
    {
        foreach (string prefix in (string[])["", "[   12.345678] ", "<4>[   12.345678][  T123] ", "4,1,12345678,-;"])
        {
            KernelComplaint complaint = Assert.Single(KernelLogScanner.Scan($"{prefix}before\n{prefix}{title}\n{prefix}after\n"));
            Assert.Equal((kind, title, 2L), (complaint.Kind, complaint.Title, complaint.FirstLine));
        }
    }

    [Theory]
    [InlineData("Warning: unable to open an initial console.")]
    [InlineData("sh: BUG: not the kernel's words at the beginning")]
    [InlineData("DEBUG: BUG")]
    [InlineData("INFO: lockdep is turned off.")]
    [InlineData("kmemleak: Kernel memory leak detector initialized (mem pool available: 15679)")]
    [InlineData("rcu: INFO: rcu_preempt grace period is fine")]
    [InlineData("    # kasan: EXPECTATION FAILED")]
    [InlineData("==================================================================")]
    [InlineData("watchdog: Delayed init of the lockup detector failed: -19")]
    [InlineData("random: crng init done")]
    [InlineData("Oops, that was nothing")]
    [InlineData("INFO: task sh:12 is blocked on a mutex likely owned by task cat:13.")]
    [InlineData("usb: new device [#1]")]
    public void Other_lines_are_no_complaint(string line) => Assert.Empty(KernelLogScanner.Scan(line + "\n" + line));

    [Fact]
    public void A_line_that_only_begins_with_WARNING_has_no_message()
    {
        KernelComplaint warning = Assert.Single(KernelLogScanner.Scan("WARNING: something is odd\nsomebody else's words\n and more of them\n"));
        Assert.Null(warning.Message);
        Assert.Equal("WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2", Assert.Single(KernelLogScanner.Scan("WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\nsomebody else's words\n")).Title);
    }

    [Fact]
    public void A_warning_may_say_much()
    {
        string said = string.Join('\n', Enumerable.Range(1, 12).Select(line => $"line {line}"));
        KernelComplaint warning = Assert.Single(KernelLogScanner.Scan(
            $"------------[ cut here ]------------\nWARNING: a.c:1 at f+0x1/0x2, CPU#0: sh/1\n{said}\nModules linked in:\nCall Trace:\n f+0x1/0x2 [mod]\n---[ end trace ]---\n"));
        Assert.Equal(said, warning.Message);
        Assert.Equal("mod", Assert.Single(warning.Frames).Module);
    }

    [Theory]
    [InlineData(" [<70960000>] work+0x54/0x5b [widget]", "work+0x54/0x5b [widget]")]
    [InlineData(" [<70960000>] ? work+0x54/0x5b [widget]", "? work+0x54/0x5b [widget]")]
    [InlineData(" ? work.cold+0x54/0x5b [my_mod 0123456789abcdef]", "? work.cold+0x54/0x5b [my_mod]")]
    [InlineData(" work+0x54/0x5b", "work+0x54/0x5b")]
    public void A_frame_says_which_module_it_is_in(string line, string frame)
    {
        KernelComplaint warning = Assert.Single(KernelLogScanner.Scan($"WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2\nCall Trace:\n{line}\n"));
        Assert.Equal(frame, Assert.Single(warning.Frames).ToString());
    }

    [Fact]
    public void A_programs_output_is_no_part_of_a_report_with_time_stamps()
    {
        KernelComplaint warning = Assert.Single(KernelLogScanner.Scan("""
            [    1.000000] ------------[ cut here ]------------
            output
            [    1.000000] WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2
            [    1.000000] Modules linked in: widget(O+)
            more output
            and more
            and more
            and more
            [    1.000000] ---[ end trace 0000000000000000 ]---
            """));
        Assert.Equal(4, warning.Lines.Length);
        Assert.Null(warning.Message);
        Assert.Equal((1, 9), (warning.FirstLine, warning.LastLine));

        // Nor one by itself, unless there is a stack: who turns time stamps off hides nothing.
        Assert.Empty(KernelLogScanner.Scan("[    1.000000] Run /init as init process\nBUG: x\nWARNING: y\n"));
        Assert.Equal("BUG: x", Assert.Single(KernelLogScanner.Scan("[    1.000000] Run /init as init process\nBUG: x\nCall Trace:\n f+0x1/0x2\nWARNING: y\n")).Title);
    }

    [Fact]
    public void A_hung_task_says_whom_it_waits_for()
    {
        KernelComplaint hung = Assert.Single(KernelLogScanner.Scan("""
            [   13.000000] INFO: task my task:77 blocked for more than 10 seconds.
            [   13.000000]       Tainted: G           O       6.12.0 #1
            [   13.000000] "echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.
            [   13.000000] task:my task         state:D stack:0     pid:77    tgid:77    ppid:1      flags:0x00000000
            [   13.000000] Call Trace:
            [   13.000000]  [<6002c2f1>] __switch_to+0x50/0x7f
            [   13.000000] INFO: task my task:77 is blocked on a mutex likely owned by task cat:78.
            [   13.000000] task:cat             state:S stack:0     pid:78    tgid:78    ppid:1      flags:0x00000000
            [   13.000000] Call Trace:
            [   13.000000]  [<6002c2f1>] __schedule+0x51b/0x568
            """));
        Assert.Equal((KernelComplaintKind.HungTask, 77, "my task", 10), (hung.Kind, hung.ProcessId, hung.Command, hung.Lines.Length));
        Assert.Equal("__switch_to", Assert.Single(hung.Frames).Function);
    }

    [Fact]
    public void Who_and_where_is_read_from_titles()
    {
        KernelComplaint ubsan = Assert.Single(KernelLogScanner.Scan("""
            ------------[ cut here ]------------
            UBSAN: shift-out-of-bounds in lib/foo.c:12:34
            shift exponent 64 is too large for 32-bit type 'int'
            CPU: 0 UID: 0 PID: 7 Comm: sh Not tainted 7.3.0
            Call Trace:
             foo+0x1/0x20
            ---[ end trace ]---
            """));
        Assert.Equal((KernelComplaintKind.Ubsan, new KernelSourceLocation("lib/foo.c", 12, 34)), (ubsan.Kind, ubsan.Location));
        Assert.Equal("shift exponent 64 is too large for 32-bit type 'int'", ubsan.Message);
        Assert.Equal("foo", Assert.Single(ubsan.Frames).Function);

        KernelComplaint atomic = Assert.Single(KernelLogScanner.Scan("BUG: scheduling while atomic: kworker/u8:1/33/0x00000002\n"));
        Assert.Equal(("kworker", 0), (atomic.Command ?? "kworker", 0));
        KernelComplaint hung = Assert.Single(KernelLogScanner.Scan("INFO: task kworker/0:1:12 blocked for more than 120 seconds.\n"));
        Assert.Equal(("kworker/0:1", 12), (hung.Command, hung.ProcessId));
        Assert.Equal(new KernelSourceLocation("fs/ext4/inode.c", 123), Assert.Single(KernelLogScanner.Scan("kernel BUG at fs/ext4/inode.c:123!\n")).Location);
        Assert.Equal(new KernelSourceLocation("mm/slab.h", 437), Assert.Single(KernelLogScanner.Scan("BUG: sleeping function called from invalid context at mm/slab.h:437\n")).Location);
    }

    [Fact]
    public void Reports_between_rulers_end_at_the_ruler()
    {
        ImmutableArray<KernelComplaint> complaints = KernelLogScanner.Scan("""
            [    1.000000] ==================================================================
            [    1.000000] BUG: KASAN: slab-out-of-bounds in kmalloc_oob_right+0x1/0x2
            [    1.000000] Read of size 1 at addr 0000000061e8a07b by task kunit_try_catch/45
            [    1.000000] 
            [    1.000000] CPU: 0 UID: 0 PID: 45 Comm: kunit_try_catch Tainted: G                 N  7.3.0
            [    1.000000] Call Trace:
            [    1.000000]  kasan_report+0xa0/0xc0
            [    1.000000]  kmalloc_oob_right+0x1/0x2
            [    1.000000] 
            [    1.000000] Allocated by task 45:
            [    1.000000]  kasan_save_stack+0x20/0x40
            [    1.000000] Some words this scanner has never seen
            [    1.000000] ==================================================================
            [    1.000000] Disabling lock debugging due to kernel taint
            [    1.100000]     not ok 1 kmalloc_oob_right
            [    1.200000] ==================================================================
            [    1.200000] BUG: KFENCE: use-after-free read in foo+0x1/0x2
            [    1.200000] ==================================================================
            """);
        Assert.Equal([KernelComplaintKind.Kasan, KernelComplaintKind.Kfence], complaints.Select(complaint => complaint.Kind));
        Assert.Equal([13, 3], complaints.Select(complaint => complaint.Lines.Length));
        Assert.Equal([1L, 16L], complaints.Select(complaint => complaint.FirstLine));
        Assert.Equal(["kasan_report", "kmalloc_oob_right"], complaints[0].Frames.Select(frame => frame.Function));
        Assert.Equal(45, complaints[0].ProcessId);
    }

    [Fact]
    public void The_lock_validators_story_is_kept_whole()
    {
        KernelComplaint lockdep = Assert.Single(KernelLogScanner.Scan("""
            [    1.000000] ======================================================
            [    1.000000] WARNING: possible circular locking dependency detected
            [    1.000000] 7.3.0 #1 Not tainted
            [    1.000000] ------------------------------------------------------
            [    1.000000] sh/12 is trying to acquire lock:
            [    1.000000] 0000000061e8a000 (&a){+.+.}-{3:3}, at: foo+0x1/0x20
            [    1.000000] 
            [    1.000000] but task is already holding lock:
            [    1.000000] 0000000061e8b000 (&b){+.+.}-{3:3}, at: bar+0x1/0x20
            [    1.000000] 
            [    1.000000] which lock already depends on the new lock.
            [    1.000000] the existing dependency chain (in reverse order) is:
            [    1.000000] -> #1 (&b){+.+.}-{3:3}:
            [    1.000000]        lock_acquire+0x1/0x20
            [    1.000000]  *** DEADLOCK ***
            [    1.000000] 1 lock held by sh/12:
            [    1.000000]  #0: 0000000061e8b000 (&b){+.+.}-{3:3}, at: bar+0x1/0x20
            [    1.000000] 
            [    1.000000] stack backtrace:
            [    1.000000] CPU: 0 UID: 0 PID: 12 Comm: sh Not tainted 7.3.0 #1 NONE
            [    1.000000] Call Trace:
            [    1.000000]  [<60041149>] show_stack+0x10b/0x11a
            [    1.000000]  [<6004114a>] foo+0x1/0x20
            [    1.100000] systemd[1]: Started something.
            """));
        Assert.Equal(KernelComplaintKind.Lockdep, lockdep.Kind);
        Assert.Equal(23, lockdep.Lines.Length);
        Assert.Equal(["show_stack", "foo"], lockdep.Frames.Select(frame => frame.Function));
        Assert.Equal("sh", lockdep.Command);
    }

    [Fact]
    public void An_oops_and_the_panic_it_leads_to_are_two()
    {
        ImmutableArray<KernelComplaint> complaints = KernelLogScanner.Scan("""
            list_del corruption. prev->next should be 1, but was 2
            ------------[ cut here ]------------
            kernel BUG at lib/list_debug.c:62!
            Oops: invalid opcode: 0000 [#1] SMP
            CPU: 0 UID: 0 PID: 1 Comm: init Not tainted 7.3.0
            RIP: 0010:__list_del_entry_valid+0x1/0x2
            Call Trace:
             <TASK>
             foo+0x1/0x20
             </TASK>
            ---[ end trace 0000000000000000 ]---
            RIP: 0010:__list_del_entry_valid+0x1/0x2
            Kernel panic - not syncing: Fatal exception
            Kernel Offset: disabled
            ---[ end Kernel panic - not syncing: Fatal exception ]---
            """);
        Assert.Equal([KernelComplaintKind.ListCorruption, KernelComplaintKind.Panic], complaints.Select(complaint => complaint.Kind));
        // The registers that are printed once more behind the trace.
        Assert.Equal(4, complaints[1].Lines.Length);
        Assert.Equal(complaints[0].LastLine + 1, complaints[1].FirstLine);
    }

    [Fact]
    public void Complaints_are_told_as_soon_as_they_end_however_the_log_is_cut()
    {
        string log = Panic + "\n[    1.000000] BUG: KASAN: x in y\n[    1.000000] something else\n[    1.000000] a\n[    1.000000] b\n[    1.000000] c\nend\n";
        byte[] bytes = Encoding.UTF8.GetBytes(log);
        ImmutableArray<KernelComplaint> whole = KernelLogScanner.Scan(log);
        Assert.Equal(2, whole.Length);
        for (int size = 1; size < 200; size += 13)
        {
            List<KernelComplaint> told = [];
            KernelLogScanner scanner = new(told.Add);
            for (int at = 0; at < bytes.Length; at += size)
                scanner.Push(bytes.AsSpan(at, Math.Min(size, bytes.Length - at)));
            Assert.Equal(2, told.Count);
            Assert.Equal(whole, scanner.Complete());
        }
    }

    [Fact]
    public void Whoever_asks_before_the_end_gets_what_there_is_and_changes_nothing()
    {
        KernelLogScanner asked = new();
        List<int> lengths = [];
        foreach (string line in Panic.Split('\n'))
        {
            asked.PushLine(line);
            if (asked.Complaints is [var soFar])
                lengths.Add(soFar.Lines.Length);
        }

        Assert.Equal(Enumerable.Range(2, 12), lengths);
        KernelComplaint whole = Assert.Single(KernelLogScanner.Scan(Panic));
        KernelComplaint panic = Assert.Single(asked.Complete());
        Assert.Equal(whole, panic);
        Assert.Equal((whole.Cpu, whole.ProcessId, whole.Command), (panic.Cpu, panic.ProcessId, panic.Command));
    }

    [Fact]
    public void The_kernels_own_logs_have_the_complaints_one_sees_in_them()
    {
        Assert.SkipWhen(KernelTrees.All.Count == 0, KernelTrees.Reason);
        foreach (string tree in KernelTrees.All)
        {
            foreach (string log in Directory.EnumerateFiles(Path.Combine(tree, "tools/testing/kunit/test_data"), "*.log"))
            {
                string text = File.ReadAllText(log);
                var found = KernelLogScanner.Scan(text).Select(complaint => complaint.Kind).ToList();
                List<KernelComplaintKind> expected = [];
                if (text.Contains("WARNING: CPU", StringComparison.Ordinal))
                    expected.Add(KernelComplaintKind.Warning);
                if (text.Contains("Kernel panic", StringComparison.Ordinal))
                    expected.Add(KernelComplaintKind.Panic);
                Assert.Equal(expected, found);
            }
        }
    }

    [Fact]
    public void Any_log_is_scanned_in_linear_time()
    {
        string[] pieces =
        [
            Panic, "------------[ cut here ]------------\n", "WARNING: x\n", "BUG: KASAN: y\n", "=====================\n", " foo+0x1/0x2\n", "Call Trace:\n", "noise\n", "---[ end trace ]---\n",
            "[    1.000000] ", "<4>", "\n", "\r\n", "INFO: task a:1 blocked for\n", "refcount_t: x\n", "kernel BUG at a.c:1!\n", "CPU: 1 PID: 2 Comm: \n", "RIP: \n", ": page allocation failure: order:\n", " [<6", ">] ? ", "+0x", "/0x",
        ];
        for (int seed = 1; seed <= 2_000; seed++)
        {
            Random random = new(seed);
            StringBuilder log = new();
            while (log.Length < 3_000)
            {
                string piece = pieces[random.Next(pieces.Length)];
                int at = random.Next(piece.Length);
                log.Append(random.Next(4) == 0 ? piece[at..] : piece);
                if (random.Next(20) == 0)
                    log.Append((char)random.Next(0x10000));
            }

            string text = log.ToString();
            KernelLogScanner scanner = new();
            scanner.Push(text);
            ImmutableArray<KernelComplaint> complaints = scanner.Complete();
            Assert.True(scanner.Work <= (3 * text.Length) + 100, $"seed {seed}: {scanner.Work} for {text.Length}");
            Assert.All(complaints, complaint => Assert.NotEmpty(complaint.Title));
            Assert.All(complaints, complaint => Assert.InRange(complaint.Lines.Length, 1, 400));
        }

        KernelLogScanner endless = new();
        endless.Push("WARNING: " + new string('x', 5_000_000) + "\n");
        for (int line = 0; line < 100_000; line++)
            endless.PushLine(" [<60041149>] show_stack+0x10b/0x11a");
        KernelComplaint complaint = Assert.Single(endless.Complete());
        Assert.InRange(complaint.Title.Length, 1, 4_096);
        Assert.InRange(complaint.Lines.Length, 1, 400);
    }
}
