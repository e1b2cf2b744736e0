using System.Buffers;

namespace Uml.CI;

/// <summary>
/// Finds the kernel's complaints about itself in its log, line by line, while the log grows.
/// </summary>
/// <remarks>
/// <para>
/// A report is recognised by its structure. Only lines with a kernel time stamp count (guests are always started with
/// <c>printk.time=1</c>), the telling words must begin the line, and the lines around them must be those the kernel prints
/// with them: the frame of a WARN or of a sanitizer, a stack, a register dump. <c>Kernel panic - not syncing</c> that is
/// followed by the kernel's ordinary messages is not a panic.
/// </para>
/// <para>
/// The log alone cannot prove anything: root in the guest can write to /dev/kmsg, and what it writes gets a time stamp
/// and looks exactly like the kernel's own lines; it can also write forged lines to the console. Whether the kernel
/// panicked is therefore for the caller to decide, by the way the guest ended: a User-mode Linux kernel that panics is
/// killed by SIGABRT.
/// </para>
/// <para>
/// A kernel that stops gives a report of kind <see cref="KernelReportKind.Panic"/>, and before it one of what led to it,
/// where the log says so: the warning that panic_on_warn turned into a panic, the failed BUG_ON, the fault in kernel
/// mode. Where only the panic has a stack, both have all its lines.
/// </para>
/// <para>Memory is bounded: of a long report only the first lines are kept. Not safe for use by several threads at once.</para>
/// </remarks>
public sealed class KernelReportReader
{
    /// <summary>How many lines of one report are kept.</summary>
    internal const int MaxLines = 200;

    // A frame that nothing closes is given up after this many lines, so that a forged one cannot hide the rest of the log.
    private const int MaxSpan = 400;

    // A printk record is at most 2048 bytes; what is longer was not printed by the kernel.
    private const int MaxLineLength = 4096;

    // The lines before a panic that may belong to it; a register dump has nine.
    private const int MaxPreamble = 24;

    // What a panic keeps of the report it interrupts, so that there is room for its own lines.
    private const int MaxCauseLines = 100;

    // Between "cut here" and "WARNING:" stands the message of the WARN.
    private const int MaxMessageLines = 16;

    // Another CPU may print between a panic and its stack.
    private const int MaxForeignInPanic = 8;

    private const string CutHere = "------------[ cut here ]------------";
    private const string PanicStart = "Kernel panic - not syncing";

    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdef");
    private static readonly SearchValues<char> HexDigitsAndSpace = SearchValues.Create(" 0123456789abcdef");

    // Lines of a report that has no closing line. The first line that is none of these ends it.
    private static readonly string[] BodyStarts =
    [
        "CPU: ", "UID: ", "Comm: ", "Hardware name:", "Tainted:", "Modules linked in:", "Unloaded tainted modules:", "Last unloaded",
        "Call Trace:", "Call trace:", "Stack:", "Code:", "Pid: ", "Process ", "task:", "Workqueue:", "Stopper:", "Sending NMI", "NMI backtrace",
        "irq event stamp:", "hardirqs last", "softirqs last", "in_atomic():", "preempt_count:", "RCU nest depth:",
        "no locks held by", "INFO: lockdep is turned off", "Preemption disabled at:", "caller is ", "stack backtrace:", "other info that",
        "page:", "page dumped because:", "page last", "page_owner", "raw:", "flags:", "head:", "memcg:", "addr:", "file:", "vma ",
        "rcu: ", "rcu_", "(detected by", "(t=", "{", "Showing ", "workqueue ", "pool ", "INFO: task ", "INFO: Slab", "INFO: Object",
        "\"echo 0 > /proc/sys/kernel/", "Future hung task reports are suppressed", "Blocked by coredump",
        "#PF: ", "PGD ", "P4D ", "Oops: ", "ORIG_RAX:", "note: ", "---[ end ", "Kernel Offset:", "Rebooting in ", "Dumping ftrace",
        "Received SIGSEGV in SIGSEGV handler",
        "The code is fine but needs lockdep", "you didn't initialize this object", "turning off the locking correctness validator",
        "Please attach the output of", "Slab 0x", "Object 0x", "FIX ", "Disabling lock debugging",
    ];

    // Only a report of the kernel goes on like this.
    private static readonly string[] EvidenceStarts =
        ["CPU: ", "Call Trace:", "Modules linked in:", "Stack:", "RIP: ", "Pid: ", "task:", "NMI backtrace", "Showing busy workqueues"];

    // What the kernel prints just before it gives up, without a report of its own.
    private static readonly string[] PreambleStarts =
    [
        "sysrq: Trigger a crash", "Modules linked in:", "Pid: ", "Segfault with no mm", "potentially unexpected fatal signal",
        "/dev/root: ", "VFS: ", "List of all ", "Please append a correct", "No filesystem could mount root", "Failed to execute ", "Starting init: ",
        "Warning: unable to open an initial console", "Out of memory", "can't fork", "Unable to fork",
    ];

    // The faults that User-mode Linux turns into a panic at once.
    private static readonly string[] FaultStarts =
        ["Kernel mode fault at addr", "Kernel mode signal", "Kernel tried to access user memory", "Segfault with no mm"];

    // Reports of one line.
    private static readonly string[] LoneBugStarts =
        ["BUG: Bad rss-counter state mm:", "BUG: non-zero pgtables_bytes on freeing mm:", "BUG: workqueue leaked "];

    private readonly Queue<string> _preamble = new();
    private readonly List<KernelReport> _found = [];
    private Open? _open;
    private List<string>? _cut;
    private string? _ruler;
    private IReadOnlyList<string>? _justClosed;

    /// <summary>Takes the next line of the log.</summary>
    /// <param name="line">The line.</param>
    /// <returns>The reports that end with or before this line; mostly none.</returns>
    public IReadOnlyList<KernelReport> Add(KernelLogLine line)
    {
        // A program's output on the console; it may stand in the middle of a report.
        if (line.KernelTime is not { } time)
            return [];

        string text = line.Text ?? "";
        if (text.Length > MaxLineLength)
            text = text[..MaxLineLength];
        string full = Format(time, text);

        IReadOnlyList<string>? before = _justClosed;
        _justClosed = null;
        Take(text, full, before);

        _preamble.Enqueue(full);
        if (_preamble.Count > MaxPreamble)
            _preamble.Dequeue();
        return TakeFound();
    }

    /// <summary>Says that the log has ended.</summary>
    /// <returns>The reports that the end of the log cut short.</returns>
    public IReadOnlyList<KernelReport> Complete()
    {
        Close(atEnd: true);
        _cut = null;
        _ruler = null;
        _justClosed = null;
        _preamble.Clear();
        return TakeFound();
    }

    private KernelReport[] TakeFound()
    {
        if (_found.Count == 0)
            return [];
        KernelReport[] result = [.. _found];
        _found.Clear();
        return result;
    }

    private void Take(string text, string full, IReadOnlyList<string>? before)
    {
        if (text.StartsWith(PanicStart, StringComparison.Ordinal))
        {
            TakePanic(text, full, before);
            return;
        }

        if (_ruler is { } top)
        {
            _ruler = null;
            if (RuledKind(text) is { } ruled)
            {
                Close();
                _cut = null;
                _open = new Open(ruled.Kind, text, ruled.End);
                _open.Add(top);
                _open.Add(full);
                return;
            }

            // The list of all locks that a hung task brings along ends with such a line, too.
            if (_open is { End: ReportEnd.Foreign, Kind: not (KernelReportKind.HungTask or KernelReportKind.Lockup or KernelReportKind.RcuStall) })
                Close();
            else
                _open?.Add(top);
        }

        if (text == CutHere)
        {
            Close();
            _cut = [full];
            return;
        }

        if (IsRuler(text))
        {
            _ruler = full;
            if (_open is { End: ReportEnd.Ruler })
            {
                _open.Add(full);
                CloseFrame();
            }

            return;
        }

        if (_cut is not null && TakeInCut(text, full))
            return;

        if (Trigger(text) is { } kind && (_open is null || !_open.Expects(kind)))
        {
            Close();
            _open = new Open(kind, text, ReportEnd.Foreign);
            _open.Add(full);
            if (StartsWithAny(text, LoneBugStarts))
                _open.Proven = true;
            return;
        }

        if (_open is not null)
            TakeInOpen(text, full);
    }

    private void TakePanic(string text, string full, IReadOnlyList<string>? before)
    {
        _cut = null;
        _ruler = null;
        if (_open is { Kind: KernelReportKind.Panic, Proven: true })
        {
            _open.Add(full);
            return;
        }

        // One that proved to be only words gives way; what it followed is still the cause.
        Open? cause = _open is { Kind: KernelReportKind.Panic } ? _open.Cause : _open;
        var panic = new Open(KernelReportKind.Panic, text, ReportEnd.Foreign) { Cause = cause };
        IEnumerable<string> lead = cause?.Lines ?? before ?? Preamble();
        foreach (string line in lead.Take(MaxCauseLines))
            panic.Add(line);
        panic.Add(full);
        _open = panic;
    }

    // The run of lines before a panic that the kernel prints on its way there.
    private IEnumerable<string> Preamble()
    {
        string[] lines = [.. _preamble];
        int start = lines.Length;
        while (start > 0 && IsPreamble(TextOf(lines[start - 1])))
            start--;
        while (start < lines.Length && (TextOf(lines[start]).IsEmpty || TextOf(lines[start])[0] == ' '))
            start++;
        return lines.Skip(start);
    }

    private static ReadOnlySpan<char> TextOf(string full) => full.AsSpan(full.IndexOf(']') + 2);

    private static bool IsPreamble(ReadOnlySpan<char> text) =>
        text.IsEmpty
        || text[0] == ' '
        || IsRegisters(text)
        || StartsWithAny(text, PreambleStarts)
        // The death of the first process.
        || text.Contains("[1]: segfault at ", StringComparison.Ordinal)
        || text.Contains("potentially unexpected fatal signal", StringComparison.Ordinal);

    // After "cut here": the line that says what it is, or the message of the WARN, which on some architectures stands before it.
    private bool TakeInCut(string text, string full)
    {
        List<string> lines = _cut!;
        KernelReportKind? kind =
            IsWarning(text) ? KernelReportKind.Warning
            : text.StartsWith("kernel BUG at ", StringComparison.Ordinal) ? KernelReportKind.Bug
            : text.StartsWith("UBSAN: ", StringComparison.Ordinal) ? KernelReportKind.Ubsan
            : null;
        if (kind is null)
        {
            bool message = lines.Count <= MaxMessageLines && Trigger(text) is null or KernelReportKind.Bug;
            if (message)
                lines.Add(full);
            else
                _cut = null;
            return message;
        }

        _cut = null;
        _open = new Open(kind.Value, text, kind == KernelReportKind.Bug ? ReportEnd.TraceThenForeign : ReportEnd.Trace);
        foreach (string line in lines)
            _open.Add(line);
        _open.Add(full);
        return true;
    }

    private void TakeInOpen(string text, string full)
    {
        Open report = _open!;
        if (report.Kind == KernelReportKind.Panic && !report.Proven && !IsBody(text, afterTrace: false))
        {
            report.Foreign++;
            report.Add(full);
            if (report.Foreign > MaxForeignInPanic)
                Close();
            return;
        }

        bool endTrace = text.StartsWith("---[ end trace ", StringComparison.Ordinal);
        bool belongs = report.End switch
        {
            ReportEnd.Ruler or ReportEnd.Trace => true,
            ReportEnd.TraceThenForeign => !report.TraceEnded || IsBody(text, afterTrace: false),
            ReportEnd.Backtrace => !report.InTrace || IsBody(text, afterTrace: true),
            _ => IsBody(text, report.InTrace),
        };
        if (!belongs || report.Span >= MaxSpan)
        {
            Close();
            return;
        }

        report.Add(full);
        if (StartsWithAny(text, EvidenceStarts) || (report.Kind == KernelReportKind.RcuStall && IsRcuDetail(text)))
            report.Proven = true;
        if (IsFrame(text))
            report.InTrace = report.End != ReportEnd.Backtrace || report.SawBacktrace;
        if (text.StartsWith("stack backtrace:", StringComparison.Ordinal) || text.StartsWith("CPU: ", StringComparison.Ordinal))
            report.SawBacktrace = true;
        if (endTrace)
        {
            report.TraceEnded = true;
            if (report.End == ReportEnd.Trace)
                CloseFrame();
        }
        else if (text.StartsWith("---[ end Kernel panic", StringComparison.Ordinal))
        {
            report.Proven = true;
            Close();
        }
    }

    // A panic in the very next line is the consequence.
    private void CloseFrame()
    {
        int reports = _found.Count;
        Close();
        if (_found.Count > reports)
            _justClosed = _found[^1].Lines;
    }

    private void Close(bool atEnd = false)
    {
        if (_open is not { } report)
            return;
        _open = null;

        if (report.Kind != KernelReportKind.Panic)
        {
            Emit(report);
            return;
        }

        // Without a stack (a kernel without CONFIG_DEBUG_BUGVERBOSE prints none) only silence tells a panic from its name.
        if (!report.Proven && !(atEnd && report.Foreign == 0))
        {
            if (report.Cause is not null)
                Emit(report.Cause);
            return;
        }

        report.Proven = true;
        if (report.Cause is { } cause)
        {
            // A failed BUG_ON prints one line and leaves the stack to the panic.
            Emit(new Open(cause.InTrace ? cause : report, cause.Kind, cause.Title) { Proven = true });
        }

        string reason = report.Title[PanicStart.Length..].TrimStart(':', ' ');
        if (StartsWithAny(reason, FaultStarts))
            Emit(new Open(report, KernelReportKind.Oops, reason));
        Emit(report);
    }

    private void Emit(Open report)
    {
        if (!report.Proven)
            return;
        List<string> lines = report.Lines;
        int count = lines.Count;
        while (count > 1 && TextOf(lines[count - 1]).IsWhiteSpace())
            count--;
        var kept = new string[count];
        lines.CopyTo(0, kept, 0, count);
        _found.Add(new KernelReport(report.Kind, report.Title, kept));
    }

    private static KernelReportKind? Trigger(string text)
    {
        if (text.Length == 0)
            return null;
        switch (text[0])
        {
            case 'B' when Starts("BUG: "):
                if (Starts("BUG: unable to handle ") || Starts("BUG: kernel NULL pointer dereference") || Starts("BUG: stack guard page was hit"))
                    return KernelReportKind.Oops;
                return Starts("BUG: soft lockup - CPU#") || Starts("BUG: workqueue lockup - ") ? KernelReportKind.Lockup : KernelReportKind.Bug;
            case 'k' when Starts("kernel BUG at "):
            case 'b' when Starts("bad: scheduling from the idle thread!"):
                return KernelReportKind.Bug;
            case 'I' when Starts("INFO: task "):
                return Has(" blocked for more than ") || Has(" blocked in I/O wait for more than ") ? KernelReportKind.HungTask : null;
            case 'I' when Starts("INFO: trying to register non-static key"):
                return KernelReportKind.Lockdep;
            case 'I' when Starts("INFO: rcu"):
            case 'r' when Starts("rcu: INFO: rcu"):
                return Has(" detected stall") || Has(" self-detected stall") || Has(" detected expedited stall") ? KernelReportKind.RcuStall : null;
            case 'w' when Starts("watchdog: BUG: soft lockup - CPU#"):
            case 'w' or 'N' or 'W' when (Starts("watchdog: ") || Starts("NMI watchdog: ") || Starts("Watchdog detected ")) && Has("Watchdog detected hard LOCKUP on cpu "):
                return KernelReportKind.Lockup;
        }

        return IsDieHeader(text) ? KernelReportKind.Oops : null;

        bool Starts(string start) => text.StartsWith(start, StringComparison.Ordinal);
        bool Has(string part) => text.Contains(part, StringComparison.Ordinal);
    }

    // "Oops: 0000 [#1] SMP", "general protection fault, probably for non-canonical address 0x..: 0000 [#1]", "invalid opcode: 0000 [#1]"
    private static bool IsDieHeader(string text)
    {
        int number = text.IndexOf(" [#", StringComparison.Ordinal);
        if (number < 6 || number + 4 >= text.Length || !char.IsAsciiDigit(text[number + 3]))
            return false;
        int colon = text.LastIndexOf(": ", number, StringComparison.Ordinal);
        if (colon < 1 || number - colon - 2 < 4)
            return false;
        return text.AsSpan(colon + 2, number - colon - 2).IndexOfAnyExcept(HexDigits) < 0;
    }

    // "WARNING: CPU: 0 PID: 1 at file.c:12 func+0x1/0x2", and since 6.19 "WARNING: file.c:12 at func+0x1/0x2, CPU#0: comm/1"
    private static bool IsWarning(string text)
    {
        if (!text.StartsWith("WARNING: ", StringComparison.Ordinal))
            return false;
        if (text.StartsWith("WARNING: CPU: ", StringComparison.Ordinal))
            return text.Contains(" PID: ", StringComparison.Ordinal) && text.Contains(" at ", StringComparison.Ordinal);
        int cpu = text.LastIndexOf(", CPU#", StringComparison.Ordinal);
        return cpu > 0 && text.IndexOf(" at ", 8, cpu - 8, StringComparison.Ordinal) >= 0;
    }

    // What follows a line of '='.
    private static (KernelReportKind Kind, ReportEnd End)? RuledKind(string text)
    {
        if (Starts("BUG: KASAN: ") || Starts("BUG: KFENCE: "))
            return (KernelReportKind.Kasan, ReportEnd.Ruler);
        if (Starts("BUG: KCSAN: ") || Starts("BUG: KMSAN: "))
            return (KernelReportKind.Bug, ReportEnd.Ruler);
        if (Starts("UBSAN: "))
            return (KernelReportKind.Ubsan, ReportEnd.Ruler);
        if (Starts("WARNING: ") || Starts("[ BUG: ") || Starts("[ INFO: "))
            return (KernelReportKind.Lockdep, ReportEnd.Backtrace);
        // SLUB's debugging: "BUG kmalloc-64 (Not tainted): Poison overwritten".
        return Starts("BUG ") ? (KernelReportKind.Bug, ReportEnd.Backtrace) : null;

        bool Starts(string start) => text.StartsWith(start, StringComparison.Ordinal);
    }

    // The shortest in use has 29.
    private static bool IsRuler(string text) => text.Length is >= 20 and <= 120 && text.AsSpan().IndexOfAnyExcept('=') < 0;

    private static bool IsBody(string text, bool afterTrace)
    {
        if (text.Length == 0 || IsFrame(text) || IsRegisters(text) || IsHexWords(text) || StartsWithAny(text, BodyStarts) || IsLocksHeld(text) || text.Contains(" nvcsw: ", StringComparison.Ordinal))
            return true;
        // Details are indented; behind a stack an indented line is somebody else's, but for the marks in the stack itself.
        return text[0] is ' ' or '\t' && (!afterTrace || text.AsSpan().TrimStart().StartsWith('<') || text.StartsWith(" [<", StringComparison.Ordinal) || text.StartsWith(" #", StringComparison.Ordinal));
    }

    // " [<6002d37a>] show_stack+0x184/0x193"
    private static bool IsFrame(string text)
    {
        int offset = text.IndexOf("+0x", StringComparison.Ordinal);
        return offset > 0 && text.IndexOf("/0x", offset, StringComparison.Ordinal) > 0;
    }

    // "RAX: 0000000000000000 RBX: ...", "R10: ..", "CS:  0010 DS: ..", "RIP: 0033:..".
    private static bool IsRegisters(ReadOnlySpan<char> text)
    {
        int colon = text.IndexOf(':');
        return colon is 2 or 3
            && text.Length > colon + 1 && text[colon + 1] == ' '
            && text[0] is 'R' or 'E' or 'C' or 'D' or 'F' or 'G' or 'S'
            && text[..colon].IndexOfAnyExceptInRange('0', 'Z') < 0
            && text[colon..].IndexOfAnyInRange('0', '9') > 0;
    }

    private static bool IsHexWords(string text) => text[0] == ' ' && text.AsSpan().IndexOfAnyExcept(HexDigitsAndSpace) < 0;

    // "1 lock held by init/1:"
    private static bool IsLocksHeld(string text)
    {
        int space = text.IndexOf(' ');
        return space > 0 && char.IsAsciiDigit(text[0]) && text.AsSpan(space).StartsWith(" lock") && text.Contains(" held by ", StringComparison.Ordinal);
    }

    private static bool IsRcuDetail(string text) =>
        text.StartsWith("rcu: ", StringComparison.Ordinal)
        || text.StartsWith("\t(", StringComparison.Ordinal)
        || text.StartsWith("(detected by", StringComparison.Ordinal);

    private static bool StartsWithAny(ReadOnlySpan<char> text, string[] starts)
    {
        foreach (string start in starts)
        {
            if (text.StartsWith(start, StringComparison.Ordinal))
                return true;
        }

        return false;
    }

    private static string Format(TimeSpan time, string text)
    {
        long seconds = time.Ticks / TimeSpan.TicksPerSecond;
        long microseconds = time.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond;
        return $"[{seconds,5}.{microseconds:000000}] {text}";
    }

    private enum ReportEnd
    {
        // The first line that does not look like a part of it.
        Foreign,

        // A line of '='.
        Ruler,

        // "---[ end trace".
        Trace,

        // The same, after which the registers may be printed once more.
        TraceThenForeign,

        // Free text up to the stack of the CPU that reports, then the first line that is no part of it.
        Backtrace,
    }

    private sealed class Open(KernelReportKind kind, string title, ReportEnd end)
    {
        public Open(Open same, KernelReportKind kind, string title)
            : this(kind, title, same.End)
        {
            Lines = same.Lines;
            Proven = same.Proven;
        }

        public KernelReportKind Kind { get; } = kind;

        public string Title { get; } = title;

        public ReportEnd End { get; } = end;

        public List<string> Lines { get; } = [];

        // The report that was open when the panic came.
        public Open? Cause { get; init; }

        public int Span { get; private set; }

        public int Foreign { get; set; }

        public bool Proven { get; set; }

        public bool InTrace { get; set; }

        public bool SawBacktrace { get; set; }

        public bool TraceEnded { get; set; }

        public void Add(string full)
        {
            Span++;
            if (Lines.Count < MaxLines)
                Lines.Add(full);
        }

        // Words that begin a report of their own elsewhere, but here go on with this one.
        public bool Expects(KernelReportKind next) => next switch
        {
            KernelReportKind.Oops => Kind is KernelReportKind.Oops or KernelReportKind.Bug && !TraceEnded,
            KernelReportKind.Bug => End is ReportEnd.Trace or ReportEnd.TraceThenForeign or ReportEnd.Ruler,
            _ => false,
        };
    }
}
