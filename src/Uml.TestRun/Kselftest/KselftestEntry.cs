using System.Collections.Immutable;
using System.Globalization;

namespace Uml.CI;

/// <summary>One program of the kernel's selftests, as installed.</summary>
/// <param name="Collection">Its collection: its directory below the installed tests, such as <c>timers</c> or <c>net/forwarding</c>.</param>
/// <param name="Program">The program.</param>
/// <param name="Timeout">How long it may take; null for no limit (<c>timeout=0</c>).</param>
public sealed record KselftestEntry(string Collection, string Program, TimeSpan? Timeout)
{
    /// <summary>The limit of tests that have none of their own (tools/testing/selftests/kselftest/runner.sh).</summary>
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(45);

    /// <summary>Reads what is installed in a directory.</summary>
    /// <param name="directory">The directory (INSTALL_PATH).</param>
    /// <exception cref="ArgumentException">There are no tests in it.</exception>
    public static ImmutableArray<KselftestEntry> ReadAll(string directory)
    {
        string list = Path.Combine(directory, "kselftest-list.txt");
        if (!File.Exists(list))
            throw new ArgumentException($"the directory \"{directory}\" has no kernel selftests (kselftest-list.txt): install them with make -C tools/testing/selftests install INSTALL_PATH={directory}");

        // In the order of the kernel's own runner: by collection, within it as listed.
        return
        [
            .. File.ReadLines(list).Select(l => l.Trim().Split(':', 2)).Where(p => p.Length == 2 && p[1].Length > 0)
                .OrderBy(p => p[0], StringComparer.Ordinal)
                .Select(p => new KselftestEntry(p[0], p[1], ReadTimeout(Path.Combine(directory, p[0], "settings")))),
        ];
    }

    /// <summary><c>COLLECTION:PROGRAM</c>, as the kernel's list has it.</summary>
    public override string ToString() => $"{Collection}:{Program}";

    /// <summary>The options that a kernel's configuration, or a fragment of one, turns on: <c>CONFIG_X=y</c>, <c>=m</c> or a value.</summary>
    internal static IEnumerable<string> OptionsSet(IEnumerable<string> lines) =>
        from line in lines
        let parts = line.Trim().Split('=', 2)
        where parts.Length == 2 && parts[0].StartsWith("CONFIG_", StringComparison.Ordinal) && parts[1] is not ("n" or "")
        select parts[0];

    private static TimeSpan? ReadTimeout(string settings)
    {
        if (!File.Exists(settings))
            return DefaultTimeout;
        string value = File.ReadLines(settings).Select(l => l.Trim()).LastOrDefault(l => l.StartsWith("timeout=", StringComparison.Ordinal))?["timeout=".Length..] ?? "";

        // The value is an argument of timeout(1), which takes units, too.
        double unit = value.Length > 0 ? value[^1] switch { 'm' => 60, 'h' => 3600, 'd' => 86400, _ => 1 } : 1;
        return !double.TryParse(value.TrimEnd('s', 'm', 'h', 'd'), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number) ? DefaultTimeout : number <= 0 ? null : TimeSpan.FromSeconds(number * unit);
    }
}
