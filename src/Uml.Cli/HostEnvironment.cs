using System.Collections;
using System.Collections.Immutable;

namespace Uml.CI.Cli;

/// <summary>What of the caller's environment a command in the guest gets when it runs on the host's own file system.</summary>
internal static class HostEnvironment
{
    private static readonly string[] AdministratorPath = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

    // They point at sockets and sessions of the host, which the guest cannot reach; programs would wait for them or complain.
    private static readonly HashSet<string> Sessions = new(StringComparer.Ordinal)
    {
        "DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET", "XAUTHORITY", "ICEAUTHORITY", "SESSION_MANAGER", "DESKTOP_STARTUP_ID",
        "SSH_AUTH_SOCK", "SSH_AGENT_PID", "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "GPG_AGENT_INFO", "GPG_TTY",
        "TMUX", "TMUX_PANE", "STY", "WINDOW", "WINDOWID", "INVOCATION_ID", "JOURNAL_STREAM", "NOTIFY_SOCKET", "MAINPID", "MANAGERPID",
        "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY",
        "DOCKER_HOST", "CONTAINER_HOST", "container", "PULSE_SERVER", "PIPEWIRE_REMOTE", "AT_SPI_BUS_ADDRESS", "MAKEFLAGS", "MFLAGS",
    };

    private static readonly string[] SessionPrefixes = ["DBUS_", "XDG_RUNTIME_", "XDG_SESSION_", "XDG_SEAT", "XDG_VTNR", "SUDO_", "PKEXEC_", "SYSTEMD_EXEC_"];

    // The command is root in the guest, or --user: the agent says who that is.
    private static readonly HashSet<string> Identity = new(StringComparer.Ordinal) { "USER", "LOGNAME", "USERNAME", "MAIL", "OLDPWD", "PWD", "SHLVL", "_" };

    /// <summary>The variables that are passed on.</summary>
    /// <param name="caller">The caller's environment.</param>
    /// <param name="otherUser">The command runs as a user of its own, whose home directory the agent looks up.</param>
    public static ImmutableSortedDictionary<string, string> Select(IDictionary caller, bool otherUser)
    {
        ImmutableSortedDictionary<string, string>.Builder chosen = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in caller)
        {
            string name = (string)entry.Key;
            string value = (string?)entry.Value ?? "";
            if (name.Length == 0 || Sessions.Contains(name) || Identity.Contains(name) || SessionPrefixes.Any(p => name.StartsWith(p, StringComparison.Ordinal)))
                continue;
            if (otherUser && name is "HOME" || name is "TMPDIR" or "TMP" or "TEMP" && IsHidden(value))
                continue;
            chosen[name] = name == "PATH" ? WithAdministratorPath(value) : value;
        }

        return chosen.ToImmutable();
    }

    /// <summary>The shell of an interactive session.</summary>
    public static string Shell(bool hostRoot) =>
        hostRoot && Environment.GetEnvironmentVariable("SHELL") is ['/', ..] shell && File.Exists(shell) ? shell : "/bin/sh";

    // The guest is root's, who finds insmod and its like without a path; an ordinary user's PATH lacks their directories.
    private static string WithAdministratorPath(string path)
    {
        string[] present = path.Split(':');
        return string.Join(':', [.. present, .. AdministratorPath.Where(d => !present.Contains(d, StringComparer.Ordinal) && Directory.Exists(d))]);
    }

    // The guest has a /run and /dev of its own.
    private static bool IsHidden(string directory) =>
        directory.StartsWith("/run/", StringComparison.Ordinal) || directory.StartsWith("/dev/", StringComparison.Ordinal);
}
