using System.Diagnostics;
using Uml.CI.Wire;

namespace Uml.CI;

/// <summary>A line of the kernel's console and when the host read it, at the latest <see cref="BootTrace.Resolution"/> and a bit after it was written.</summary>
/// <param name="At">Time since the start.</param>
/// <param name="Text">The line without time stamp.</param>
internal readonly record struct BootLogLine(TimeSpan At, string Text);

/// <summary>Notes when what of one boot happens. Takes notes from any thread.</summary>
/// <param name="followsLog">Whether to note when each line of the kernel's console is written, which takes looking at it all the time.</param>
internal sealed class BootTrace(bool followsLog)
{
    /// <summary>How often the log of a traced boot is looked at. More often would slow a guest on a host with one CPU.</summary>
    public static readonly TimeSpan Resolution = TimeSpan.FromMicroseconds(80);

    // UML writes its first console, standard error, line by line as the kernel goes; the one on the terminal line is opened
    // by one of the last initcalls. It would be closed again half-way (arch/um/drivers/stderr_console.c), which
    // the blacklist prevents. Once both are there lines come twice, and the second one first repeats what it can of what was
    // said before it came; a larger buffer (log_buf_len=) would only cost the time to touch it.
    private static readonly string[] s_live = ["stderr=1", "console=stderr0", "initcall_blacklist=unregister_stderr"];

    /// <summary>What a traced kernel is told: to say what it calls, at once.</summary>
    public static readonly IReadOnlyList<string> KernelArguments = ["initcall_debug", "loglevel=8", $"{Protocol.BootMarksVariable}=1", .. s_live];

    private readonly Lock _lock = new();
    private readonly long _origin = Stopwatch.GetTimestamp();
    private readonly Dictionary<BootMoment, TimeSpan> _moments = new() { [BootMoment.Start] = TimeSpan.Zero };
    private readonly List<BootLogLine> _lines = [];

    /// <summary>Whether the kernel's console is looked at all the time.</summary>
    public bool FollowsLog => followsLog;

    /// <summary>What happened so far, since the start.</summary>
    public IReadOnlyDictionary<BootMoment, TimeSpan> Moments
    {
        get
        {
            lock (_lock)
                return new Dictionary<BootMoment, TimeSpan>(_moments);
        }
    }

    /// <summary>The console so far.</summary>
    public IReadOnlyList<BootLogLine> Lines
    {
        get
        {
            lock (_lock)
                return [.. _lines];
        }
    }

    /// <summary>The kernel that boots, once it is found.</summary>
    public GuestKernel? Kernel { get; private set; }

    /// <summary>Notes that something happens now.</summary>
    public void Mark(BootMoment moment) => Mark(moment, Stopwatch.GetTimestamp());

    /// <summary>Notes what was found out before anything was started.</summary>
    public void Planned(GuestKernel kernel, BootPlan plan)
    {
        Kernel = kernel;
        CommandLine = string.Join(' ', plan.Start.Arguments);
        Mark(BootMoment.Planned);
    }

    /// <summary>The kernel's command line, once it is known; with the places where descriptors go.</summary>
    public string CommandLine { get; private set; } = "";

    /// <summary>Notes that the guest was started, and what the supervisor says of how.</summary>
    public void Started(SupervisorTimes times)
    {
        Mark(BootMoment.Started);
        // One clock for all processes of the host: CLOCK_MONOTONIC.
        Mark(BootMoment.SupervisorRunning, (long)times.Running);
        Mark(BootMoment.SupervisorAsked, (long)times.Asked);
        Mark(BootMoment.Forked, (long)times.Forked);
        Mark(BootMoment.Executed, (long)times.Executed);
    }

    /// <summary>Notes a line of the console.</summary>
    /// <param name="timestamp">When it was read, as <see cref="Stopwatch.GetTimestamp"/> says it.</param>
    /// <param name="text">The line without time stamp.</param>
    public void Add(long timestamp, string text)
    {
        lock (_lock)
            _lines.Add(new BootLogLine(Stopwatch.GetElapsedTime(_origin, timestamp), text));
    }

    private void Mark(BootMoment moment, long timestamp)
    {
        lock (_lock)
            _moments.TryAdd(moment, Stopwatch.GetElapsedTime(_origin, timestamp));
    }
}
