using System.Globalization;
using System.Text.RegularExpressions;

namespace Uml.CI;

/// <summary>The version of a kernel's source, as the first lines of its Makefile have it.</summary>
/// <param name="Major">VERSION.</param>
/// <param name="Minor">PATCHLEVEL.</param>
/// <param name="Patch">SUBLEVEL.</param>
/// <param name="Extra">EXTRAVERSION: <c>-rc7</c>, or nothing.</param>
internal sealed partial record KernelSourceVersion(int Major, int Minor, int Patch, string Extra)
{
    /// <summary>The first two numbers, which say what the kernel can.</summary>
    public Version Version => new(Major, Minor);

    /// <summary>Reads the top Makefile of a tree; null when it is none of Linux.</summary>
    public static KernelSourceVersion? Read(string tree)
    {
        string makefile = Path.Combine(tree, "Makefile");
        if (!File.Exists(makefile) || !File.Exists(Path.Combine(tree, "Kconfig")))
            return null;
        Dictionary<string, string> values = [];
        foreach (string line in File.ReadLines(makefile).Take(100))
        {
            if (Assignment().Match(line) is { Success: true } match)
                values.TryAdd(match.Groups["name"].Value, match.Groups["value"].Value.Trim());
        }

        return Number("VERSION") is { } major && Number("PATCHLEVEL") is { } minor
            ? new KernelSourceVersion(major, minor, Number("SUBLEVEL") ?? 0, values.GetValueOrDefault("EXTRAVERSION", ""))
            : null;

        int? Number(string name) => int.TryParse(values.GetValueOrDefault(name), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
    }

    /// <summary>The version as packages have it: <c>7.3.4</c>, <c>7.3.0-rc7</c>.</summary>
    public override string ToString()
    {
        string extra = NotInVersions().Replace(Extra, "-").Trim('-', '.');
        return $"{Major}.{Minor}.{Patch}{(extra.Length == 0 ? "" : "-" + extra)}";
    }

    [GeneratedRegex(@"^(?<name>VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)\s*=(?<value>.*)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex Assignment();

    [GeneratedRegex("[^0-9A-Za-z.]+", RegexOptions.CultureInvariant)]
    private static partial Regex NotInVersions();
}
