using System.Globalization;
using NuGet.Versioning;

namespace Uml.CI;

/// <summary>The versions that a <see cref="KernelReference.VersionRange"/> means, and which of several is meant.</summary>
internal sealed class PackageRange
{
    private readonly int[] _prefix;
    private readonly NuGetVersion? _exact;
    private readonly VersionRange? _range;

    private PackageRange(int[] prefix, NuGetVersion? exact, VersionRange? range)
    {
        _prefix = prefix;
        _exact = exact;
        _range = range;
    }

    /// <summary>The version that is meant even where it is unlisted, or null: the text names one in full.</summary>
    public NuGetVersion? Exact => _exact;

    /// <summary>There is but one version that it includes.</summary>
    public bool IsOne => _exact is not null && _range is not null;

    /// <summary>One very version.</summary>
    public static PackageRange Only(NuGetVersion version) =>
        new([], version, new VersionRange(version, includeMinVersion: true, version, includeMaxVersion: true));

    /// <summary>Reads a range; null when it is none.</summary>
    public static PackageRange? Parse(string text)
    {
        if (text == "*")
            return new PackageRange([], null, null);
        if (text[0] is '[' or '(')
        {
            if (!VersionRange.TryParse(text, out VersionRange? range))
                return null;
            bool isOne = range is { HasLowerAndUpperBounds: true, IsMinInclusive: true, IsMaxInclusive: true } && range.MinVersion == range.MaxVersion;
            return new PackageRange([], isOne ? range.MinVersion : null, range);
        }

        if (text.Contains('-', StringComparison.Ordinal))
            return NuGetVersion.TryParse(text, out NuGetVersion? version) ? Only(version) : null;
        string[] parts = text.Split('.');
        int[] prefix = [.. parts.Select(p => int.Parse(p, CultureInfo.InvariantCulture))];
        return new PackageRange(prefix, prefix.Length >= 3 ? NuGetVersion.Parse(text) : null, null);
    }

    /// <summary>Whether a version is one of those, stable or not.</summary>
    public bool Includes(NuGetVersion version)
    {
        if (_range is not null)
            return _range.Satisfies(version);
        int[] parts = [version.Major, version.Minor, version.Patch, version.Revision];
        return parts.AsSpan().StartsWith(_prefix);
    }

    /// <summary>
    /// The one that is meant: the newest, and a prerelease only where there is no other or the range itself names one. Null if none is.
    /// </summary>
    public T? Newest<T>(IEnumerable<T> candidates, Func<T, NuGetVersion> versionOf)
        where T : class
    {
        bool takesPrerelease = _exact?.IsPrerelease == true || _range?.MinVersion?.IsPrerelease == true || _range?.MaxVersion?.IsPrerelease == true;
        return candidates
            .Where(c => Includes(versionOf(c)))
            .OrderBy(c => !takesPrerelease && versionOf(c).IsPrerelease)
            .ThenByDescending(versionOf, VersionComparer.VersionRelease)
            .FirstOrDefault();
    }
}
