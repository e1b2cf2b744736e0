using System.Globalization;
using static Uml.CI.Agent.Supervise.Native;

namespace Uml.CI.Agent.Supervise;

/// <summary>Ends every process of a guest.</summary>
internal static unsafe class ProcessTree
{
    // SIGKILL is not refused; only a process stuck in the kernel (state D) outlives it for long.
    private const int PatienceMilliseconds = 10_000;
    private const int SearchMilliseconds = 8;
    private const int BriskMilliseconds = 40;

    /// <summary>Kills and reaps all of this process's children and whatever they leave; it must be a subreaper.</summary>
    /// <param name="main">The kernel's main process, leader of its process group, or 0.</param>
    /// <param name="controlGroup">The guest's control group, if it has one.</param>
    /// <param name="onMain">Called with the main process's wait status as soon as it is known.</param>
    /// <returns>Null, or a line that says which process could not be ended.</returns>
    public static string? End(int main, string? controlGroup, Action<int>? onMain)
    {
        // The group first, and never the main process alone: kill(-pgid) walks the group under one lock, so that no stub
        // can see its tracer die before it has its own SIGKILL. A stub that does runs on as a process of the host.
        bool mainRuns = false;
        if (main > 0 && IsOurs(main, out mainRuns))
        {
            Kill(-main, SIGKILL);
            Kill(main, SIGKILL);
        }

        if (controlGroup is not null)
            ControlGroup.Kill(controlGroup);

        // What was killed takes a few milliseconds to be gone. What got loose, because the main process died of something
        // else, and left the group by setsid, must be looked for at once, and over and over: the quick list may miss some.
        long start = Environment.TickCount64;
        long nextSearch = start + SearchMilliseconds;
        string? survivor = null;
        while (true)
        {
            int status;
            int pid = WaitPid(-1, &status, WNOHANG);
            if (pid > 0)
            {
                if (pid == main)
                    onMain?.Invoke(status);
                continue;
            }

            if (pid < 0 && Error != EINTR)
                return null;

            long now = Environment.TickCount64;
            if (!mainRuns && survivor is null)
                KillListedChildren();
            if (now >= nextSearch)
            {
                survivor = KillChildren();
                nextSearch = now + SearchMilliseconds;
            }

            if (now - start > PatienceMilliseconds)
                return $"cannot end a process of the guest: {survivor ?? "/proc does not show which"}";

            MicroSleep(now - start < BriskMilliseconds ? 100u : 2000u);
        }
    }

    /// <summary>Whether a process is our child, running or waiting to be reaped, so that its number cannot mean another.</summary>
    public static bool IsOurs(int pid, out bool runs)
    {
        // siginfo_t; the process number, which is 0 if there is nothing to wait for yet, is at 16.
        const int size = 128, number = 16;
        byte* info = stackalloc byte[size];
        *(int*)(info + number) = 0;
        bool ours = WaitId(P_PID, pid, info, WEXITED | WNOHANG | WNOWAIT) == 0;
        runs = ours && *(int*)(info + number) == 0;
        return ours;
    }

    // The kernel's own list of this process's children may miss some while others end (proc_pid_task_children(5)), and not
    // every kernel has it; but to read it takes a hundredth of the time that reading about every process of the host takes.
    private static void KillListedChildren()
    {
        int tasks = Open("/proc/self/task", O_RDONLY | O_DIRECTORY);
        if (tasks < 0)
            return;
        foreach (string task in new DirectoryReader(tasks))
        {
            foreach (string child in (ReadText($"/proc/self/task/{task}/children") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                if (!int.TryParse(child, NumberStyles.None, null, out int pid))
                    continue;
                Kill(-pid, SIGKILL);
                Kill(pid, SIGKILL);
            }
        }

        Close(tasks);
    }

    private static string? KillChildren()
    {
        string? last = null;
        int self = GetPid();
        int proc = Open("/proc", O_RDONLY | O_DIRECTORY);
        if (proc < 0)
            return last;

        foreach (string name in new DirectoryReader(proc))
        {
            if (!int.TryParse(name, NumberStyles.None, null, out int pid) || ReadText($"/proc/{name}/stat") is not { } stat)
                continue;

            // pid (comm) state ppid pgrp ...; comm may contain anything, so from the last parenthesis.
            string[] fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', 5, StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length < 4 || fields[1] != self.ToString(CultureInfo.InvariantCulture) || fields[0] == "Z")
                continue;

            // Our child's number stays its own until we reap it, and so does that of the group it leads.
            Kill(-pid, SIGKILL);
            Kill(pid, SIGKILL);
            last = stat[..(stat.LastIndexOf(')') + 1)] + $" in state {fields[0]}";
        }

        Close(proc);
        return last;
    }
}
