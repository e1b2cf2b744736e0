using Xunit;

namespace Uml.CI.Tests;

/// <summary>
/// Logs/ holds what 6.1 and 7.2 kernels really printed; the texts here are formats those kernels were not built to print.
/// </summary>
public sealed class KernelReportReaderTests
{
    private const string WidgetModules = "Modules linked in: widget(O+)";

    [Theory]
    [InlineData("6.1-sysrq-crash", "Kernel panic - not syncing: sysrq triggered crash", "sysrq: Trigger a crash")]
    [InlineData("7.2-sysrq-crash", "Kernel panic - not syncing: sysrq triggered crash", "sysrq: Trigger a crash")]
    [InlineData("6.1-init-exits", "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000300", "Kernel panic - not syncing: ")]
    [InlineData("7.2-init-exits", "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000300", "Kernel panic - not syncing: ")]
    [InlineData("6.1-init-segfaults", "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b", "init[1]: segfault at 8 ip ")]
    [InlineData("7.2-init-segfaults", "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b", "init[1]: segfault at 8 ip ")]
    [InlineData("6.1-no-root", "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(98,0)", "VFS: Cannot open root device \"98:0\"")]
    [InlineData("7.2-no-root", "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(98,0)", "/dev/root: Can't open blockdev")]
    public void A_panic_comes_with_what_led_to_it_and_its_stack(string log, string title, string firstLine)
    {
        KernelReport report = Assert.Single(ReadLog(log));
        Assert.Equal(KernelReportKind.Panic, report.Kind);
        Assert.Equal(title, report.Title);
        Assert.StartsWith(firstLine, WithoutTime(report.Lines[0]), StringComparison.Ordinal);
        Assert.Contains(report.Lines, line => WithoutTime(line) == "Call Trace:");
        Assert.EndsWith("new_thread_handler+0x" + report.Lines[^1].Split("+0x")[^1], report.Lines[^1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("6.1", "WARNING: CPU: 0 PID: 1 at drivers/uml_ci/widget.c:{0} work+0x{1} [{2}]")]
    [InlineData("7.2", "WARNING: drivers/uml_ci/widget.c:{0} at work+0x{1} [{2}], CPU#0: init/1")]
    public void Warnings_end_with_their_trace_and_not_before(string kernel, string title)
    {
        List<KernelReport> reports = ReadLog(kernel + "-warnings");
        Assert.All(reports, report => Assert.Equal(KernelReportKind.Warning, report.Kind));
        Assert.Equal(
            [
                string.Format(title, 42, "2f/0x36", "widget_warn"),
                string.Format(title, 57, "3a/0x41", "widget_warnmsg"),
                string.Format(title, 70, "4f/0x56", "widget_nonl"),
            ],
            reports.Select(report => report.Title));
        Assert.All(reports, report =>
        {
            Assert.Equal("------------[ cut here ]------------", WithoutTime(report.Lines[0]));
            Assert.Equal("---[ end trace 0000000000000000 ]---", WithoutTime(report.Lines[^1]));
        });
        Assert.Contains(reports[1].Lines, line => WithoutTime(line) == "widget 7 is late");
        Assert.Equal(["two", "lines"], reports[2].Lines.Skip(2).Take(2).Select(WithoutTime));
    }

    [Theory]
    [InlineData("6.1")]
    [InlineData("7.2")]
    public void A_panic_on_a_warning_leaves_both(string kernel)
    {
        List<KernelReport> reports = ReadLog(kernel + "-panic-on-warn");
        Assert.Equal([KernelReportKind.Warning, KernelReportKind.Panic], reports.Select(report => report.Kind));
        Assert.Contains("widget.c:42", reports[0].Title, StringComparison.Ordinal);
        Assert.Equal("Kernel panic - not syncing: kernel: panic_on_warn set ...", reports[1].Title);
        Assert.All(reports, report =>
        {
            Assert.Equal("------------[ cut here ]------------", WithoutTime(report.Lines[0]));
            Assert.Contains(report.Lines, line => line.Contains("check_panic_on_warn+0x", StringComparison.Ordinal));
        });
    }

    [Theory]
    [InlineData("6.1")]
    [InlineData("7.2")]
    public void A_failed_BUG_ON_of_UML_is_a_bug_and_a_panic(string kernel)
    {
        List<KernelReport> reports = ReadLog(kernel + "-bug");
        Assert.Equal(
            [(KernelReportKind.Bug, "BUG: failure at drivers/uml_ci/widget.c:61/work()!"), (KernelReportKind.Panic, "Kernel panic - not syncing: BUG!")],
            reports.Select(report => (report.Kind, report.Title)));
        Assert.All(reports, report => Assert.Contains(report.Lines, line => line.Contains("] work+0x54/0x5b [widget_bugon]", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("6.1-null-pointer", "Kernel mode fault at addr 0x0, ip 0x98994000")]
    [InlineData("7.2-null-pointer", "Kernel mode fault at addr 0x0, ip 0x70960000")]
    [InlineData("6.1-sysrq-t", "Kernel mode fault at addr 0x8, ip 0x601176b7")]
    public void A_fault_of_UML_is_an_oops_and_a_panic_with_the_registers(string log, string title)
    {
        List<KernelReport> reports = ReadLog(log);
        Assert.Equal(
            [(KernelReportKind.Oops, title), (KernelReportKind.Panic, "Kernel panic - not syncing: " + title)],
            reports.Select(report => (report.Kind, report.Title)));
        Assert.All(reports, report =>
        {
            Assert.StartsWith("Modules linked in:", WithoutTime(report.Lines[0]), StringComparison.Ordinal);
            Assert.StartsWith("RIP: 0033:", WithoutTime(report.Lines[2]), StringComparison.Ordinal);
            Assert.Contains("new_thread_handler+0x", report.Lines[^1], StringComparison.Ordinal);
        });
    }

    [Theory]
    [InlineData("6.1-out-of-memory")]
    [InlineData("7.2-out-of-memory")]
    [InlineData("6.1-sysrq-w")]
    [InlineData("7.2-sysrq-w")]
    [InlineData("7.2-sysrq-t")]
    [InlineData("6.1-user-segfault")]
    [InlineData("7.2-user-segfault")]
    public void Stacks_and_registers_that_are_no_complaint_give_no_report(string log) => Assert.Empty(ReadLog(log));

    [Theory]
    [InlineData("6.1-forged")]
    [InlineData("7.2-forged")]
    public void What_a_program_writes_to_kmsg_and_the_console_gives_no_report(string log)
    {
        Assert.Contains(Parse(log), line => line is { KernelTime: not null, Text: "Kernel panic - not syncing: x" });
        Assert.Empty(ReadLog(log));
    }

    [Fact]
    public void A_panic_without_a_stack_is_one_if_nothing_follows()
    {
        KernelReport report = Assert.Single(Read("Run /init as init process", "Kernel panic - not syncing: Aiee"));
        Assert.Equal("Kernel panic - not syncing: Aiee", report.Title);
        Assert.Empty(Read("Kernel panic - not syncing: Aiee", "reboot: Power down"));
    }

    [Fact]
    public void A_forged_panic_does_not_hide_a_real_one()
    {
        List<KernelReport> reports = Read(
            "Kernel panic - not syncing: forged", "random: crng init done", "Kernel panic - not syncing: real", "CPU: 0 PID: 1 Comm: init Not tainted", "Call Trace:", " [<1>] panic+0x1/0x2");
        Assert.Equal("Kernel panic - not syncing: real", Assert.Single(reports).Title);
    }

    [Fact]
    public void Words_inside_a_line_or_without_time_stamp_are_nothing()
    {
        Assert.Empty(Read("test: Kernel panic - not syncing: x", "CPU: 0 PID: 1 Comm: init", "Call Trace:"));
        Assert.Empty(Read("test: BUG: x", "CPU: 0 PID: 1 Comm: init", "Call Trace:"));
        Assert.Empty(Read("WARNING: x", "CPU: 0 PID: 1 Comm: init", "Call Trace:"));

        var reader = new KernelReportReader();
        Assert.Empty(reader.Add(new KernelLogLine(default, null, "Kernel panic - not syncing: x")));
        Assert.Empty(reader.Add(new KernelLogLine(default, null, "CPU: 0 PID: 1 Comm: init Not tainted")));
        Assert.Empty(reader.Complete());
    }

    [Fact]
    public void A_programs_output_in_the_middle_of_a_report_does_not_end_it()
    {
        var reader = new KernelReportReader();
        Assert.Empty(reader.Add(Line("------------[ cut here ]------------")));
        Assert.Empty(reader.Add(new KernelLogLine(default, null, "output")));
        Assert.Empty(reader.Add(Line("WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2")));
        Assert.Empty(reader.Add(Line(WidgetModules)));
        Assert.Empty(reader.Add(new KernelLogLine(default, null, "more output")));
        KernelReport report = Assert.Single(reader.Add(Line("---[ end trace 0000000000000000 ]---")));
        Assert.Equal(4, report.Lines.Count);
        Assert.Equal("[    1.000000] " + WidgetModules, report.Lines[2]);
        Assert.Empty(reader.Complete());
    }

    [Fact]
    public void The_message_of_a_WARN_may_come_first() => Assert.Equal(
        [(KernelReportKind.Warning, "WARNING: CPU: 1 PID: 77 at lib/refcount.c:28 refcount_warn_saturate+0xba/0x110")],
        Kinds(
            "------------[ cut here ]------------",
            "refcount_t: underflow; use-after-free.",
            "WARNING: CPU: 1 PID: 77 at lib/refcount.c:28 refcount_warn_saturate+0xba/0x110",
            WidgetModules,
            "RIP: 0010:refcount_warn_saturate+0xba/0x110",
            "Call Trace:",
            " <TASK>",
            " widget_put+0x20/0x30 [widget]",
            " </TASK>",
            "---[ end trace 0000000000000000 ]---",
            "widget: unloaded"));

    [Fact]
    public void A_cut_that_leads_nowhere_hides_nothing() => Assert.Equal(
        [(KernelReportKind.HungTask, "INFO: task cat:77 blocked for more than 120 seconds.")],
        Kinds(
            "------------[ cut here ]------------",
            "forged",
            "INFO: task cat:77 blocked for more than 120 seconds.",
            "      Not tainted 6.12.0 #1",
            "\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.",
            "task:cat             state:D stack:0     pid:77    ppid:1      flags:0x00000000",
            "Call Trace:",
            " [<1>] __schedule+0x51b/0x568"));

    [Fact]
    public void Kernel_BUG_with_the_registers_printed_twice_then_a_panic()
    {
        List<KernelReport> reports = Read(
            "------------[ cut here ]------------",
            "kernel BUG at mm/slub.c:448!",
            "Oops: invalid opcode: 0000 [#1] SMP PTI",
            "CPU: 1 UID: 0 PID: 77 Comm: insmod Not tainted 6.12.0 #1",
            "RIP: 0010:widget_init+0x10/0x20 [widget]",
            "Code: 0f 0b 48 89",
            "RAX: 0000000000000000 RBX: 0000000000000001 RCX: 0000000000000000",
            "Call Trace:",
            " <TASK>",
            " ? die+0x36/0x90",
            " </TASK>",
            WidgetModules,
            "---[ end trace 0000000000000000 ]---",
            "RIP: 0010:widget_init+0x10/0x20 [widget]",
            "CR2: 0000000000000000 CR3: 0000000000000001 CR4: 0000000000000002",
            "Kernel panic - not syncing: Fatal exception",
            "Kernel Offset: disabled",
            "---[ end Kernel panic - not syncing: Fatal exception ]---");
        Assert.Equal(
            [(KernelReportKind.Bug, "kernel BUG at mm/slub.c:448!"), (KernelReportKind.Panic, "Kernel panic - not syncing: Fatal exception")],
            reports.Select(report => (report.Kind, report.Title)));
        Assert.Equal(15, reports[0].Lines.Count);
        Assert.Equal(18, reports[1].Lines.Count);
    }

    [Theory]
    [InlineData("BUG: kernel NULL pointer dereference, address: 0000000000000000")]
    [InlineData("BUG: unable to handle page fault for address: ffffffffdeadbeef")]
    public void A_page_fault_is_an_oops(string title) => Assert.Equal(
        [(KernelReportKind.Oops, title), (KernelReportKind.Oops, "Oops: general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#2] SMP")],
        Kinds(
            title,
            "#PF: supervisor write access in kernel mode",
            "#PF: error_code(0x0002) - not-present page",
            "PGD 0 P4D 0 ",
            "Oops: Oops: 0002 [#1] SMP PTI",
            "CPU: 0 UID: 0 PID: 77 Comm: insmod Not tainted 6.12.0 #1",
            "RIP: 0010:widget_init+0x10/0x20 [widget]",
            "---[ end trace 0000000000000000 ]---",
            "note: insmod[77] exited with irqs disabled",
            "Oops: general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#2] SMP",
            "CPU: 0 UID: 0 PID: 78 Comm: insmod Tainted: G      D            6.12.0 #1",
            "---[ end trace 0000000000000000 ]---"));

    [Theory]
    [InlineData("BUG: scheduling while atomic: insmod/77/0x00000002", WidgetModules)]
    [InlineData("BUG: sleeping function called from invalid context at mm/slab.h:400", "in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 77, name: insmod")]
    [InlineData("BUG: Bad page state in process insmod  pfn:01234", "page: refcount:0 mapcount:1 mapping:0000000000000000 index:0x0 pfn:0x1234")]
    [InlineData("BUG: spinlock bad magic on CPU#0, insmod/77", " lock: 0x60a4d154, .magic: 00000000, .owner: <none>/-1, .owner_cpu: 0")]
    [InlineData("BUG: using smp_processor_id() in preemptible [00000000] code: insmod/77", "caller is widget_init+0x10/0x20 [widget]")]
    public void Other_bugs_are_proven_by_their_stack(string title, string second)
    {
        List<KernelReport> reports = Read(title, second, "CPU: 0 PID: 77 Comm: insmod Not tainted 6.1.0 #1", "Call Trace:", " [<1>] widget_init+0x10/0x20 [widget]", "", "widget: loaded");
        KernelReport report = Assert.Single(reports);
        Assert.Equal((KernelReportKind.Bug, title, 5), (report.Kind, report.Title, report.Lines.Count));
        Assert.Empty(Read(title, "widget: loaded"));
    }

    [Fact]
    public void Some_bugs_are_one_line() => Assert.Equal(
        [(KernelReportKind.Bug, "BUG: Bad rss-counter state mm:00000000deadbeef type:MM_ANONPAGES val:3")],
        Kinds("BUG: Bad rss-counter state mm:00000000deadbeef type:MM_ANONPAGES val:3", "widget: loaded"));

    [Theory]
    [InlineData("BUG: KASAN: slab-use-after-free in widget_read+0x12/0x40 [widget]", KernelReportKind.Kasan)]
    [InlineData("BUG: KFENCE: use-after-free read in widget_read+0x12/0x40 [widget]", KernelReportKind.Kasan)]
    [InlineData("BUG: KCSAN: data-race in widget_read / widget_write", KernelReportKind.Bug)]
    public void Memory_checkers_report_between_two_rulers(string title, KernelReportKind kind)
    {
        string ruler = new('=', 66);
        string[] one =
        [
            ruler, title, "Read of size 1 at addr 0000000060abcdef by task cat/77", "",
            "CPU: 0 PID: 77 Comm: cat Not tainted 6.12.0 #1", "Call Trace:", " [<1>] kasan_report+0x1/0x2", "",
            "Allocated by task 77:", " kasan_save_stack+0x1/0x2", "The buggy address belongs to the object at 0000000060abcd00",
            " which belongs to the cache kmalloc-64 of size 64", "Memory state around the buggy address:",
            " 60abcd80: fa fb fb fb fb fb fb fb fc fc fc fc fc fc fc fc", ">60abce00: fa fb fb fb", "           ^", ruler,
        ];
        List<KernelReport> reports = Read([.. one, "Disabling lock debugging due to kernel taint", .. one, .. one]);
        Assert.Equal(3, reports.Count);
        Assert.All(reports, report => Assert.Equal((kind, title, one.Length), (report.Kind, report.Title, report.Lines.Count)));

        reports = Read([.. one, "Kernel panic - not syncing: kasan.fault=panic set ...", "CPU: 0 PID: 77 Comm: cat"]);
        Assert.Equal([kind, KernelReportKind.Panic], reports.Select(report => report.Kind));
        Assert.Equal(one.Length + 2, reports[1].Lines.Count);
    }

    [Fact]
    public void A_forged_ruler_does_not_hide_a_report() => Assert.Equal(
        [(KernelReportKind.Kasan, "BUG: KASAN: real in f+0x1/0x2")],
        Kinds(
            new string('=', 66), "BUG: KASAN: forged", "forged",
            new string('=', 66), "BUG: KASAN: real in f+0x1/0x2", "Call Trace:", " [<1>] f+0x1/0x2", new string('=', 66)));

    [Fact]
    public void Ubsan_reports_in_both_frames()
    {
        const string Title = "UBSAN: shift-out-of-bounds in drivers/uml_ci/widget.c:12:5";
        string[] body = [Title, "shift exponent 40 is too large for 32-bit type 'int'", "CPU: 0 PID: 77 Comm: cat Not tainted", "Call Trace:", " [<1>] dump_stack+0x1/0x2"];
        Assert.Equal([(KernelReportKind.Ubsan, Title)], Kinds(["------------[ cut here ]------------", .. body, "---[ end trace ]---", "next"]));
        Assert.Equal([(KernelReportKind.Ubsan, Title)], Kinds([new string('=', 80), .. body, new string('=', 80), "next"]));
    }

    [Theory]
    [InlineData(54, "WARNING: possible circular locking dependency detected")]
    [InlineData(44, "WARNING: possible recursive locking detected")]
    [InlineData(32, "WARNING: inconsistent lock state")]
    [InlineData(37, "WARNING: bad unlock balance detected!")]
    [InlineData(29, "WARNING: suspicious RCU usage")]
    [InlineData(29, "[ BUG: Invalid wait context ]")]
    public void The_lock_validator_reports_below_a_ruler(int ruler, string title)
    {
        List<KernelReport> reports = Read(
            "",
            new string('=', ruler),
            title,
            "6.12.0 #1 Not tainted",
            new string('-', ruler),
            "cat/77 is trying to acquire lock:",
            "0000000060a00000 (a){+.+.}-{3:3}, at: widget_read+0x12/0x40",
            "",
            "the existing dependency chain (in reverse order) is:",
            "-> #1 (b){+.+.}-{3:3}:",
            "       lock_acquire+0x1/0x2",
            " Possible unsafe locking scenario:",
            "       CPU0                    CPU1",
            " *** DEADLOCK ***",
            "1 lock held by cat/77:",
            " #0: 0000000060b00000 (b){+.+.}-{3:3}, at: widget_read+0x10/0x40",
            "stack backtrace:",
            "CPU: 0 PID: 77 Comm: cat Not tainted 6.12.0 #1",
            "Call Trace:",
            " [<1>] dump_stack+0x1/0x2",
            "",
            "widget: loaded");
        KernelReport report = Assert.Single(reports);
        Assert.Equal((KernelReportKind.Lockdep, title), (report.Kind, report.Title));
        Assert.Equal(new string('=', ruler), WithoutTime(report.Lines[0]));
        Assert.Equal(" [<1>] dump_stack+0x1/0x2", WithoutTime(report.Lines[^1]));
        Assert.Equal(19, report.Lines.Count);
    }

    [Fact]
    public void Each_hung_task_is_a_report()
    {
        static string[] Task(string name) =>
        [
            $"INFO: task {name} blocked for more than 10 seconds.",
            "      Tainted: G           O       6.12.0 #1",
            "\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.",
            $"task:{name,-16} state:D stack:0     pid:77    tgid:77    ppid:1      flags:0x00000000",
            "Call Trace:",
            " [<6002c2f1>] __switch_to+0x50/0x7f",
            $"INFO: task {name} is blocked on a mutex likely owned by task cat:78.",
            "",
        ];
        List<KernelReport> reports = Read(
            [.. Task("kworker/u4:0:12"), .. Task("my task:77"), "Showing all locks held in the system:", "1 lock held by khungtaskd/9:", " #0: 0000000060b00000 (b){+.+.}-{3:3}", "", new string('=', 45), "", "widget: loaded"]);
        Assert.Equal(
            ["INFO: task kworker/u4:0:12 blocked for more than 10 seconds.", "INFO: task my task:77 blocked for more than 10 seconds."],
            reports.Select(report => report.Title));
        Assert.All(reports, report => Assert.Equal(KernelReportKind.HungTask, report.Kind));
        Assert.Equal(new string('=', 45), WithoutTime(reports[1].Lines[^1]));
    }

    [Theory]
    [InlineData("rcu: INFO: rcu_sched self-detected stall on CPU")]
    [InlineData("rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:")]
    [InlineData("rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-.... } 21 jiffies s: 5 root: 0x2/.")]
    [InlineData("INFO: rcu_sched self-detected stall on CPU")]
    public void Rcu_stalls(string title)
    {
        KernelReport report = Assert.Single(Read(
            title,
            "rcu: \t0-....: (2099 ticks this GP) idle=1b4/1/0x4000000000000002 softirq=77/77 fqs=525 ",
            "rcu: \t(t=2100 jiffies g=-1003 q=4 ncpus=2)",
            "CPU: 0 PID: 77 Comm: insmod Not tainted 6.12.0 #1",
            "Call Trace:",
            " [<1>] widget_spin+0x1/0x2",
            "widget: loaded"));
        Assert.Equal((KernelReportKind.RcuStall, title, 6), (report.Kind, report.Title, report.Lines.Count));
    }

    [Theory]
    [InlineData("watchdog: BUG: soft lockup - CPU#0 stuck for 23s! [insmod:77]")]
    [InlineData("watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 0")]
    [InlineData("NMI watchdog: Watchdog detected hard LOCKUP on cpu 0")]
    public void Lockups(string title)
    {
        KernelReport report = Assert.Single(Read(title, WidgetModules, "CPU: 0 PID: 77 Comm: insmod", "Call Trace:", " [<1>] widget_spin+0x1/0x2", "widget: loaded"));
        Assert.Equal((KernelReportKind.Lockup, title, 5), (report.Kind, report.Title, report.Lines.Count));
    }

    [Fact]
    public void A_report_that_the_end_of_the_log_cuts_short_comes_last()
    {
        var reader = new KernelReportReader();
        Assert.All(
            ["------------[ cut here ]------------", "WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2", WidgetModules, "Call Trace:"],
            line => Assert.Empty(reader.Add(Line(line))));
        Assert.Equal(4, Assert.Single(reader.Complete()).Lines.Count);
        Assert.Empty(reader.Complete());
    }

    [Fact]
    public void A_report_without_end_is_given_up_and_the_log_goes_on()
    {
        string[] endless = ["------------[ cut here ]------------", "WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2", WidgetModules, .. Enumerable.Range(0, 1000).Select(i => "line " + i)];
        List<KernelReport> reports = Read([.. endless, .. endless]);
        Assert.Equal(2, reports.Count);
        Assert.All(reports, report => Assert.Equal(KernelReportReader.MaxLines, report.Lines.Count));
    }

    [Fact]
    public void No_input_is_too_odd()
    {
        string[] pieces =
        [
            "------------[ cut here ]------------", "WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2", "WARNING: ", ", CPU#", "WARNING: , CPU# at ", "---[ end trace ]---", "---[ end trace ", "Kernel panic - not syncing",
            "Kernel panic - not syncing: Kernel mode fault at addr", "---[ end Kernel panic", new string('=', 66), "====", "BUG: ", "BUG: KASAN: ", "BUG ", "UBSAN: ", "[ BUG: ", "INFO: task ",
            "INFO: task a:1 blocked for more than 1 seconds.", "rcu: INFO: rcu self-detected stall", "watchdog: BUG: soft lockup - CPU#", "Oops: 0000 [#1]", " [#", ": [#1", "a: 0000 [#", "CPU: 0", "Call Trace:", " f+0x1/0x2",
            "+0x", "", " ", "\t", ":", "R: 1", "[", "]", "\u0000\uFFFD", new string('x', 100_000), "kernel BUG at ", "task:", "stack backtrace:", "1", "1 lock", "VFS: ",
        ];
        var random = new Random(1);
        for (int round = 0; round < 200; round++)
        {
            var reader = new KernelReportReader();
            List<KernelReport> reports = [];
            for (int i = 0; i < 300; i++)
            {
                string text = pieces[random.Next(pieces.Length)];
                if (random.Next(4) == 0)
                    text += pieces[random.Next(pieces.Length - 8)];
                if (text.Length > 0 && random.Next(6) == 0)
                    text = text[..random.Next(Math.Min(text.Length, 60))];
                reports.AddRange(reader.Add(random.Next(10) == 0 ? new KernelLogLine(default, null, text) : Line(text)));
            }

            reports.AddRange(reader.Complete());
            Assert.All(reports, report =>
            {
                Assert.InRange(report.Lines.Count, 1, KernelReportReader.MaxLines);
                Assert.NotEmpty(report.Title);
                Assert.True(report.Lines.All(line => line.Length < 5000));
            });
            Assert.Empty(reader.Complete());
        }
    }

    [Theory]
    [InlineData("[    0.123456] text", 123_456, "text")]
    [InlineData("[12345.000001] text\r\n", 12_345_000_001, "text")]
    [InlineData("[    0.390000] ", 390_000, "")]
    [InlineData("[    0.390000]", 390_000, "")]
    [InlineData("[    0.390000]  [<6002d37a>] f", 390_000, " [<6002d37a>] f")]
    [InlineData("[    0.123456][  T123] text", 123_456, "text")]
    [InlineData("[    0.123456][    C0] text", 123_456, "text")]
    [InlineData("[    0.123456] [  T123] text", 123_456, "[  T123] text")]
    [InlineData("[    0.123456] [    0.5] text", 123_456, "[    0.5] text")]
    [InlineData("[    0.123456] \uFFFD\ttext\r\r\n", 123_456, "\uFFFD\ttext")]
    public void A_line_with_a_time_stamp(string raw, long microseconds, string text)
    {
        DateTimeOffset received = DateTimeOffset.UnixEpoch;
        Assert.Equal(new KernelLogLine(received, TimeSpan.FromMicroseconds(microseconds), text), KernelLogParser.Parse(raw, received));
    }

    [Theory]
    [InlineData("Core dump limits :\r\n", "Core dump limits :")]
    [InlineData("", "")]
    [InlineData("[", "[")]
    [InlineData("[]", "[]")]
    [InlineData("[.]", "[.]")]
    [InlineData("[  OK  ] Started x", "[  OK  ] Started x")]
    [InlineData("[    0.5] text", "[    0.5] text")]
    [InlineData("[    0.123456]text", "[    0.123456]text")]
    [InlineData("[   -1.123456] text", "[   -1.123456] text")]
    [InlineData("[    0.12345x] text", "[    0.12345x] text")]
    [InlineData("[99999999999.123456] text", "[99999999999.123456] text")]
    [InlineData(" [    0.123456] text", " [    0.123456] text")]
    public void A_line_without_a_time_stamp(string raw, string text) => Assert.Equal(new KernelLogLine(default, null, text), KernelLogParser.Parse(raw, default));

    private static KernelLogLine Line(string text) => new(default, TimeSpan.FromSeconds(1), text);

    private static List<KernelReport> Read(params string[] lines) => Read(lines.Select(Line));

    private static IEnumerable<(KernelReportKind, string)> Kinds(params string[] lines) => Read(lines).Select(report => (report.Kind, report.Title));

    private static IEnumerable<KernelLogLine> Parse(string log) =>
        File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Logs", log + ".txt")).Select(line => KernelLogParser.Parse(line, default));

    private static List<KernelReport> ReadLog(string log)
    {
        List<KernelLogLine> lines = [.. Parse(log)];
        List<KernelReport> reports = Read(lines);
        // Every line of a report stands in the log as it is.
        HashSet<string> raw = [.. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Logs", log + ".txt")).Select(line => line.TrimEnd('\r'))];
        Assert.All(reports, report => Assert.All(report.Lines, line => Assert.Contains(line, raw)));
        return reports;
    }

    private static List<KernelReport> Read(IEnumerable<KernelLogLine> lines)
    {
        var reader = new KernelReportReader();
        List<KernelReport> reports = [];
        foreach (KernelLogLine line in lines)
            reports.AddRange(reader.Add(line));
        reports.AddRange(reader.Complete());
        return reports;
    }

    private static string WithoutTime(string line) => line[(line.IndexOf(']') + 2)..];
}
