using System.Buffers;
using System.Collections.Immutable;
using System.Globalization;

namespace Uml.CI;

/// <summary>
/// Finds the kernel's complaints in its log, or in a console's output that has it among other things, with or without time
/// stamps. Feed it text or lines as they come; each complaint is given as soon as its end is known. Any input is taken; time
/// is linear, memory bounded.
/// </summary>
/// <remarks>
/// The words are those the kernel's sources print (kernel/panic.c, kernel/locking/lockdep.c, kernel/rcu/tree_stall.h,
/// kernel/watchdog.c, kernel/hung_task.c, kernel/sched/core.c, lib/ubsan.c, lib/list_debug.c, mm/kasan, mm/kfence,
/// kernel/kcsan, mm/kmemleak.c, mm/page_alloc.c, arch/um/kernel/trap.c, arch/x86/kernel/dumpstack.c), from 6.1 on. They must
/// begin a message: a program that prints them in the middle of a line is not the kernel. Whoever may write to /dev/kmsg can
/// forge a complaint, and none can hide one that way. Where lines have time stamps, one that has none is a program's, on the same
/// console, and no part of a report; a whole report without them, with a stack, counts: they can be turned off.
/// A panic brings along what User-mode Linux prints on its way there: the registers of the fault, why there is no root.
/// </remarks>
public sealed class KernelLogScanner
{
    private const int MaxLineLength = 4_096;
    private const int MaxLines = 400;
    private const int MaxSpan = 1_000;
    private const int MaxFrames = 128;
    private const int MaxMessage = 16;
    private const int MaxForeign = 3;

    // The lines before a panic that may belong to it; a register dump has nine.
    private const int MaxPreamble = 24;

    private const string CutHere = "------------[ cut here ]------------";

    // What a report goes on with. The first other lines end it.
    private static readonly string[] BodyStarts =
    [
        "CPU: ", "UID: ", "PID: ", "Comm: ", "Hardware name:", "Tainted:", "Modules linked in:", "Unloaded tainted modules:", "Last unloaded",
        "Call Trace:", "Call trace:", "Stack:", "Code:", "Pid: ", "Process ", "task:", "Workqueue:", "Stopper:", "Sending NMI", "NMI backtrace",
        "irq event stamp:", "hardirqs last", "softirqs last", "in_atomic():", "preempt_count:", "RCU nest depth:", "no locks held by",
        "INFO: lockdep is turned off", "Preemption disabled at:", "caller is ", "stack backtrace:", "other info that", "page:", "page dumped because:",
        "page last", "page_owner", "raw:", "flags:", "head:", "memcg:", "addr:", "file:", "vma ", "rcu: ", "rcu_", "(detected by", "(t=", "{",
        "Showing ", "workqueue ", "pool ", "INFO: Slab", "INFO: Object", "\"echo 0 > /proc/sys/kernel/", "Future hung task reports", "Blocked by coredump",
        "#PF: ", "PGD ", "P4D ", "ORIG_RAX:", "note: ", "---[ end ", "Kernel Offset:", "Rebooting in ", "Dumping ftrace", "Read of size", "Write of size",
        "Free of addr", "Read at addr", "Write at addr", "Allocated by task", "Freed by task", "Last potentially related", "Second to last potentially",
        "The buggy address", "which belongs to the cache", "Memory state around", ">", "read to 0x", "write to 0x", "read (marked)", "write (marked)",
        "race at unknown origin", "value changed:", "Reported by Kernel Concurrency Sanitizer", "kfence-#", "Out-of-bounds ", "Use-after-free ",
        "Corrupted memory at", "Invalid ", "allocated by task", "freed by task", "freeing (", "Uninit was ", "Bytes ", "Memory access of size",
        "The code is fine but needs lockdep", "you didn't initialize", "turning off the locking", "Please attach the output", "Slab 0x", "Object 0x", "Redzone ",
        "Padding ", "FIX ", "Disabling lock debugging", "Mem-Info:", "active_anon:", "Node ", "lowmem_reserve", "Normal", "DMA", "backtrace (crc",
        "comm \"", "hex dump", "but task is already holding", "but this new dependency", "and this task is already", "which would create", "the existing dependency",
        "the dependencies between", "-> #", "Possible unsafe locking scenario", "Chain exists of", "locks held by", "is trying to acquire", "*** DEADLOCK", "<TASK>", "</TASK>",
        "<IRQ>", "</IRQ>", "<NMI>", "</NMI>", "EIP:", "RIP:", "RSP:", "RAX:", "---[", "invalid opcode:", "Oops:", "KASAN: ", "#0:", "Total swap", "Free swap",
        "page_type:", "context-{", "INFO: task ", "Swap cache", "cma reserved", "hwpoisoned", "pages ", "Unreclaimable", "Tasks state", "oom-kill:", "[  pid  ]", "Out of memory:", "oom_reaper:",
    ];

    private static readonly string[] EvidenceStarts = ["Call Trace:", "Call trace:", "Stack:", "stack backtrace:", "---[ end trace"];

    private static readonly string[] OopsStarts =
    [
        "Oops: ", "Oops - ", "general protection fault", "Unable to handle kernel ", "BUG: unable to handle ", "BUG: kernel NULL pointer dereference",
        "stack segment:", "invalid opcode:", "double fault:", "divide error:", "int3:", "Internal error: ", "Kernel mode fault at addr", "Kernel mode signal ",
        "Kernel tried to access user memory", "Segfault with no mm", "traps: PANIC", "kernel stack overflow", "Kernel stack overflow", "Thread overran stack",
    ];

    // What the kernel prints just before it gives up, without a report of its own.
    private static readonly string[] PreambleStarts =
    [
        "sysrq: Trigger a crash", "Modules linked in:", "Pid: ", "potentially unexpected fatal signal", "/dev/root: ", "VFS: ", "List of all ",
        "Please append a correct", "No filesystem could mount root", "Failed to execute ", "Starting init: ", "Warning: unable to open an initial console",
        "can't fork", "Unable to fork",
    ];

    private static readonly string[] LockdepWords =
    [
        "possible circular locking", "possible recursive locking", "possible irq lock inversion", "possible deadlock", "inconsistent lock state",
        "lock order detected", "chain_key collision", "Nested lock was not taken", "bad unlock balance", "bad contention detected", "held lock freed",
        "still has locks held", "still has lock", "lock held when returning to user space", "suspicious RCU usage", "Invalid wait context", "key ", "lock held at task exit",
        "possible reason: unannotated irqs",
    ];

    private readonly Action<KernelComplaint>? _listener;
    private readonly List<KernelComplaint> _found = [];
    private readonly LineSplitter _lines;
    private readonly Queue<(string Line, string Text)> _preamble = [];
    private Report? _open;
    private (string Line, long Number)? _ruler;
    private long _line;
    private bool _stamped;
    private bool _ended;

    /// <summary>A scanner.</summary>
    /// <param name="listener">Told of each complaint when its end is known, from within <see cref="PushLine"/>.</param>
    public KernelLogScanner(Action<KernelComplaint>? listener = null)
    {
        _listener = listener;
        _lines = new LineSplitter(MaxLineLength, (line, _) => PushLine(line));
    }

    /// <summary>The complaints so far, in the order they began; of the last one perhaps not yet all.</summary>
    public ImmutableArray<KernelComplaint> Complaints => _open is not { Counts: true } ? [.. _found] : [.. _found, _open.ToComplaint()];

    /// <summary>The work done so far, in characters looked at.</summary>
    internal long Work { get => field + _lines.Work; private set => field = value - _lines.Work; }

    /// <summary>Finds the complaints in a whole text.</summary>
    /// <param name="text">The log.</param>
    public static ImmutableArray<KernelComplaint> Scan(string text)
    {
        KernelLogScanner scanner = new();
        scanner.Push(text);
        return scanner.Complete();
    }

    /// <summary>Takes the next piece of a log, of any length, cut anywhere.</summary>
    /// <param name="utf8">UTF-8; what is not valid is replaced.</param>
    public void Push(ReadOnlySpan<byte> utf8) => _lines.Push(utf8);

    /// <summary>Takes the next piece of a log, of any length, cut anywhere.</summary>
    /// <param name="text">The text.</param>
    public void Push(ReadOnlySpan<char> text) => _lines.Push(text);

    /// <summary>Takes the next line.</summary>
    /// <param name="line">The line, without its end.</param>
    public void PushLine(ReadOnlySpan<char> line)
    {
        _line++;
        Work += line.Length + 1;
        line = line[..Math.Min(line.Length, MaxLineLength)].TrimEnd();
        int start = KernelLogPrefix.Measure(line, out long microseconds, out _);
        ReadOnlySpan<char> text = line[start..];

        // Whatever a console put before it: a panic is not to be missed.
        if (text.Length > 0 && text[0] is ' ' or '\t' && text.TrimStart().StartsWith("Kernel panic - not syncing", StringComparison.Ordinal))
            text = text.TrimStart();
        Take(line, text, microseconds);
    }

    /// <summary>Ends the log.</summary>
    /// <returns>All complaints, in the order they began.</returns>
    public ImmutableArray<KernelComplaint> Complete()
    {
        if (!_ended)
        {
            _lines.Complete();
            Close();
            _ended = true;
        }

        return Complaints;
    }

    private void Take(ReadOnlySpan<char> line, ReadOnlySpan<char> text, long stamp)
    {
        KernelComplaintKind? trigger = Trigger(text);
        _stamped |= stamp >= 0;
        if (_open is { IsStamped: true } && stamp < 0)
        {
            if (_open.Span++ > MaxSpan)
                Close();
            return;
        }

        if (_open is null && trigger is null)
            Remember(line, text);
        if (IsRuler(text))
        {
            if (_open is { EndsWithRuler: true })
            {
                _open.Add(line, _line);
                Close();
            }
            else
            {
                _open?.Hold(line, text, _line);
                _ruler = (line.ToString(), _line);
            }

            return;
        }

        (string Line, long Number)? ruler = _ruler;
        _ruler = null;
        if (trigger is { } kind)
        {
            if (_open is { } open && open.GoesOnWith(kind, text))
            {
                open.Refine(kind, text);
                open.Add(line, _line);
                return;
            }

            Close();
            if (kind == KernelComplaintKind.Panic && OpenPanic(line, text, stamp))
                return;
            _preamble.Clear();
            bool ruled = ruler is not null && kind is not (KernelComplaintKind.Warning or KernelComplaintKind.Panic);
            _open = new Report(kind, text.ToString(), ruled ? ruler!.Value.Number : _line, stamp)
            {
                EndsWithRuler = ruled && kind is not KernelComplaintKind.Lockdep,
                IsCut = text.SequenceEqual(CutHere),
                IsDoubtful = stamp < 0 && _stamped,
            };
            if (ruled)
                _open.Add(ruler!.Value.Line, ruler.Value.Number);
            _open.Add(line, _line);
            return;
        }

        if (_open is null)
            return;
        if (_open.Span++ > MaxSpan)
        {
            Close();
            return;
        }

        // Between "cut here" and the line that says what it is stands the message.
        if (_open.IsCut)
        {
            if (_open.Messages.Count < MaxMessage && !text.StartsWith("Call Trace:", StringComparison.Ordinal) && !text.StartsWith("---[ end trace", StringComparison.Ordinal))
            {
                if (!text.IsEmpty)
                    _open.Messages.Add(text.ToString());
                _open.Add(line, _line);
                return;
            }

            _open.IsCut = false;
        }

        if (_open.EndsWithRuler)
        {
            _open.Add(line, _line);
            _open.Look(text);
            return;
        }

        if (IsBody(text, _open))
        {
            _open.AddHeld();
            _open.Add(line, _line);
            _open.Look(text);
            if (text.StartsWith("---[ end trace", StringComparison.Ordinal) && _open.Kind is KernelComplaintKind.Warning or KernelComplaintKind.Ubsan or KernelComplaintKind.Refcount or KernelComplaintKind.ListCorruption)
                Close();
            return;
        }

        // Its message before the stack, or another CPU's line in between; what follows will tell.
        if (!_open.Hold(line, text, _line))
            Close();
    }

    // The run of lines that a panic may bring along.
    private void Remember(ReadOnlySpan<char> line, ReadOnlySpan<char> text)
    {
        if (!IsPreamble(text))
        {
            _preamble.Clear();
            return;
        }

        if (_preamble.Count > 0 || (!text.IsEmpty && text[0] != ' '))
            _preamble.Enqueue((line.ToString(), text.ToString()));
        if (_preamble.Count > MaxPreamble)
            _preamble.Dequeue();
    }

    private static bool IsPreamble(ReadOnlySpan<char> text)
    {
        if (text.IsEmpty || text[0] == ' ' || IsRegisters(text) || text.Contains("[1]: segfault at ", StringComparison.Ordinal) || text.Contains("potentially unexpected fatal signal", StringComparison.Ordinal))
            return true;
        foreach (string start in PreambleStarts)
        {
            if (Starts(text, start))
                return true;
        }

        return false;
    }

    private bool OpenPanic(ReadOnlySpan<char> line, ReadOnlySpan<char> text, long stamp)
    {
        if (_preamble.Count == 0)
            return false;
        _open = new Report(KernelComplaintKind.Panic, text.ToString(), _line - _preamble.Count, stamp) { IsDoubtful = stamp < 0 && _stamped };
        foreach ((string before, string words) in _preamble)
        {
            _open.Add(before, _line);
            _open.Look(words);
        }

        _preamble.Clear();
        _open.Add(line, _line);
        return true;
    }

    private void Close()
    {
        if (_open is null)
            return;
        Report report = _open;
        _open = null;
        if (!report.Counts)
            return;
        KernelComplaint complaint = report.ToComplaint();
        _found.Add(complaint);
        _listener?.Invoke(complaint);
    }

    private static KernelComplaintKind? Trigger(ReadOnlySpan<char> text)
    {
        if (text.Length < 5)
            return null;
        switch (text[0])
        {
            case '-':
                return text.SequenceEqual(CutHere) ? KernelComplaintKind.Warning : null;
            case 'W' when Starts(text, "WARNING: "):
                return IsLockdep(text["WARNING: ".Length..]) ? KernelComplaintKind.Lockdep : KernelComplaintKind.Warning;
            case 'B' when Starts(text, "BUG: "):
                return BugKind(text["BUG: ".Length..]);

            // mm/slub.c: "BUG kmalloc-64 (Not tainted): Poison overwritten".
            case 'B' when Starts(text, "BUG ") && text.IndexOf("): ", StringComparison.Ordinal) > 0:
                return KernelComplaintKind.Bug;
            case '[' when Starts(text, "[ BUG: ") || Starts(text, "[ INFO: ") || Starts(text, "[ WARNING: "):
                return IsLockdep(text) ? KernelComplaintKind.Lockdep : Starts(text, "[ INFO: ") ? null : KernelComplaintKind.Bug;
            case 'k' when Starts(text, "kernel BUG at "):
                return KernelComplaintKind.Bug;
            case 'k' when Starts(text, "kmemleak: ") && text.Contains("new suspected memory leaks", StringComparison.Ordinal):
                return KernelComplaintKind.Kmemleak;
            case 'u' when Starts(text, "unreferenced object 0x"):
                return KernelComplaintKind.Kmemleak;
            case 'U' when Starts(text, "UBSAN: "):
                return KernelComplaintKind.Ubsan;
            case 'K' when Starts(text, "Kernel panic - not syncing"):
                return KernelComplaintKind.Panic;
            case 'K' when Starts(text, "KASAN: "):
                return KernelComplaintKind.Oops;
            case 'I' when Starts(text, "INFO: task ") && text.Contains(" blocked ", StringComparison.Ordinal) && text.Contains(" for more than ", StringComparison.Ordinal):
                return KernelComplaintKind.HungTask;
            case 'I' when Starts(text, "INFO: rcu"):
                return IsStall(text) ? KernelComplaintKind.RcuStall : null;
            case 'I' when Starts(text, "INFO: "):
                return text.Contains("trying to register non-static key", StringComparison.Ordinal) || (IsLockdep(text) && text.Contains(" detected", StringComparison.Ordinal))
                    ? KernelComplaintKind.Lockdep : null;
            case 'r' when Starts(text, "rcu: INFO: "):
                return IsStall(text) ? KernelComplaintKind.RcuStall : null;
            case 'r' when Starts(text, "refcount_t: "):
                return KernelComplaintKind.Refcount;
            case 'w' or 'N' or 'W' when Starts(text, "watchdog: ") || Starts(text, "NMI watchdog: ") || Starts(text, "Watchdog detected "):
                return text.Contains("hard LOCKUP", StringComparison.OrdinalIgnoreCase) ? KernelComplaintKind.HardLockup
                    : text.Contains("soft lockup", StringComparison.Ordinal) ? KernelComplaintKind.SoftLockup : null;
            case 'l' when Starts(text, "list_add corruption") || Starts(text, "list_del corruption") || Starts(text, "list_add double add") || Starts(text, "list corruption"):
                return KernelComplaintKind.ListCorruption;
            case 'O' when Starts(text, "Out of memory: Killed process") || Starts(text, "Out of memory and no killable"):
                return KernelComplaintKind.OutOfMemory;
            case 'u' when Starts(text, "usercopy: Kernel memory "):
                return KernelComplaintKind.Bug;
            case 'b' when Starts(text, "bad: scheduling from the idle thread!"):
                return KernelComplaintKind.AtomicSleep;
            default:
                break;
        }

        foreach (string start in OopsStarts)
        {
            if (Starts(text, start))
                return KernelComplaintKind.Oops;
        }

        if (IsDieHeader(text))
            return KernelComplaintKind.Oops;

        // "name: page allocation failure: order:0, mode:0x...", "name invoked oom-killer: ...": a name has at most 15 characters.
        ReadOnlySpan<char> head = text[..Math.Min(text.Length, 64)];
        return head.Contains(": page allocation failure: order:", StringComparison.Ordinal) ? KernelComplaintKind.PageAllocationFailure
            : head.Contains(" invoked oom-killer: ", StringComparison.Ordinal) ? KernelComplaintKind.OutOfMemory
            : null;
    }

    // arch/x86/kernel/dumpstack.c, __die_header: "alignment check: 0000 [#1] SMP".
    private static bool IsDieHeader(ReadOnlySpan<char> text)
    {
        int number = text.IndexOf(" [#", StringComparison.Ordinal);
        if (number < 6 || number + 4 >= text.Length || !char.IsAsciiDigit(text[number + 3]))
            return false;
        int colon = text[..number].LastIndexOf(": ", StringComparison.Ordinal);
        return colon > 0 && number - colon - 2 >= 4 && !text[(colon + 2)..number].ContainsAnyExcept(HexDigits);
    }

    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdef");

    private static bool IsStall(ReadOnlySpan<char> text) => text.Contains("stall", StringComparison.Ordinal);

    private static bool IsLockdep(ReadOnlySpan<char> text)
    {
        foreach (string words in LockdepWords)
        {
            if (text.Contains(words, StringComparison.Ordinal))
                return true;
        }

        return false;
    }

    private static KernelComplaintKind BugKind(ReadOnlySpan<char> rest) =>
        Starts(rest, "KASAN: ") ? KernelComplaintKind.Kasan
        : Starts(rest, "KCSAN: ") ? KernelComplaintKind.Kcsan
        : Starts(rest, "KFENCE: ") ? KernelComplaintKind.Kfence
        : Starts(rest, "KMSAN: ") ? KernelComplaintKind.Kmsan
        : Starts(rest, "unable to handle ") || Starts(rest, "kernel NULL pointer") || Starts(rest, "stack guard page was hit") ? KernelComplaintKind.Oops
        : Starts(rest, "soft lockup") || Starts(rest, "workqueue lockup") ? KernelComplaintKind.SoftLockup
        : Starts(rest, "scheduling ") || Starts(rest, "sleeping function called") || Starts(rest, "using ") || Starts(rest, "assuming ") ? KernelComplaintKind.AtomicSleep
        : Starts(rest, "Invalid wait context") || Starts(rest, "key ") ? KernelComplaintKind.Lockdep
        : KernelComplaintKind.Bug;

    private static bool Starts(ReadOnlySpan<char> text, string start) => text.StartsWith(start, StringComparison.Ordinal);

    private static bool IsRuler(ReadOnlySpan<char> text) => text.Length >= 20 && text[0] == '=' && !text.ContainsAnyExcept('=');

    private static bool IsBody(ReadOnlySpan<char> text, Report report)
    {
        if (text.IsEmpty || text[0] is ' ' or '\t')
            return true;

        // lockdep tells its story before the stack, in words of its own.
        if (report.Kind == KernelComplaintKind.Lockdep && report.Evidence == 0)
            return report.Span < 600;
        foreach (string start in BodyStarts)
        {
            if (Starts(text, start))
                return true;
        }

        return IsRegisters(text) || IsFrame(text) || (text[0] == '-' && !text.ContainsAnyExcept('-'))
            || (report.Kind == KernelComplaintKind.Lockdep && (text.Contains(" lock", StringComparison.Ordinal) || char.IsAsciiDigit(text[0])))
            || (report.Kind == KernelComplaintKind.OutOfMemory && text[0] is '[' or '0');
    }

    // "RAX: 0000000000000000 RBX: ...", "R10: ...", "CS:  0010 DS: ...".
    private static bool IsRegisters(ReadOnlySpan<char> text)
    {
        int colon = text[..Math.Min(text.Length, 4)].IndexOf(':');
        return colon >= 2
            && text.Length > colon + 1 && text[colon + 1] == ' '
            && text[0] is 'R' or 'E' or 'C' or 'D' or 'F' or 'G' or 'S'
            && !text[..colon].ContainsAnyExceptInRange('0', 'Z')
            && text[colon..].ContainsAnyInRange('0', '9');
    }

    private static bool IsFrame(ReadOnlySpan<char> text)
    {
        int plus = text.IndexOf("+0x", StringComparison.Ordinal);
        return plus > 0 && text[..plus].IndexOf(' ') < 0 && text[plus..].IndexOf("/0x", StringComparison.Ordinal) > 0;
    }

    /// <summary>A complaint whose end is not known yet.</summary>
    private sealed class Report(KernelComplaintKind kind, string title, long firstLine, long stamp)
    {
        private readonly List<string> _lines = [];
        private readonly List<(string Line, string Text, long Number)> _held = [];
        private readonly List<KernelStackFrame> _frames = [];
        private readonly bool _framed = title == CutHere;
        private bool _inTrace;
        private bool _traceDone;
        private int? _cpu;
        private int? _pid;
        private string? _command;
        private string _title = title;
        private long _lastLine;

        public KernelComplaintKind Kind { get; private set; } = kind;

        public bool EndsWithRuler { get; init; }

        /// <summary>"cut here" came, and not yet what it is.</summary>
        public bool IsCut { get; set; }

        public bool HasHeader { get; private set; } = title != CutHere;

        /// <summary>Whether the kernel put a time stamp before its lines.</summary>
        public bool IsStamped { get; } = stamp >= 0;

        /// <summary>It has a frame or the words of one, in which a message may stand; a line that only begins with "WARNING:" has none.</summary>
        private bool HasMessage => Evidence == 0
            && (Kind is KernelComplaintKind.Ubsan or KernelComplaintKind.Refcount || (Kind == KernelComplaintKind.Warning && (_framed || Starts(_title, "WARNING: CPU: ") || _title.Contains(", CPU#", StringComparison.Ordinal))));

        /// <summary>It has no time stamps where others have, and may be a program's words.</summary>
        public bool IsDoubtful { get; init; }

        /// <summary>Whether it is a complaint: a program prints no stack of the kernel by accident.</summary>
        public bool Counts => !IsDoubtful || Evidence > 0;

        public int Span { get; set; }

        /// <summary>How many lines of stacks there were.</summary>
        public int Evidence { get; private set; }

        public List<string> Messages { get; } = [];

        public void Add(ReadOnlySpan<char> line, long number)
        {
            _lastLine = number;
            if (_lines.Count < MaxLines)
                _lines.Add(line.ToString());
        }

        public bool Hold(ReadOnlySpan<char> line, ReadOnlySpan<char> text, long number)
        {
            _held.Add((line.ToString(), text.ToString(), number));
            return _held.Count <= (HasMessage ? MaxMessage : MaxForeign);
        }

        public void AddHeld()
        {
            bool messages = HasMessage;
            foreach ((string line, string text, long number) in _held)
            {
                Add(line, number);
                if (messages && Messages.Count < MaxMessage)
                    Messages.Add(text);
            }

            _held.Clear();
        }

        public bool GoesOnWith(KernelComplaintKind next, ReadOnlySpan<char> text)
        {
            if (text.SequenceEqual(CutHere))
                return Kind is KernelComplaintKind.ListCorruption or KernelComplaintKind.Bug && Evidence == 0;
            if (IsCut)
                return next is not KernelComplaintKind.Panic;
            if (EndsWithRuler)
                return next is not (KernelComplaintKind.Panic or KernelComplaintKind.Warning) && Starts(text, "INFO: ");
            if (Evidence == 0 && Kind is KernelComplaintKind.Oops or KernelComplaintKind.Bug or KernelComplaintKind.ListCorruption)
                return next is KernelComplaintKind.Oops || (next is KernelComplaintKind.Bug && Starts(text, "kernel BUG at "));
            return (Kind, next) switch
            {
                (KernelComplaintKind.Warning, KernelComplaintKind.Refcount or KernelComplaintKind.ListCorruption) => HasMessage,
                (KernelComplaintKind.OutOfMemory, KernelComplaintKind.OutOfMemory) => true,
                (KernelComplaintKind.Kmemleak, KernelComplaintKind.Kmemleak) => !Starts(text, "unreferenced"),
                _ => false,
            };
        }

        public void Refine(KernelComplaintKind next, ReadOnlySpan<char> text)
        {
            AddHeld();
            if (text.SequenceEqual(CutHere))
                return;
            if (!IsCut && Kind == KernelComplaintKind.Warning)
            {
                // Since 6.19 the message of a WARN follows the line that says where.
                Messages.Add(text.ToString());
                Kind = next;
                return;
            }

            if (!IsCut)
            {
                Look(text);
                return;
            }

            if (next is KernelComplaintKind.Refcount or KernelComplaintKind.ListCorruption || (next is KernelComplaintKind.Oops && !HasHeader))
            {
                // The message of a WARN or BUG that follows.
                Messages.Add(text.ToString());
                if (next != KernelComplaintKind.Oops)
                    Kind = next;
                return;
            }

            IsCut = false;
            HasHeader = true;
            _title = text.ToString();
            if (Kind is not (KernelComplaintKind.Refcount or KernelComplaintKind.ListCorruption))
                Kind = next;
        }

        // Frames, and who it was.
        public void Look(ReadOnlySpan<char> text)
        {
            foreach (string start in EvidenceStarts)
            {
                if (!Starts(text.TrimStart(), start))
                    continue;
                Evidence++;
                _inTrace = !_traceDone && !start.StartsWith("---", StringComparison.Ordinal);
                return;
            }

            // "RIP: 0010:function+0x12/0x34 [module]" is where it happened.
            if (Starts(text, "RIP: ") && _frames.Count == 0)
            {
                int colon = text.LastIndexOf(':');
                if (ParseFrame(text[(colon + 1)..]) is { } at)
                {
                    _frames.Add(at with { IsReturnAddress = false });
                    Evidence++;
                }

                return;
            }

            if (Starts(text, "CPU: ") || Starts(text, "Pid: "))
                LookForProcess(text);
            if (text.IndexOf("+0x", StringComparison.Ordinal) < 0)
            {
                // The first trace ends where something else begins; markers such as <TASK> are within it.
                if (_inTrace && _frames.Count > 0 && !text.Contains("TASK>", StringComparison.Ordinal) && !text.Contains("IRQ>", StringComparison.Ordinal) && !IsStackWords(text))
                    (_inTrace, _traceDone) = (false, true);
                return;
            }

            bool loose = EndsWithRuler && !_traceDone && text.Length > 0 && text[0] == ' ';
            if ((_inTrace || loose) && _frames.Count < MaxFrames && ParseFrame(text) is { } frame)
            {
                _frames.Add(frame);
                Evidence++;
            }
        }

        public KernelComplaint ToComplaint()
        {
            // What the title says of it comes last, and more lines may follow.
            (int? cpu, int? pid, string? command) = (_cpu, _pid, _command);
            LookForProcess(_title);
            string heading = !HasHeader && Messages.Count > 0 ? Messages[0] : _title;
            int count = _lines.Count;
            while (count > 1 && _lines[count - 1].AsSpan()[KernelLogPrefix.Measure(_lines[count - 1], out _, out _)..].IsWhiteSpace())
                count--;
            var complaint = new KernelComplaint(Kind, heading)
            {
                Lines = [.. _lines.Take(count)],
                FirstLine = firstLine,
                LastLine = _lastLine,
                Time = stamp < 0 ? null : TimeSpan.FromMicroseconds(stamp),
                Frames = [.. _frames],
                Cpu = _cpu,
                ProcessId = _pid,
                Command = _command,
                Location = ParseLocation(heading),
                Message = Messages.Count > 0 ? string.Join('\n', Messages) : null,
            };
            (_cpu, _pid, _command) = (cpu, pid, command);
            return complaint;
        }

        private static bool IsStackWords(ReadOnlySpan<char> text) => text.Length > 0 && text[0] == ' ' && !text.ContainsAnyExcept(HexAndSpace);

        private static readonly SearchValues<char> HexAndSpace = SearchValues.Create(" 0123456789abcdef");

        // "CPU: 0 UID: 0 PID: 226 Comm: sh Not tainted", "WARNING: CPU: 0 PID: 1 at", "..., CPU#0: sh/226", "task sh:226 blocked", "while atomic: sh/226/0x2".
        private void LookForProcess(ReadOnlySpan<char> text)
        {
            _cpu ??= Number(text, "CPU: ") ?? Number(text, "CPU#");
            _pid ??= Number(text, "PID: ") ?? Number(text, "Pid: ") ?? Number(text, "pid: ");
            int comm = text.IndexOf("Comm: ", StringComparison.OrdinalIgnoreCase);
            if (comm >= 0 && _command is null)
            {
                ReadOnlySpan<char> name = text[(comm + 6)..];
                int end = name.IndexOf(" Not tainted", StringComparison.Ordinal);
                if (end < 0)
                    end = name.IndexOf(" Tainted:", StringComparison.Ordinal);
                if (end < 0)
                    end = name.IndexOf(' ');
                _command = (end < 0 ? name : name[..end]).Trim().ToString();
            }

            int processor = text.IndexOf(", CPU#", StringComparison.Ordinal);
            int from = processor >= 0 && text[processor..].IndexOf(": ", StringComparison.Ordinal) is int colon and > 0 ? processor + colon + 2
                : text.IndexOf("while atomic: ", StringComparison.Ordinal) is int atomic and >= 0 ? atomic + 14
                : Starts(text, "INFO: task ") ? 11
                : -1;
            if (from < 0 || _pid is not null)
                return;
            ReadOnlySpan<char> task = text[from..];
            int separator = task.IndexOfAny('/', ' ');
            if (Starts(text, "INFO: task "))
            {
                int blocked = task.IndexOf(" blocked ", StringComparison.Ordinal);
                separator = blocked < 0 ? -1 : task[..blocked].LastIndexOf(':');
            }

            if (separator > 0 && Leading(task[(separator + 1)..]) is { } pid)
            {
                _command ??= task[..separator].ToString();
                _pid = pid;
            }
        }

        private static int? Number(ReadOnlySpan<char> text, string after)
        {
            int at = text.IndexOf(after, StringComparison.Ordinal);
            return at < 0 ? null : Leading(text[(at + after.Length)..]);
        }

        private static int? Leading(ReadOnlySpan<char> text)
        {
            int digits = 0;
            while (digits < text.Length && digits < 10 && char.IsAsciiDigit(text[digits]))
                digits++;
            return int.TryParse(text[..digits], NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : null;
        }
    }

    /// <summary>Reads " [&lt;6003e4a0&gt;] ? show_stack+0x10b/0x11a [module]" (User-mode Linux) or " ? show_stack+0x10b/0x11a [module]".</summary>
    internal static KernelStackFrame? ParseFrame(ReadOnlySpan<char> text)
    {
        text = text.Trim();
        ulong? address = null;
        if (text.StartsWith("[<", StringComparison.Ordinal))
        {
            int close = text.IndexOf(">]", StringComparison.Ordinal);
            if (close < 0)
                return null;
            if (ulong.TryParse(text[2..close], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong value))
                address = value;
            text = text[(close + 2)..].TrimStart();
        }

        bool reliable = !text.StartsWith("? ", StringComparison.Ordinal);
        if (!reliable)
            text = text[2..].TrimStart();
        int plus = text.IndexOf("+0x", StringComparison.Ordinal);
        int slash = plus < 0 ? -1 : text[plus..].IndexOf("/0x", StringComparison.Ordinal);
        if (plus <= 0 || slash < 0 || text[..plus].IndexOf(' ') >= 0)
            return null;
        slash += plus;
        int end = slash + 3;
        while (end < text.Length && char.IsAsciiHexDigit(text[end]))
            end++;
        if (!ulong.TryParse(text[(plus + 3)..slash], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong offset)
            || !ulong.TryParse(text[(slash + 3)..end], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong size))
            return null;

        // "[ext4]", or "[ext4 0123...]" with a build ID.
        string? module = null;
        ReadOnlySpan<char> rest = text[end..].TrimStart();
        if (rest.Length > 2 && rest[0] == '[' && rest.IndexOf(']') is int bracket and > 1)
        {
            ReadOnlySpan<char> inner = rest[1..bracket];
            int space = inner.IndexOf(' ');
            module = (space < 0 ? inner : inner[..space]).ToString();
        }

        return new KernelStackFrame(text[..plus].ToString(), offset, size) { Address = address, Module = module, IsReliable = reliable };
    }

    /// <summary>The "file:line" or "file:line:column" after "at ", "in " or "WARNING: ".</summary>
    internal static KernelSourceLocation? ParseLocation(ReadOnlySpan<char> title)
    {
        foreach (Range range in title.Split(' '))
        {
            ReadOnlySpan<char> word = title[range].TrimEnd('!').TrimEnd(',');
            int colon = word.IndexOf(':');
            if (colon <= 0 || colon == word.Length - 1 || !IsSource(word[..colon]))
                continue;
            ReadOnlySpan<char> numbers = word[(colon + 1)..];
            int second = numbers.IndexOf(':');
            if (!int.TryParse(second < 0 ? numbers : numbers[..second], NumberStyles.None, CultureInfo.InvariantCulture, out int line) || line == 0)
                continue;
            int? column = second >= 0 && int.TryParse(numbers[(second + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : null;
            return new KernelSourceLocation(word[..colon].ToString(), line, column);
        }

        return null;
    }

    private static bool IsSource(ReadOnlySpan<char> path)
    {
        int dot = path.LastIndexOf('.');
        return dot > 0 && path[(dot + 1)..] is "c" or "h" or "S" or "rs" or "inc";
    }
}
