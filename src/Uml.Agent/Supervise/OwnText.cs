using System.Globalization;
using static Uml.CI.Agent.Supervise.Native;

namespace Uml.CI.Agent.Supervise;

/// <summary>The pages of this program's code that are mapped.</summary>
internal static class OwnText
{
    private const int MADV_DONTNEED = 4;

    /// <summary>
    /// Gives them back: what started a guest is not what waits for its end, and each fault has mapped fifteen pages around its own
    /// (Documentation/mm/, fault-around), two thirds of a supervisor's memory. Code is never written to, so that it is only mapped
    /// again when it is needed.
    /// </summary>
    public static void GiveBack()
    {
        foreach (string line in (ReadText("/proc/self/maps") ?? "").Split('\n'))
        {
            // start-end rwxp offset device inode path (man 5 proc_pid_maps); without an inode it is no file.
            string[] parts = line.Split(' ', 6);
            if (parts.Length < 6 || parts[1] != "r-xp" || parts[4] == "0")
                continue;
            string[] range = parts[0].Split('-');
            nint start = nint.Parse(range[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture), end = nint.Parse(range[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            Syscall(SYS_madvise, start, end - start, MADV_DONTNEED, 0, 0, 0);
        }
    }
}
