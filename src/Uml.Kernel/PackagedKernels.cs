using System.Runtime.CompilerServices;
using NuGet.Versioning;

namespace Uml.CI;

/// <summary>Kernels in NuGet packages, from the feeds of the user's NuGet.Config.</summary>
internal sealed class PackagedKernels : IKernelProvider
{
    public Task<KernelDocument> ProvideAsync(KernelRequest request, CancellationToken cancellationToken)
    {
        SdkAssemblies.Require(request.Reference.ToString());
        return ProvideFromPackagesAsync(request, cancellationToken);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<KernelDocument> ProvideFromPackagesAsync(KernelRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return await new Search(request).ProvideAsync(cancellationToken);
        }
        catch (Exception e) when (e is TypeLoadException or MissingMemberException or FileLoadException or BadImageFormatException)
        {
            throw new KernelException($"{request.Reference} needs another version of the .NET SDK: its NuGet client lacks what this program uses ({OneLine.Of(e)}); install a newer SDK.", e) { Problem = KernelProblem.Unavailable };
        }
    }

    /// <summary>The way from one reference to its kernel.</summary>
    private sealed class Search
    {
        private readonly KernelRequest _request;
        private readonly string _id;
        private readonly PackageRange _range;
        private readonly NuGetVersion? _pinned;
        private readonly FeedLogger _logger;
        private readonly FeedSettings _settings;
        private readonly List<string> _failures = [];

        public Search(KernelRequest request)
        {
            _request = request;
            _id = request.Reference.PackageId!;
            _range = PackageRange.Parse(request.Reference.VersionRange!)
                ?? throw new KernelException($"{request.Reference} names no range of versions: write a version or the beginning of one (7.3), * for the newest, or a range such as [7.2,7.4).") { Problem = KernelProblem.InvalidReference };

            // A pin means that very version, even when there are newer ones. One from before it had a package cannot say.
            if (request.Pin?.PackageVersion is { } version && NuGetVersion.TryParse(version, out NuGetVersion? pinned))
            {
                _pinned = pinned;
                _range = PackageRange.Only(pinned);
            }

            _logger = new FeedLogger(request.Progress);
            _settings = FeedSettings.Load(request.Reference.ToString(), request.SettingsDirectory, _logger);
        }

        private string Wanted => _pinned is null ? $"{_request.Reference}" : $"{_request.Reference} (pinned to {_pinned})";

        public async Task<KernelDocument> ProvideAsync(CancellationToken cancellationToken)
        {
            KernelException? inFolder = null;
            if (_range.IsOne && _range.Exact is { } exact && !_request.Refresh)
            {
                // As NuGet does: what was named in full and is here needs no feed.
                if (Stored(exact) is { } stored)
                    return stored;
                foreach (PackageFolder folder in _settings.Folders.Where(f => f.Has(_id, exact)))
                {
                    try
                    {
                        return await TakeAsync(new PackageChoice(exact, [folder]), cancellationToken);
                    }
                    catch (KernelException e)
                    {
                        inFolder ??= e;
                        _request.Progress?.Report(new KernelProgress(e.Message, IsWarning: true));
                    }
                }
            }

            IReadOnlyList<PackageFeed> feeds = _settings.Feeds(_id);
            (PackageOrigin Origin, IReadOnlyList<OfferedVersion> Versions)[] offers = await AskAsync(feeds.Where(f => !_request.Offline || f.IsLocal), cancellationToken);
            if (PackageChoice.Of(_range, offers) is { } choice)
            {
                foreach (string failure in _failures)
                    _request.Progress?.Report(new KernelProgress($"{failure}; going on without it", IsWarning: true));
                return (_request.Refresh ? null : Stored(choice.Version)) ?? await TakeAsync(choice, cancellationToken);
            }

            // Nobody who has it can be asked: an older one that is here is better than none.
            if ((_request.Offline || _failures.Count > 0) && await LocalAsync(cancellationToken) is { } local)
                return local;
            throw inFolder ?? NotFound(feeds, offers);
        }

        private async Task<(PackageOrigin Origin, IReadOnlyList<OfferedVersion> Versions)[]> AskAsync(IEnumerable<PackageOrigin> origins, CancellationToken cancellationToken)
        {
            PackageOrigin[] asked = [.. origins];
            if (asked.OfType<PackageFeed>().Any(f => !f.IsLocal))
                _request.Progress?.Report(new KernelProgress($"looking for {_id} on {string.Join(", ", asked.OfType<PackageFeed>().Select(f => f.Name))}"));
            IReadOnlyList<OfferedVersion>?[] answers = await Task.WhenAll(asked.Select(async origin =>
            {
                try
                {
                    return await origin.VersionsAsync(_id, cancellationToken);
                }
                catch (PackageOriginException e)
                {
                    lock (_failures)
                        _failures.Add($"{origin.Title} gives no answer: {e.Message}");
                    return null;
                }
            }));
            return [.. asked.Zip(answers).Where(a => a.Second is not null).Select(a => (a.First, a.Second!))];
        }

        private async Task<KernelDocument?> LocalAsync(CancellationToken cancellationToken)
        {
            (PackageOrigin Origin, IReadOnlyList<OfferedVersion> Versions)[] offers = await AskAsync(_settings.Folders, cancellationToken);
            KernelDocument? stored = _range.Newest(StoredPackages(), k => NuGetVersion.Parse(k.PackageVersion!));
            PackageChoice? choice = PackageChoice.Of(_range, offers);
            NuGetVersion? version = stored is null ? null : NuGetVersion.Parse(stored.PackageVersion!);
            bool isStored = version is not null && (choice is null || choice.Version <= version);
            if (!isStored && choice is null)
                return null;
            string why = _request.Offline ? "the network may not be used" : string.Join("; ", _failures);
            _request.Progress?.Report(new KernelProgress(
                $"{_request.Reference}: {why}; taking {(isStored ? $"{version} from the kernel store" : $"{choice!.Version} from {choice.Origins[0].Title}")}, and there may be a newer one", IsWarning: true));
            return isStored ? stored : await TakeAsync(choice!, cancellationToken);
        }

        /// <summary>The kernel of this very package, if the store has it whole.</summary>
        private KernelDocument? Stored(NuGetVersion version) => StoredPackages().FirstOrDefault(k => NuGetVersion.Parse(k.PackageVersion!) == version);

        private IEnumerable<KernelDocument> StoredPackages() => KernelStore.Kernels(_request.StoreRoot)
            .Where(k => string.Equals(k.Document.PackageId, _id, StringComparison.OrdinalIgnoreCase)
                && NuGetVersion.TryParse(k.Document.PackageVersion, out _)
                && (_request.Pin is null || _request.Pin.Sha256 == k.Document.Sha256)
                && HostLibraries.WhyNot(k.Document.Interpreter, k.Document.Glibc is null ? null : Version.Parse(k.Document.Glibc), k.Document.Needed) is null
                && KernelStore.ProblemsOf(k.Directory).Count == 0)
            .Select(k => k.Document);

        /// <summary>Fetches the package from the first place that gives it, and takes the kernel out.</summary>
        private async Task<KernelDocument> TakeAsync(PackageChoice choice, CancellationToken cancellationToken)
        {
            string path = Path.Combine(_request.Temporary, "package.nupkg");
            List<string> failures = [];
            foreach (PackageOrigin origin in choice.Origins)
            {
                string? published;
                try
                {
                    published = await origin.FetchAsync(_id, choice.Version, path, _request.Progress, cancellationToken);
                }
                catch (PackageOriginException e)
                {
                    failures.Add($"{origin.Title} does not give it: {e.Message}");
                    continue;
                }

                try
                {
                    return await VerifyAsync(choice.Version, origin, path, published, cancellationToken);
                }
                catch (PackageContentException e)
                {
                    throw new KernelException($"{Wanted}: the package {_id} {choice.Version} from {origin.Title} is refused: {e.Message}; {origin.Remedy}.", e);
                }
            }

            throw new KernelException($"{Wanted}: the package {_id} {choice.Version} cannot be fetched: {string.Join("; ", failures)}; see to the network, and pull it again.") { Problem = KernelProblem.Unavailable };
        }

        private async Task<KernelDocument> VerifyAsync(NuGetVersion version, PackageOrigin origin, string path, string? published, CancellationToken cancellationToken)
        {
            string hash = await PackageFile.HashAsync(path, cancellationToken);
            if (published is not null && published != hash)
                throw new PackageContentException($"it is not what was published there (SHA-512 {hash[..12]} instead of {published[..Math.Min(12, published.Length)]})");
            _request.Progress?.Report(new KernelProgress($"unpacking {_id} {version}"));
            string built = _request.Built;

            // What a refused copy from elsewhere left.
            UnixFiles.DeleteTree(built);
            Directory.CreateDirectory(built);
            PackageContents.Unpack(path, built, cancellationToken);
            string content = await PackageFile.VerifyAsync(path, _id, version, origin.Location, _settings.SignaturePolicy, _request.Temporary, _logger, cancellationToken);
            if (_request.Pin?.ContentHash is { } pinned && pinned != content)
                throw new PackageContentException($"it is not the one that the lock file pins (content hash {content[..12]} instead of {pinned[..Math.Min(12, pinned.Length)]})");
            File.Delete(path);

            string executable = Path.Combine(built, "linux");
            KernelImage image;
            try
            {
                image = KernelImage.Read(executable);
            }
            catch (ElfException e)
            {
                throw new PackageContentException($"its {PackageContents.Folder}linux {e.Message}", e);
            }

            KernelDocument document = KernelStore.Document(image, executable) with
            {
                PackageId = _id,
                PackageVersion = version.ToNormalizedString(),
                ContentHash = content,
                Origin = origin.Location,
                Profiles = [.. KernelReference.ProfilesOf(_id)],
                Modules = Directory.Exists(Path.Combine(built, "modules", image.Release)),
            };
            if (_request.Pin is { } pin && pin.Sha256 != document.Sha256)
                throw new PackageContentException($"its {PackageContents.Folder}linux is not the one that the lock file pins (SHA-256 {document.Sha256[..12]} instead of {pin.Sha256[..12]})");
            if (HostLibraries.WhyNot(image.Interpreter, image.RequiredGlibc, image.Needed) is { } reason)
            {
                throw new KernelException(
                    $"{Wanted}: the kernel of {_id} {version} from {origin.Title} cannot run on this host: {reason}; ask for one that is built statically (CONFIG_STATIC_LINK=y), or use debian:SUITE, which brings its own C library.")
                { Problem = KernelProblem.Unavailable };
            }

            return document;
        }

        private KernelException NotFound(IReadOnlyList<PackageFeed> feeds, (PackageOrigin Origin, IReadOnlyList<OfferedVersion> Versions)[] offers)
        {
            if (_request.Offline)
            {
                return new KernelException(
                    $"{Wanted} is neither in the kernel store {_request.StoreRoot} nor in {string.Join(" or ", _settings.Folders.Select(f => f.Title))}, and the network may not be used: pull it first (uml kernel pull {_request.Reference}).")
                { Problem = KernelProblem.Unavailable };
            }

            if (feeds.Count == 0)
                return new KernelException($"{Wanted} cannot be fetched: {_settings.WhyNoFeed(_id)}, or use debian:sid.") { Problem = KernelProblem.NotFound };
            string failed = string.Join("; ", _failures);
            NuGetVersion[] others = [.. offers.SelectMany(o => o.Versions).Where(v => v.IsListed).Select(v => v.Version).Distinct().OrderDescending().Take(5)];
            string answered = string.Join(", ", offers.Select(o => o.Origin).OfType<PackageFeed>().Select(f => f.Name));
            string found = others.Length == 0
                ? $"there is no package {_id} on {answered}"
                : $"{_id} has no such version on {answered}, but {string.Join(", ", others.Select(v => v.ToString()))}";
            return _failures.Count == 0
                ? new KernelException($"{Wanted} cannot be found: {found}: {(others.Length == 0 ? "add the feed that has it (dotnet nuget add source)" : "ask for one of these")}, or use debian:sid.") { Problem = KernelProblem.NotFound }
                : new KernelException($"{Wanted} cannot be fetched: {failed}{(answered.Length == 0 ? "" : "; " + found)}: see to the network and to the package sources in NuGet.Config, or use a kernel that the store has.") { Problem = KernelProblem.Unavailable };
        }
    }
}
