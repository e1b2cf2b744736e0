using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>Waits until the system of a guest with an init of its own is up.</summary>
internal static class SystemBoot
{
    private const int MostFailedUnits = 10;

    // Says which init is up, or nothing when it is not there yet. Runs again and again until then, so it forks little.
    // sysvinit is in its runlevel before the scripts of that runlevel have run (/etc/init.d/rc runs them).
    private const string Question = """
        if [ -d /run/systemd/system ]; then systemctl is-system-running --wait 2>/dev/null
        elif case $(readlink -f "$1") in */systemd) true;; *) false;; esac; then :
        elif [ -e /run/openrc ]; then [ ! -e /run/openrc/rc.starting ] && [ -e /run/openrc/softlevel ] && echo running
        elif [ -x /sbin/runlevel ]; then case $(/sbin/runlevel) in [NS0-9]" "[1-5]) for c in /proc/[0-9]*/comm; do read -r n < $c && case $n in rc|startpar) exit;; esac; done 2>/dev/null; echo running;; esac
        else echo unknown; fi
        """;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(25);

    /// <summary>Waits, and says how the system came up.</summary>
    /// <exception cref="GuestTimeoutException">It did not come up in time.</exception>
    public static async Task<SystemState> WaitAsync(Guest guest, InitSystem init, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(timeout);
        try
        {
            while (true)
            {
                string state;
                try
                {
                    state = (await AskAsync(guest, ["/bin/sh", "-c", Question, "sh", init.Candidates[0]], deadline.Token)).Trim();
                }
                catch (ExecException)
                {
                    // A root without a shell: nothing in it can be asked.
                    return new SystemState("unknown", []);
                }

                // systemctl(1): the words for a system that is still on its way; "offline" is said before systemd answers at all.
                if (state is not ("" or "initializing" or "starting" or "offline" or "unknown") || state == "unknown" && !await HasSystemdAsync(guest, deadline.Token))
                    return new SystemState(state, state is "running" or "unknown" ? [] : await FailedUnitsAsync(guest, deadline.Token));
                await Task.Delay(Interval, deadline.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw await guest.TimeoutAsync($"The guest's system did not come up within {GuestProcess.Format(timeout)}", await JobsAsync(guest));
        }
    }

    /// <summary>The end of a unit's journal, or nothing.</summary>
    public static async Task<string> JournalAsync(Guest guest, string unit, CancellationToken cancellationToken) =>
        (await TryAskAsync(guest, ["journalctl", "--boot", "--no-pager", "--quiet", "--lines=30", "--output=short-monotonic", $"--unit={unit}"], cancellationToken)).Trim();

    /// <summary>Properties of a unit (systemctl(1), show).</summary>
    public static async Task<Dictionary<string, string>> ShowAsync(Guest guest, string unit, CancellationToken cancellationToken, params string[] properties)
    {
        string text = await TryAskAsync(guest, ["systemctl", "show", $"--property={string.Join(',', properties)}", "--", unit], cancellationToken);
        return text.Split('\n').Select(l => l.Split('=', 2)).Where(p => p.Length == 2).ToDictionary(p => p[0], p => p[1], StringComparer.Ordinal);
    }

    private static async Task<ImmutableArray<FailedUnit>> FailedUnitsAsync(Guest guest, CancellationToken cancellationToken)
    {
        var units = ImmutableArray.CreateBuilder<FailedUnit>();
        string list = await TryAskAsync(guest, ["systemctl", "list-units", "--failed", "--plain", "--no-legend", "--full", "--no-pager"], cancellationToken);
        foreach (string line in list.Split('\n', StringSplitOptions.RemoveEmptyEntries).Take(MostFailedUnits))
        {
            string name = line.Split(' ', 2)[0];
            Dictionary<string, string> properties = await ShowAsync(guest, name, cancellationToken, "Result");
            units.Add(new FailedUnit(name, properties.GetValueOrDefault("Result", "failed"), await JournalAsync(guest, name, cancellationToken)));
        }

        return units.ToImmutable();
    }

    private static async Task<bool> HasSystemdAsync(Guest guest, CancellationToken cancellationToken) =>
        (await TryAskAsync(guest, ["/bin/sh", "-c", "test -d /run/systemd/system && echo yes"], cancellationToken)).Length > 0;

    private static async Task<string> JobsAsync(Guest guest)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        try
        {
            return await TryAskAsync(guest, ["/bin/sh", "-c", "systemctl --no-pager list-jobs; systemctl --no-pager --failed --plain --no-legend list-units"], patience.Token);
        }
        catch (OperationCanceledException)
        {
            return "";
        }
    }

    private static async Task<string> TryAskAsync(Guest guest, string[] command, CancellationToken cancellationToken)
    {
        try
        {
            return await AskAsync(guest, command, cancellationToken);
        }
        catch (ExecException)
        {
            return "";
        }
    }

    // Whatever deadline the guest's commands have, these are not among them.
    private static async Task<string> AskAsync(Guest guest, string[] command, CancellationToken cancellationToken) =>
        (await guest.ExecAsync(new ExecOptions(command) { WorkingDirectory = "/", Timeout = Timeout.InfiniteTimeSpan, Environment = ImmutableSortedDictionary<string, string>.Empty.Add("LC_ALL", "C") }, cancellationToken)).StandardOutput;
}
