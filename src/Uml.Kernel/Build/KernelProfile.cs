using System.Collections.Immutable;
using System.Reflection;

namespace Uml.CI;

/// <summary>A named configuration for kernels that are built here: what <c>#NAME</c> in a <see cref="KernelReference"/> means.</summary>
public sealed class KernelProfile
{
    /// <summary>The one that all others build on.</summary>
    public const string Base = "base";

    private const string Folder = "kernels/";

    private static readonly Lazy<ImmutableArray<KernelProfile>> s_all = new(() => [.. Files(".config").Select(f => new KernelProfile(ConfigurationFragment.Parse(f.Name, f.Text)))]);

    private static readonly Lazy<ImmutableArray<KernelPatch>> s_patches = new(() => [.. Files(".patch").Select(f => KernelPatch.Parse(f.Name, f.Text))]);

    private KernelProfile(ConfigurationFragment fragment) => Fragment = fragment;

    /// <summary>All there are, in the order of their names.</summary>
    public static IReadOnlyList<KernelProfile> All => s_all.Value;

    /// <summary>Its name.</summary>
    public string Name => Fragment.Name;

    /// <summary>What it is for, in a few words.</summary>
    public string Summary => Fragment.Summary;

    /// <summary>The configuration fragment.</summary>
    public string Text => Fragment.Text;

    /// <summary>The patches that come with the profiles.</summary>
    internal static ImmutableArray<KernelPatch> Patches => s_patches.Value;

    internal ConfigurationFragment Fragment { get; }

    /// <summary>Finds one by its name.</summary>
    /// <exception cref="KernelException">There is none of that name.</exception>
    public static KernelProfile Find(string name) =>
        All.FirstOrDefault(p => p.Name == name)
        ?? throw new KernelException($"There is no kernel profile '{name}': there are {string.Join(", ", All.Select(p => p.Name))}; a fragment of your own is given with --config FILE.") { Problem = KernelProblem.InvalidReference };

    private static IEnumerable<(string Name, string Text)> Files(string ending)
    {
        Assembly assembly = typeof(KernelProfile).Assembly;
        foreach (string name in assembly.GetManifestResourceNames().Where(n => n.StartsWith(Folder, StringComparison.Ordinal) && n.EndsWith(ending, StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            using StreamReader reader = new(assembly.GetManifestResourceStream(name)!);
            yield return (name[Folder.Length..], reader.ReadToEnd());
        }
    }
}
