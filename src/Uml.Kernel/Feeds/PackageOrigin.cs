using NuGet.Versioning;

namespace Uml.CI;

/// <summary>A version of a package somewhere.</summary>
/// <param name="Version">The version.</param>
/// <param name="IsListed">It is offered to people who do not ask for that very version.</param>
internal sealed record OfferedVersion(NuGetVersion Version, bool IsListed);

/// <summary>A place that packages come from.</summary>
internal abstract class PackageOrigin
{
    /// <summary>What to call it in a message: <c>the feed NAME (LOCATION)</c>.</summary>
    public abstract string Title { get; }

    /// <summary>What to do about a broken package there, as the end of a sentence.</summary>
    public abstract string Remedy { get; }

    /// <summary>NuGet's name of it, or where it is.</summary>
    public abstract string Location { get; }

    /// <summary>The versions it has of a package.</summary>
    /// <exception cref="PackageOriginException">It cannot say.</exception>
    public abstract Task<IReadOnlyList<OfferedVersion>> VersionsAsync(string id, CancellationToken cancellationToken);

    /// <summary>Writes the package to a file.</summary>
    /// <returns>SHA-512 of the file as the place has it, in base64; null where it does not say.</returns>
    /// <exception cref="PackageOriginException">It cannot be had.</exception>
    public abstract Task<string?> FetchAsync(string id, NuGetVersion version, string path, IProgress<KernelProgress>? progress, CancellationToken cancellationToken);
}

/// <summary>A place cannot give what it was asked for; the message completes "NAME: ...".</summary>
internal sealed class PackageOriginException(string message, Exception? innerException = null) : Exception(message, innerException);
