using System.Collections.Immutable;
using System.Text;

namespace Uml.CI.Tests;

/// <summary>Reports made up for the tests here.</summary>
internal static class Samples
{
    private static readonly DateTimeOffset s_start = new(2026, 9, 14, 8, 30, 12, TimeSpan.Zero);

    private static readonly string[] s_suites =
    [
        "list_sort", "hashtable", "kunit_executor", "time64_conversion", "ext4_inode_test", "ext4_mballoc", "fat_time_fat2unix", "binfmt_elf",
        "property-entry", "qos-kunit-test", "resource", "sysctl_test", "cmdline", "bits-test", "bitfields", "lib_sort", "string_helpers",
        "kfence", "kasan", "slub_test", "rational", "cpumask", "iov_iter", "net_core.skb_segment", "net_core.dev_addr_list", "mptcp-token",
        "mptcp-crypto", "drm_format_helper", "drm_rect", "landlock.fs", "landlock.net", "landlock.ptrace", "seccomp.bpf", "seccomp.user_notif",
        "mqueue", "timers.posix", "timers.nanosleep", "clone3.set_tid", "pidfd", "futex.functional",
    ];

    private static readonly string[] s_verbs = ["allocates", "rejects", "keeps order", "handles zero", "wraps around", "survives reload", "copies", "frees twice", "rounds", "matches"];
    private static readonly string[] s_nouns = ["an empty list", "the last element", "a negative offset", "page boundaries", "a 64-bit value", "nested namespaces", "a closed socket", "unaligned input", "a huge count", "concurrent writers"];

    /// <summary>One of everything, and every kind of text that a format might trip over.</summary>
    public static Report Everything { get; } = Report.Of(
    [
        new ReportRun
        {
            Name = "kunit",
            Kernel = "debian:sid",
            Release = "7.2.7",
            Environment = "x86-64, 2 CPUs",
            Started = s_start,
            Duration = TimeSpan.FromSeconds(12.5),
            Tests =
            [
                Test(ReportOutcome.Passed, "example", "example_simple_test") with { Duration = TimeSpan.FromMilliseconds(12.345), Output = "hello\nworld\n" },
                Test(ReportOutcome.Failed, "example", "deep", "fails <b>&\"'") with
                {
                    Message = "EXPECTATION FAILED at lib/kunit/example.c:42\nExpected 1 == 2 ]]> \u0000\u001b[31mred\u001b[0m \ud800 🐧", ErrorType = "Expectation",
                    Details = "   at example_fails() in lib/kunit/example.c:line 42", SourceFile = "lib/kunit/example.c", SourceLine = 42, Output = "# before\r\n\tafter",
                    Traits = [("speed", "slow"), ("module", "example"), ("module", "second")],
                },
                Test(ReportOutcome.Skipped, "example", "is_skipped") with { Message = "needs CONFIG_SMP" },
                Test(ReportOutcome.NotRun, "example", "is_not_run"),
                Test(ReportOutcome.Crashed, "example", "crashes") with { Message = "the kernel panicked: NULL pointer", Details = "RIP: 0033:example_crashes+0x1/0x2" },
                Test(ReportOutcome.TimedOut, "example", "hangs") with { Message = "no result in 10 s", Duration = TimeSpan.FromSeconds(10) },
                Test(ReportOutcome.ExpectedFailure, "example", "is_known_to_fail") with { Message = "waits for a fix" },
                Test(ReportOutcome.Error, "example", "is_broken") with { Message = "cannot be set up" },
                Test(ReportOutcome.Passed, "example", "is_flaky") with { Attempts = 3, Flaky = true },
                Test(ReportOutcome.Passed, "example", "twice"), Test(ReportOutcome.Passed, "example", "twice"),
                Test(ReportOutcome.Passed, "alone"),
            ],
            Errors = [new ReportError("the guest was lost", "its last words\n[    1.0] bye")],
            Complaints =
            [
                new ReportComplaint { Kind = "WARNING", Title = "WARNING: CPU: 0 PID: 42 at fs/foo.c:17 foo_bar+0x1/0x2", Text = "WARNING: CPU: 0 PID: 42 at fs/foo.c:17 foo_bar+0x1/0x2\nModules linked in:", SourceFile = "fs/foo.c", SourceLine = 17 },
                new ReportComplaint { Kind = "UBSAN", Title = "UBSAN: shift-out-of-bounds in lib/x.c:3:4", AllowedBecause = "known, fixed in 7.3" },
            ],
            KernelLog = "<5>[    0.000000] Linux version 7.2.7\n<4>[    0.100000] WARNING: CPU: 0 PID: 42 at fs/foo.c:17 foo_bar+0x1/0x2\n<6>[    0.200000] <script>alert(1)</script>\n",
            KernelLogFile = "/tmp/kernel.log",
            Properties = ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal).Add("git.commit", "0123456789abcdef0123456789abcdef01234567"),
        },
        new ReportRun
        {
            Name = "kunit",
            Kernel = "debian:bookworm",
            Release = "6.1.176",
            Started = s_start + TimeSpan.FromSeconds(1),
            Duration = TimeSpan.FromSeconds(3),
            ExitStatus = 0,
            Tests = [Test(ReportOutcome.Passed, "example", "example_simple_test"), Test(ReportOutcome.Passed, "example", "deep", "fails <b>&\"'")],
        },
    ]) with { ToolVersion = "0.1.0" };

    /// <summary>A report as a file's bytes.</summary>
    public static byte[] Write(Report report, ReportFormat format, ReportWriteOptions? options = null)
    {
        using var file = new MemoryStream();
        ReportFile.Write(report, format, file, options);
        return file.ToArray();
    }

    public static string Text(Report report, ReportFormat format, ReportWriteOptions? options = null) => Encoding.UTF8.GetString(Write(report, format, options));

    public static ReportTest Test(ReportOutcome outcome, params string[] path) => new() { Path = [.. path], Outcome = outcome };

    /// <summary>As a large run would be: many tests on several kernels, most of them good.</summary>
    public static Report Large(int tests = 2000, params string[] kernels)
    {
        string[] columns = kernels.Length > 0 ? kernels : ["debian:bookworm", "debian:sid", "7.3-rc7"];
        string[] releases = ["6.1.176", "7.2.7", "7.3.0-rc7"];
        return Report.Of(columns.Select((kernel, k) => Run(kernel, releases[k % releases.Length], k, tests))) with { ToolVersion = "0.1.0" };
    }

    private static ReportRun Run(string kernel, string release, int column, int tests)
    {
        var random = new Random(4711);
        ImmutableArray<ReportTest>.Builder results = ImmutableArray.CreateBuilder<ReportTest>();
        int perSuite = Math.Max(1, tests / s_suites.Length);
        for (int i = 0; i < tests; i++)
        {
            string suite = s_suites[Math.Min(i / perSuite, s_suites.Length - 1)];
            string name = $"{s_verbs[i % 10]} {s_nouns[i / 10 % 10]}{(i % perSuite >= 100 ? $" {i}" : "")}".Replace(' ', '_');
            ReportTest test = Test(ReportOutcome.Passed, [.. suite.Split('.'), name]) with { Duration = TimeSpan.FromMilliseconds(Math.Pow(random.NextDouble(), 8) * 4000 * (1 + 0.3 * column)) };
            int luck = random.Next(1000);
            bool here = random.Next(3) <= column;
            if (luck < 9 && here)
            {
                test = test with
                {
                    Outcome = (luck % 5) switch { 0 => ReportOutcome.Crashed, 1 => ReportOutcome.TimedOut, _ => ReportOutcome.Failed },
                    Message = $"EXPECTATION FAILED at lib/tests/{suite}.c:{100 + luck}\n    Expected list_count(&head) == {luck}, but\n        list_count(&head) == {luck + 1} ({luck + 1:x})\n        {luck} == {luck} ({luck:x})",
                    Details = string.Concat(Enumerable.Range(0, 6).Select(n => $" ? {suite}_step{n}+0x{n * 16:x}/0x100\n")),
                    Output = $"    # {name}: initializing\n    # {name}: EXPECTATION FAILED\n",
                    SourceFile = $"lib/tests/{suite}.c",
                    SourceLine = 100 + luck,
                };
            }
            else if (luck is >= 20 and < 60 || luck is >= 60 and < 100 && column == 0)
            {
                test = test with { Outcome = ReportOutcome.Skipped, Message = "needs CONFIG_SMP", Duration = TimeSpan.Zero };
            }
            else if (luck is >= 100 and < 104)
            {
                test = test with { Outcome = ReportOutcome.ExpectedFailure, Message = "waits for the rework of the locking" };
            }
            else if (luck is >= 104 and < 108)
            {
                test = test with { Flaky = true, Attempts = 2, Message = "passed at the second attempt" };
            }

            results.Add(test);
        }

        return new ReportRun
        {
            Name = "kunit",
            Kernel = kernel,
            Release = release,
            Environment = "x86-64, 2 CPUs, 1 GB",
            Started = s_start + TimeSpan.FromSeconds(column),
            Duration = TimeSpan.FromSeconds(71.3 + column * 9),
            Tests = results.ToImmutable(),
            Complaints = column == 0 ? [] :
            [
                new ReportComplaint
                {
                    Kind = "WARNING",
                    Title = "WARNING: CPU: 0 PID: 142 at fs/ext4/mballoc.c:3214 ext4_mb_init+0x1c2/0x4f0",
                    Text = Splat,
                    SourceFile = "fs/ext4/mballoc.c",
                    SourceLine = 3214,
                },
                .. column == 2 ? (ReportComplaint[])[new ReportComplaint { Kind = "UBSAN", Title = "UBSAN: shift-out-of-bounds in lib/rational.c:72:15", Text = "UBSAN: shift-out-of-bounds in lib/rational.c:72:15\nshift exponent 64 is too large", AllowedBecause = "reported upstream, until 2027-01-01" }] : [],
            ],
            KernelLog = Log(release),
        };
    }

    private const string Splat = """
        [    3.141592] ------------[ cut here ]------------
        [    3.141600] WARNING: CPU: 0 PID: 142 at fs/ext4/mballoc.c:3214 ext4_mb_init+0x1c2/0x4f0
        [    3.141700] Modules linked in:
        [    3.141800] CPU: 0 UID: 0 PID: 142 Comm: kunit_try_catch Tainted: G                 N  7.2.7 #1 NONE
        [    3.141900] Stack:
        [    3.142000]  00000000 60a3bd40 60b11c21 ffffff00
        [    3.142100] Call Trace:
        [    3.142200]  [<6004d1b6>] ? ext4_mb_init+0x1c2/0x4f0
        [    3.142300]  [<6004d2c7>] ? kunit_try_run_case+0x5a/0xb0
        [    3.142400] ---[ end trace 0000000000000000 ]---
        """;

    private static string Log(string release)
    {
        var log = new StringBuilder($"[    0.000000] Linux version {release} (builder@host) (gcc 14.2.0) #1 SMP\n[    0.000000] Command line: mem=1G root=/dev/root\n");
        for (int i = 0; i < 700; i++)
            log.Append($"[    {i / 200}.{i % 200 * 5000:000000}] {(i % 7) switch { 0 => "NET: Registered PF_INET protocol family", 1 => "    ok 3 - keeps_order_an_empty_list", 2 => "Mount-cache hash table entries: 2048 (order: 2, 16384 bytes, linear)", 3 => "printk: legacy console [ttyS0] enabled", _ => $"random: line {i} of the log" }}\n");
        return log.Append(Splat).Append("\n[    3.200000]     not ok 4 - frees_twice_page_boundaries\n[    3.300000] reboot: System halted\n").ToString();
    }
}
