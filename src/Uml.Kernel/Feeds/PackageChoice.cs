using NuGet.Versioning;

namespace Uml.CI;

/// <summary>The version that was chosen, and the places that have it in the order in which they are asked for it.</summary>
internal sealed record PackageChoice(NuGetVersion Version, IReadOnlyList<PackageOrigin> Origins)
{
    /// <summary>The newest of a range over all places; null if none has one.</summary>
    public static PackageChoice? Of(PackageRange range, IEnumerable<(PackageOrigin Origin, IReadOnlyList<OfferedVersion> Versions)> offers)
    {
        (PackageOrigin Origin, OfferedVersion Offered)[] all = [.. offers.SelectMany(o => o.Versions.Select(v => (o.Origin, v)))];
        NuGetVersion? version = range.Newest(all.Where(o => o.Offered.IsListed).Select(o => o.Offered.Version), v => v)
            ?? all.Select(o => o.Offered.Version).FirstOrDefault(v => range.Exact is { } exact && v == exact);
        return version is null ? null : new PackageChoice(version, [.. all.Where(o => o.Offered.Version == version).Select(o => o.Origin).Distinct()]);
    }
}
