namespace Uml.CI;

/// <summary>
/// A place where whoever runs this is root, with mounts of their own, and that is gone with all that runs in it when its first
/// process is: namespaces of users (unless this is root already), mounts and processes.
/// </summary>
internal static class UserNamespaces
{
    public const string Package = "uidmap";

    /// <summary>The words before a command that run it there.</summary>
    public static string[] Prefix(string unshare) =>
        Native.UserId == 0
            ? [unshare, "--mount", "--pid", "--fork", "--kill-child=KILL", "--"]
            : [unshare, "--user", "--map-root-user", "--map-auto", "--mount", "--pid", "--fork", "--kill-child=KILL", "--"];

    /// <summary>The words before a command that make its user look like root, and no more; none where that is so or cannot be had.</summary>
    public static async Task<string[]> RootPrefixAsync(HostTools host, CancellationToken cancellationToken)
    {
        if (Native.UserId == 0 || HostPrograms.Find(host, "unshare") is not { } unshare)
            return [];
        string[] words = [unshare, "--user", "--map-root-user", "--"];
        ExternalResult result = await new ExternalProgram(words[0]) { Arguments = [.. words[1..], "true"], ThrowsOnFailure = false }.RunAsync(cancellationToken);
        return result.ExitCode == 0 ? words : [];
    }

    /// <summary>What keeps an ordinary user from having one, and what to do about it; null when nothing does.</summary>
    public static async Task<string?> ProblemAsync(HostTools host, CancellationToken cancellationToken)
    {
        if (HostPrograms.Find(host, "unshare") is not { } unshare)
            return "the program unshare is not installed; install the package 'util-linux'";
        if (Native.UserId != 0)
        {
            if (HostPrograms.Find(host, "newuidmap") is null)
                return $"the program newuidmap is not installed; install the package '{Package}'";
            string name = Environment.UserName;
            if (!HasRange("/etc/subuid", name) || !HasRange("/etc/subgid", name))
                return $"the user {name} has no range of subordinate users; give it one (usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name})";
        }

        string[] words = [.. Prefix(unshare), "true"];
        ExternalResult result = await new ExternalProgram(words[0]) { Arguments = [.. words[1..]], ThrowsOnFailure = false, EndsWithParent = true }.RunAsync(cancellationToken);
        if (result.ExitCode == 0)
            return null;
        string said = result.StandardError.Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault() ?? $"status {result.ExitCode}";
        return said.Contains("map-auto", StringComparison.Ordinal)
            ? "the program unshare is too old; util-linux 2.38 or later is needed"
            : $"this host gives {(Native.UserId == 0 ? "root" : "ordinary users")} no namespaces ({said}); allow them (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0, user.max_user_namespaces), or run it as root";
    }

    private static bool HasRange(string file, string name)
    {
        try
        {
            return File.ReadLines(file).Any(l => l.Split(':') is [var who, _, _] && (who == name || who == Native.UserId.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
