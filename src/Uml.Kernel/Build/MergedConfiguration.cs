using System.Collections.Immutable;
using System.Text;

namespace Uml.CI;

/// <summary>What all fragments together ask for: for each option the last word.</summary>
/// <param name="Lines">One line for each option, in the order in which options were first named.</param>
internal sealed record MergedConfiguration(ImmutableArray<ConfigurationLine> Lines)
{
    /// <summary>The input of Kconfig (KCONFIG_ALLCONFIG).</summary>
    public string Text => Lines.Aggregate(new StringBuilder(), (text, line) => text.Append(line.Text).Append('\n')).ToString();

    /// <summary>Merges fragments, the later over the earlier ones.</summary>
    /// <param name="fragments">The fragments.</param>
    /// <param name="settings">Single options that come after all of them.</param>
    /// <param name="version">The kernel's version: lines for others are left out.</param>
    public static MergedConfiguration Merge(IEnumerable<ConfigurationFragment> fragments, IEnumerable<ConfigurationLine> settings, Version version)
    {
        List<string> order = [];
        Dictionary<string, ConfigurationLine> last = new(StringComparer.Ordinal);
        foreach (ConfigurationLine line in fragments.SelectMany(f => f.Lines).Concat(settings).Where(l => l.Versions.Contains(version)))
        {
            if (!last.ContainsKey(line.Option))
                order.Add(line.Option);
            last[line.Option] = line;
        }

        return new MergedConfiguration([.. order.Select(o => last[o])]);
    }

    /// <summary>What is asked of an option, or null.</summary>
    public string? this[string option] => Lines.FirstOrDefault(l => l.Option == option)?.Value;

    /// <summary>Whether an option is asked to be built in or a module.</summary>
    public bool Asks(string option) => this[option] is "y" or "m";

    /// <summary>The fragments of some profiles, <c>base</c> first.</summary>
    /// <param name="profiles">Their names.</param>
    /// <param name="version">The kernel's version, or null while that is not known.</param>
    /// <exception cref="KernelException">A profile does not exist, is not for this version, or does not go with another.</exception>
    public static ImmutableArray<ConfigurationFragment> FragmentsOf(IReadOnlyList<string> profiles, Version? version)
    {
        string[] names = [KernelProfile.Base, .. profiles.Where(p => p != KernelProfile.Base).Distinct(StringComparer.Ordinal)];
        ImmutableArray<ConfigurationFragment> fragments = [.. names.Select(n => KernelProfile.Find(n).Fragment)];
        foreach (ConfigurationFragment fragment in fragments)
        {
            if (version is not null && !fragment.Versions.Contains(version))
                throw new KernelException($"The kernel profile '{fragment.Name}' is for {fragment.Versions}, and this one is {version.Major}.{version.Minor}: leave it out, or build another version.");
            if (fragment.NotWith.FirstOrDefault(names.Contains) is { } other)
                throw new KernelException($"The kernel profiles '{fragment.Name}' and '{other}' cannot be combined: build a kernel with each.");
        }

        return fragments;
    }
}
