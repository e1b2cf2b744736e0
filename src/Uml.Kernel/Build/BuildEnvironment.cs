using System.Collections;
using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>The environment of the programs that build: nothing of the user's finds its way into a kernel through it.</summary>
internal static class BuildEnvironment
{
    private static readonly string[] s_kept =
    [
        "PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME",

        // Whether and where ccache keeps things is the user's choice, and makes no difference to what comes out.
        "CCACHE_DIR", "CCACHE_DISABLE", "CCACHE_CONFIGPATH", "CCACHE_MAXSIZE", "CCACHE_REMOTE_STORAGE", "CCACHE_READONLY",
    ];

    /// <summary>What to change in this process's environment (null removes).</summary>
    /// <param name="variable">Reads a variable of the user's.</param>
    public static ImmutableDictionary<string, string?> Create(Func<string, string?> variable)
    {
        ImmutableDictionary<string, string?>.Builder changes = ImmutableDictionary.CreateBuilder<string, string?>(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in Environment.GetEnvironmentVariables())
            changes[(string)entry.Key] = null;
        foreach (string name in s_kept)
            changes[name] = variable(name) is { Length: > 0 } value ? value : null;
        changes["LC_ALL"] = "C";
        changes["TZ"] = "UTC";
        return changes.ToImmutable();
    }
}
