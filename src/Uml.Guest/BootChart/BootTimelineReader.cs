using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Uml.CI.Wire;

namespace Uml.CI;

/// <summary>Makes a timeline of what was noted during a boot. Pure: moments and lines in, timeline out.</summary>
internal static partial class BootTimelineReader
{
    private static readonly (BootActor Actor, string Name, BootMoment From, BootMoment To)[] HostPhases =
    [
        (BootActor.Host, "find the kernel", BootMoment.Start, BootMoment.KernelFound),
        (BootActor.Host, "prepare the boot", BootMoment.KernelFound, BootMoment.Planned),
        (BootActor.Host, "make the supervisor", BootMoment.Planned, BootMoment.SupervisorSpawned),
        (BootActor.Supervisor, "start, twice", BootMoment.SupervisorSpawned, BootMoment.SupervisorRunning),
        (BootActor.Supervisor, "take the order", BootMoment.SupervisorRunning, BootMoment.SupervisorAsked),
        (BootActor.Supervisor, "directory, rules", BootMoment.SupervisorAsked, BootMoment.Forked),
        (BootActor.Supervisor, "fork, confine, execute", BootMoment.Forked, BootMoment.Executed),
        (BootActor.Command, "start", BootMoment.CommandSent, BootMoment.CommandStarted),
        (BootActor.Command, "run", BootMoment.CommandStarted, BootMoment.CommandEnded),
        (BootActor.Teardown, "clear away", BootMoment.KernelEnded, BootMoment.Gone),
    ];

    private static readonly Dictionary<string, string> AgentSteps = new(StringComparer.Ordinal)
    {
        ["agent"] = "start",
        ["devices"] = "devices, /proc",
        ["line"] = "open the line",
        ["order"] = "hello, await set-up",
        ["spool"] = "mount the spool",
        ["modules"] = "load modules",
        ["root"] = "mount the root",
        ["system"] = "mount /proc, /sys, ...",
        ["shares"] = "mount shares",
        ["ready"] = "enter the root",
    };

    /// <summary>Reads the notes.</summary>
    /// <param name="moments">What the host noticed; what is missing did not happen.</param>
    /// <param name="lines">The kernel's console, in the order written.</param>
    public static BootTimeline Read(IReadOnlyDictionary<BootMoment, TimeSpan> moments, IReadOnlyList<BootLogLine> lines)
    {
        TimeSpan? At(BootMoment moment) => moments.TryGetValue(moment, out TimeSpan time) ? time : null;
        Console console = ReadConsole(lines);
        // On a busy host a line may be read after what it announces: the agent speaks over two ways at once.
        console.Bound(At(BootMoment.Hello), At(BootMoment.Ready));
        TimeSpan executed = At(BootMoment.Executed) ?? At(BootMoment.Started) ?? (lines.Count > 0 ? lines[0].At : TimeSpan.Zero);
        ImmutableArray<BootInitcall> initcalls = Place(console.Calls, executed);
        bool live = console.IsFollowed || IsLive(console.Calls);

        TimeSpan end = lines.Count > 0 ? lines[^1].At : TimeSpan.Zero;
        foreach (TimeSpan time in moments.Values)
            end = time > end ? time : end;
        foreach (BootInitcall call in initcalls)
            end = call.Start + call.Duration is { } last && last > end ? last : end;

        var phases = new List<BootPhase>();
        foreach ((BootActor actor, string name, BootMoment from, BootMoment to) in HostPhases)
        {
            if (At(from) is { } start && At(to) is { } stop)
                phases.Add(new BootPhase(actor, name, start, Positive(stop - start)));
        }

        if (At(BootMoment.Executed) is not null || lines.Count > 0)
            AddKernel(phases, console, initcalls, executed, live, At(BootMoment.Hello));
        AddAgent(phases, console, At(BootMoment.Hello), At(BootMoment.Ready));
        if (At(BootMoment.StopAsked) is { } asked && At(BootMoment.KernelEnded) is { } ended)
        {
            TimeSpan down = console.PowerDown is { } line && line >= asked && line <= ended ? line : ended;
            phases.Add(new BootPhase(BootActor.Teardown, "power off", asked, Positive(down - asked)));
            if (down < ended)
                phases.Add(new BootPhase(BootActor.Teardown, "the kernel's exit", down, ended - down));
        }

        return new BootTimeline
        {
            Phases = [.. phases.OrderBy(p => p.Start)],
            Initcalls = initcalls,
            Ready = At(BootMoment.Ready),
            Result = At(BootMoment.CommandEnded),
            End = end,
            Failure = console.Panic,
            FailedAt = console.PanicAt,
            IsLive = live,
            DroppedLines = console.Dropped,
        };
    }

    private static void AddKernel(List<BootPhase> phases, Console console, ImmutableArray<BootInitcall> initcalls, TimeSpan executed, bool live, TimeSpan? hello)
    {
        TimeSpan? userSpace = console.UserSpace ?? console.Steps.Select(s => (TimeSpan?)s.At).FirstOrDefault() ?? hello;
        BootInitcall[] builtIn = [.. initcalls.Where(c => userSpace is null || c.Start < userSpace)];
        TimeSpan position = executed;
        void Until(string name, TimeSpan? end)
        {
            // A moment may be noted a little earlier than the end of what was placed before it: then nothing was between them.
            if (end is not { } time)
                return;
            phases.Add(new BootPhase(BootActor.Kernel, name, position, Positive(time - position)));
            position = time > position ? time : position;
        }

        // Before its first own line UML has looked at its host, and says so line by line.
        if (live)
            Until("load, look at the host", console.LookedAtHost);
        if (builtIn.Length > 0)
        {
            Until("before the initcalls", builtIn[0].Start);
            string level = builtIn[0].Level;
            foreach (BootInitcall call in builtIn)
            {
                if (call.Level == level)
                    continue;
                Until(LevelName(level), call.Start);
                level = call.Level;
            }

            BootInitcall last = builtIn[^1];
            Until(LevelName(level), last.Start + last.Duration ?? console.PanicAt ?? userSpace);
            Until("to user space", userSpace);
        }
        else
        {
            Until("the kernel, to user space", userSpace ?? console.PanicAt);
        }

        if (console.UnpackStart is { } unpack && (console.UnpackEnd ?? userSpace) is { } unpacked && unpacked >= unpack)
            phases.Add(new BootPhase(BootActor.Kernel, "unpack the initramfs", unpack, unpacked - unpack, Background: true));
        if (console.PanicAt is { } panic && panic > position && userSpace is null)
            phases.Add(new BootPhase(BootActor.Kernel, "to the panic", position, panic - position));
    }

    private static string LevelName(string level) => level.Length == 0 ? "initcalls" : $"initcalls: {level}";

    private static void AddAgent(List<BootPhase> phases, Console console, TimeSpan? hello, TimeSpan? ready)
    {
        TimeSpan? position = console.UserSpace;
        foreach ((string step, TimeSpan at) in console.Steps)
        {
            if (position is { } start)
                phases.Add(new BootPhase(BootActor.Agent, AgentSteps.GetValueOrDefault(step, step), start, Positive(at - start)));
            position = at;
        }

        if (console.Steps.Count == 0 && hello is { } first && ready is { } last)
            phases.Add(new BootPhase(BootActor.Agent, "set-up", first, Positive(last - first)));
        else if (position is { } from && ready is { } until && console.Steps is [.., ("ready", _)])
            phases.Add(new BootPhase(BootActor.Agent, "say so", from, Positive(until - from)));
    }

    /// <summary>
    /// Puts the calls where they were. A line is read a moment after it was written, or, where the console cannot be followed,
    /// long after, with all others; but how long a call took the kernel itself has measured, to the microsecond, and those of
    /// one task do not overlap. So they are placed from the last one back.
    /// </summary>
    private static ImmutableArray<BootInitcall> Place(List<Call> calls, TimeSpan executed)
    {
        var placed = new BootInitcall[calls.Count];
        var next = new Dictionary<int, (TimeSpan Start, int Line)>();
        for (int i = calls.Count - 1; i >= 0; i--)
        {
            Call call = calls[i];
            (TimeSpan bound, int line) = next.GetValueOrDefault(call.Task, (TimeSpan.MaxValue, int.MaxValue));
            TimeSpan start = call.Called < bound ? call.Called : bound;
            if (call.Duration is { } duration)
            {
                // What is called within a call begins before that call ends.
                TimeSpan end = call.Returned < bound || call.ReturnLine > line ? call.Returned : bound;
                if (end - duration < start)
                    start = end - duration;
            }

            if (start < executed)
                start = executed;
            next[call.Task] = (start, call.CallLine);
            placed[i] = new BootInitcall(call.Name, call.Module, call.Level, start, call.Duration, call.Result);
        }

        return [.. placed.OrderBy(c => c.Start)];
    }

    // Without a word of the console that is written at once: where lines are, calls arrive apart.
    private static bool IsLive(List<Call> calls) =>
        calls.Count < 10 || calls.GroupBy(c => c.Called).Max(g => g.Count()) < calls.Count / 2;

    private static TimeSpan Positive(TimeSpan time) => time < TimeSpan.Zero ? TimeSpan.Zero : time;

    private static Console ReadConsole(IReadOnlyList<BootLogLine> lines)
    {
        var console = new Console();
        var open = new Dictionary<(string, int), Call>();
        var seen = new HashSet<(string, string, int)>();
        string level = "";
        int number = 0;
        foreach (BootLogLine line in lines)
        {
            number++;
            string text = line.Text;
            if (text.StartsWith(Protocol.BootMark, StringComparison.Ordinal))
            {
                string step = text[Protocol.BootMark.Length..].Trim();
                if (step.Length > 0)
                    console.Steps.Add((step, line.At));
            }
            else if (text.StartsWith("calling ", StringComparison.Ordinal) && Calling().Match(text) is { Success: true } called)
            {
                // The console on the terminal line begins with all that was said before.
                int task = Number(called.Groups["task"].Value);
                (string Name, int) key = (called.Groups["name"].Value, task);
                if (!seen.Add((key.Name, called.Groups["offset"].Value, task)))
                    continue;
                var call = new Call(key.Name, called.Groups["module"].Value, called.Groups["module"].Length > 0 ? "" : level, task, line.At) { CallLine = number };
                open[key] = call;
                console.Calls.Add(call);
            }
            else if (text.StartsWith("initcall ", StringComparison.Ordinal) && Returned().Match(text) is { Success: true } returned)
            {
                string name = returned.Groups["name"].Value;
                (string, int) key = open.Keys.FirstOrDefault(k => k.Item1 == name);
                if (key.Item1 is null || !open.Remove(key, out Call? call))
                    continue;
                call.Returned = line.At;
                call.ReturnLine = number;
                call.Result = Number(returned.Groups["result"].Value);
                if (double.TryParse(returned.Groups["time"].Value, NumberStyles.None, CultureInfo.InvariantCulture, out double microseconds) && microseconds < 1e12)
                    call.Duration = TimeSpan.FromMicroseconds(microseconds);
            }
            else if (text.StartsWith("entering initcall level: ", StringComparison.Ordinal))
            {
                if (seen.Add((text, "", 0)))
                    level = text["entering initcall level: ".Length..].Trim();
            }
            else
            {
                ReadOther(console, line);
            }
        }

        return console;
    }

    private static void ReadOther(Console console, BootLogLine line)
    {
        string text = line.Text;
        if (text.StartsWith("Linux version ", StringComparison.Ordinal))
            console.LookedAtHost ??= console.LastBefore ?? line.At;
        else if (console.LookedAtHost is null)
            console.LastBefore = line.At;
        if (text.Contains("npack", StringComparison.Ordinal) && text.Contains("initramfs", StringComparison.Ordinal))
            console.UnpackStart ??= line.At;
        else if (text.StartsWith("Freeing initrd memory", StringComparison.Ordinal))
            console.UnpackEnd ??= line.At;
        else if (text.StartsWith("Run ", StringComparison.Ordinal) && text.EndsWith(" as init process", StringComparison.Ordinal))
            console.UserSpace ??= line.At;
        else if (text.EndsWith("console [stderr0] enabled", StringComparison.Ordinal))
            console.IsFollowed |= console.Calls.Count == 0;
        else if (text.StartsWith("reboot: Power down", StringComparison.Ordinal))
            console.PowerDown ??= line.At;
        else if (text.StartsWith("Kernel panic - not syncing", StringComparison.Ordinal) && console.Panic is null)
            (console.Panic, console.PanicAt) = (text, line.At);
        else if (Dropped().Match(text) is { Success: true } dropped)
            console.Dropped += Number(dropped.Groups["count"].Value);
    }

    private static int Number(string text) => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) ? number : 0;

    // init/main.c, kernel/async.c: "calling  name+0x0/0x10 [module] @ 1", or an address where the kernel keeps no names.
    [GeneratedRegex(@"^calling +(?<name>[^\s+]+)(?<offset>\+\S*)?( \[(?<module>[^\]\s]+)[^\]]*\])? @ (?<task>\d+)\b", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Calling();

    [GeneratedRegex(@"^initcall (?<name>[^\s+]+)(\+\S*)?( \[[^\]]*\])? returned( (?<result>-?\d+))? (with .*)?after (?<time>\d+) usecs", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Returned();

    [GeneratedRegex(@"^\*\* (?<count>\d+) printk messages dropped", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Dropped();

    private sealed record Call(string Name, string Module, string Level, int Task, TimeSpan Called)
    {
        public int CallLine { get; init; }

        public int ReturnLine { get; set; } = int.MaxValue;

        public TimeSpan Returned { get; set; } = TimeSpan.MaxValue;

        public TimeSpan? Duration { get; set; }

        public int Result { get; set; }
    }

    private sealed class Console
    {
        public List<Call> Calls { get; } = [];

        public List<(string Step, TimeSpan At)> Steps { get; } = [];

        public void Bound(TimeSpan? hello, TimeSpan? ready)
        {
            bool greeted = false;
            UserSpace = Earlier(UserSpace, hello);
            for (int i = 0; i < Steps.Count; i++)
            {
                (string step, TimeSpan at) = Steps[i];
                // The first step after the greeting.
                greeted |= step == "order";
                Steps[i] = (step, Earlier(at, greeted ? ready : hello) ?? at);
            }
        }

        private static TimeSpan? Earlier(TimeSpan? time, TimeSpan? bound) => time is { } known && bound is { } limit && limit < known ? limit : time;

        public TimeSpan? LastBefore { get; set; }

        public TimeSpan? LookedAtHost { get; set; }

        public TimeSpan? UnpackStart { get; set; }

        public TimeSpan? UnpackEnd { get; set; }

        public TimeSpan? UserSpace { get; set; }

        public bool IsFollowed { get; set; }

        public TimeSpan? PowerDown { get; set; }

        public string? Panic { get; set; }

        public TimeSpan? PanicAt { get; set; }

        public int Dropped { get; set; }
    }
}
