using System.Text;

namespace Uml.CI.Agent.Init;

/// <summary>What processes are doing and where in the kernel they wait, for the report on a command that did not end.</summary>
internal static class ProcessReport
{
    private const int Longest = 48 * 1024;

    /// <summary>Reports the processes of <paramref name="sessions"/>, or all of user space.</summary>
    public static string Write(IReadOnlyList<int> sessions, bool all)
    {
        var report = new StringBuilder();
        string[] directories;
        try
        {
            directories = Directory.GetDirectories("/proc");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"cannot read /proc: {e.Message}\n";
        }

        foreach (string directory in directories)
        {
            if (int.TryParse(directory["/proc/".Length..], out int pid) && report.Length < Longest)
                Append(report, pid, sessions, all);
        }

        return report.ToString();
    }

    private static void Append(StringBuilder report, int pid, IReadOnlyList<int> sessions, bool all)
    {
        // pid (comm) state ppid pgrp session ...; comm may hold anything, so count from its last parenthesis.
        string? stat = Linux.ReadText($"/proc/{pid}/stat");
        if (stat is null || stat.LastIndexOf(')') is var close && close < 0)
            return;
        string[] fields = stat[(close + 2)..].Split(' ');
        if (fields.Length < 4 || !int.TryParse(fields[3], out int session))
            return;
        string command = (Linux.ReadText($"/proc/{pid}/cmdline") ?? "").TrimEnd('\0').Replace('\0', ' ');
        // Kernel threads have no command line.
        if (all ? command.Length == 0 : !sessions.Contains(session))
            return;

        report.Append($"  process {pid} \"{(command.Length > 200 ? command[..200] + "..." : command)}\" {State(fields[0])}");
        string wait = Linux.ReadText($"/proc/{pid}/wchan") ?? "";
        if (wait is not ("" or "0"))
            report.Append($" in {wait}");
        report.Append('\n');
        foreach (string line in (Linux.ReadText($"/proc/{pid}/stack") ?? "").Split('\n'))
        {
            if (line.Length > 0)
                report.Append("    ").Append(line).Append('\n');
        }
    }

    private static string State(string letter) => letter switch
    {
        "R" => "running",
        "S" => "sleeping",
        "D" => "in uninterruptible sleep",
        "T" or "t" => "stopped",
        "Z" => "a zombie",
        _ => "in state " + letter,
    };
}
