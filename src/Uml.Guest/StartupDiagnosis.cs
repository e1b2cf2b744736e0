namespace Uml.CI;

/// <summary>Reads what a kernel said before it gave up on this host, and says what to do about it.</summary>
/// <remarks>The texts are those of arch/um/os-Linux/start_up.c and mem.c, from 6.1 to 7.3.</remarks>
internal static class StartupDiagnosis
{
    /// <summary>One line for the user, or null if the log holds no complaint about the host.</summary>
    /// <param name="log">The whole log; UML's own messages have no time stamp.</param>
    /// <param name="supportsSeccomp">Whether this kernel could do without ptrace.</param>
    public static string? Explain(IEnumerable<KernelLogLine> log, bool supportsSeccomp)
    {
        bool noSeccomp = false;
        foreach (KernelLogLine line in log.Where(l => l.KernelTime is null))
        {
            noSeccomp |= line.Text.StartsWith("Checking that seccomp filters can be installed...error", StringComparison.Ordinal);
            if (line.Text.StartsWith("SECCOMP userspace requested but not functional", StringComparison.Ordinal))
                return "This host does not let a guest's kernel install seccomp filters: allow the system calls seccomp and close_range, or do without more than one CPU and seccomp=on.";
            if (line.Text.Contains("check_ptrace", StringComparison.Ordinal) || line.Text.Contains("ptrace: Operation not permitted", StringComparison.Ordinal))
                return Ptrace(noSeccomp, supportsSeccomp);
            if (line.Text.Contains("must be not mounted noexec", StringComparison.Ordinal))
                return "The directory of the guest's memory is mounted noexec: name another in UML_TMPDIR.";
        }

        return null;
    }

    private static string Ptrace(bool noSeccomp, bool supportsSeccomp)
    {
        const string Remedy = "allow the system call ptrace (in a container: its seccomp profile or --cap-add SYS_PTRACE; "
            + "on a host: /proc/sys/kernel/yama/ptrace_scope at most 1)";
        if (noSeccomp)
            return $"This host denies both ptrace and seccomp filters, and a guest needs one of them: {Remedy}, or allow the system call seccomp.";
        return supportsSeccomp
            ? $"This host denies ptrace: {Remedy}, or let the guest use its seccomp mode."
            : $"This host denies ptrace, and this kernel is older than 6.16 and has no other way: {Remedy}, or use a newer kernel such as debian:sid.";
    }
}
