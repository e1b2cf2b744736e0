using System.Runtime.CompilerServices;
using NuGet.Versioning;

namespace Uml.CI;

/// <summary>The kernels on the NuGet feeds of this user.</summary>
public static class KernelFeeds
{
    /// <summary>
    /// Asks every enabled feed for its kernels: the packages <see cref="KernelReference.DefaultPackageId"/>, and those whose ID begins
    /// with it and a dot, without the packages of symbols.
    /// </summary>
    /// <param name="settingsDirectory">The directory whose NuGet.Config holds; by default the current one.</param>
    /// <param name="progress">Told of warnings.</param>
    /// <param name="cancellationToken">Stops asking.</param>
    /// <exception cref="KernelException">There is no .NET SDK, or its settings are broken.</exception>
    public static Task<FeedListing> ListAsync(string? settingsDirectory = null, IProgress<KernelProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        SdkAssemblies.Require("Listing the feeds");
        return AskAllAsync(settingsDirectory ?? Directory.GetCurrentDirectory(), progress, cancellationToken);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<FeedListing> AskAllAsync(string directory, IProgress<KernelProgress>? progress, CancellationToken cancellationToken)
    {
        FeedSettings settings = FeedSettings.Load("The list of kernels", directory, new FeedLogger(progress));
        IReadOnlyList<PackageFeed> feeds = settings.Feeds(id: null);
        (IReadOnlyList<FeedKernel> Kernels, string? Problem)[] answers = await Task.WhenAll(feeds.Select(async feed =>
        {
            try
            {
                return (await feed.ListAsync(KernelReference.DefaultPackageId, cancellationToken), null);
            }
            catch (PackageOriginException e)
            {
                return ((IReadOnlyList<FeedKernel>)[], (string?)$"{feed.Title} gives no answer: {e.Message}");
            }
        }));

        // A feed that a package is not mapped to does not offer it, whatever lies there.
        Dictionary<string, HashSet<string>> allowed = answers.SelectMany(a => a.Kernels).Select(k => k.PackageId).Distinct(StringComparer.OrdinalIgnoreCase)
            .ToDictionary(i => i, i => settings.Feeds(i).Select(f => f.Name).ToHashSet(StringComparer.OrdinalIgnoreCase), StringComparer.OrdinalIgnoreCase);
        return new FeedListing(
            [.. answers.SelectMany(a => a.Kernels)
                .Where(k => allowed[k.PackageId].Contains(k.Feed))
                .OrderByDescending(k => NuGetVersion.Parse(k.Version)).ThenBy(k => k.PackageId, StringComparer.OrdinalIgnoreCase)],
            [.. answers.Select(a => a.Problem).OfType<string>()]);
    }
}
