using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using NuGet.Common;
using NuGet.Configuration;
using NuGet.Packaging.Core;
using NuGet.Protocol;
using NuGet.Protocol.Core.Types;
using NuGet.Versioning;

namespace Uml.CI;

/// <summary>One of the user's package sources: a folder, or a server of NuGet's protocols.</summary>
internal sealed class PackageFeed(PackageSource source, ILogger logger) : PackageOrigin
{
    // Between them the server may have come back.
    private const int Attempts = 3;

    private readonly SourceRepository _repository = Repository.Factory.GetCoreV3(source);

    /// <summary>Its name in the settings.</summary>
    public string Name => source.Name;

    /// <summary>It is a folder, which can be asked without a network.</summary>
    public bool IsLocal => source.IsLocal;

    public override string Title => Location == Name ? $"the feed {Location}" : $"the feed {Name} ({Location})";

    public override string Remedy => "pack it again, put a whole copy on the feed, or ask for another version";

    /// <summary>The address without what may be secret in it.</summary>
    public override string Location => source.IsHttp && Uri.TryCreate(source.Source, UriKind.Absolute, out Uri? uri)
        ? uri.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped)
        : source.Source;

    public override Task<IReadOnlyList<OfferedVersion>> VersionsAsync(string id, CancellationToken cancellationToken) => AskAsync<IReadOnlyList<OfferedVersion>>(
        async cache =>
        {
            FindPackageByIdResource packages = await NeedAsync<FindPackageByIdResource>(cancellationToken);
            NuGetVersion[] versions = [.. await packages.GetAllVersionsAsync(id, cache, logger, cancellationToken)];
            if (versions.Length == 0 || IsLocal)
                return [.. versions.Select(v => new OfferedVersion(v, IsListed: true))];

            // Which of them are listed is in another place, and not all feeds have that.
            HashSet<NuGetVersion>? listed = await ListedAsync(id, cache, cancellationToken);
            return [.. versions.Select(v => new OfferedVersion(v, listed?.Contains(v) ?? true))];
        },
        cancellationToken);

    public override Task<string?> FetchAsync(string id, NuGetVersion version, string path, IProgress<KernelProgress>? progress, CancellationToken cancellationToken) => AskAsync(
        async cache =>
        {
            string stage = $"downloading {id} {version} from {Name}";
            progress?.Report(new KernelProgress(stage));
            if (await _repository.GetResourceAsync<RepositorySignatureResource>(cancellationToken) is { } signatures)
                signatures.UpdateRepositorySignatureInfo();
            PublishedFile published = IsLocal ? new PublishedFile(null, null) : await PublishedAsync(id, version, cancellationToken);
            for (int attempt = 1; ; attempt++)
            {
                try
                {
                    await using FileStream file = new(path, FileMode.Create, FileAccess.ReadWrite);
                    await using var counting = new CountingStream(file, (done, total) => progress?.Report(new KernelProgress(stage, done, total ?? published.Size)));
                    if (!await CopyAsync(id, version, counting, cache, cancellationToken))
                        throw new PackageOriginException($"it has no {id} {version} any more");
                    if (counting.Expected is { } expected && expected != counting.Length)
                        throw new IOException($"the connection ended after {counting.Length} of {expected} bytes");
                    return IsLocal ? HashBeside(id, version) : published.Sha512;
                }
                catch (Exception e) when (attempt < Attempts && !IsLocal && !cancellationToken.IsCancellationRequested && IsInterruption(e))
                {
                    progress?.Report(new KernelProgress($"{Title} was interrupted ({Reason(e)}): beginning again", IsWarning: true));
                    await Task.Delay(TimeSpan.FromMilliseconds(500 * attempt), cancellationToken);
                }
            }
        },
        cancellationToken);

    /// <summary>The packages whose ID is the prefix or begins with it and a dot, each in all listed versions.</summary>
    public Task<IReadOnlyList<FeedKernel>> ListAsync(string prefix, CancellationToken cancellationToken) => AskAsync<IReadOnlyList<FeedKernel>>(
        async cache =>
        {
            // One that is down says so once, and not for each of the things that are asked of it.
            if (!IsLocal)
                await _repository.GetResourceAsync<ServiceIndexResourceV3>(cancellationToken);
            List<FeedKernel> found = [];
            foreach (string id in await IdsAsync(prefix, cancellationToken))
            {
                if (IsLocal)
                    found.AddRange(await LocalAsync(id, cancellationToken));
                else
                    found.AddRange(await RemoteAsync(id, cache, cancellationToken));
            }

            return found;
        },
        cancellationToken);

    private static bool IsInterruption(Exception e) => e is IOException or HttpRequestException or TimeoutException or FatalProtocolException or TaskCanceledException;

    /// <summary>What is wrong with a feed, in its own words, without a stop at the end.</summary>
    private static string Reason(Exception e)
    {
        Exception reason = e;
        while (reason.InnerException is { } inner and not SocketException)
            reason = inner;
        string text = OneLine.Of(reason).TrimEnd('.');
        return reason is HttpRequestException { StatusCode: HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden }
            ? $"{text}: give NuGet credentials for it (dotnet nuget update source, or a credential provider)"
            : text;
    }

    /// <summary>Asks the feed; whatever goes wrong there becomes its reason.</summary>
    private async Task<T> AskAsync<T>(Func<SourceCacheContext, Task<T>> ask, CancellationToken cancellationToken)
    {
        if (source is { IsHttp: true, IsHttps: false, AllowInsecureConnections: false })
            throw new PackageOriginException("NuGet refuses plain http: use https, or write allowInsecureConnections=\"true\" at the source in NuGet.Config");
        try
        {
            // What was pushed a moment ago is wanted, and the store is the cache.
            using SourceCacheContext cache = new() { NoCache = true, DirectDownload = true, RefreshMemoryCache = true };

            // Not all that NuGet's client waits for can be cancelled.
            return await ask(cache).WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception e) when (e is not (PackageOriginException or TypeLoadException or MissingMemberException))
        {
            // A server may answer anything, and NuGet's client stumbles over it in as many ways.
            throw new PackageOriginException(Reason(e), e);
        }
    }

    private async Task<T> NeedAsync<T>(CancellationToken cancellationToken)
        where T : class, INuGetResource => await _repository.GetResourceAsync<T>(cancellationToken)
            ?? throw new PackageOriginException($"it is no feed with all that is needed (NuGet's client finds no {typeof(T).Name})");

    private async Task<HashSet<NuGetVersion>?> ListedAsync(string id, SourceCacheContext cache, CancellationToken cancellationToken)
    {
        try
        {
            return await _repository.GetResourceAsync<PackageMetadataResource>(cancellationToken) is { } resource
                ? [.. (await resource.GetMetadataAsync(id, includePrerelease: true, includeUnlisted: false, cache, logger, cancellationToken)).Select(m => m.Identity.Version)]
                : null;
        }
        catch (Exception e) when (e is FatalProtocolException or HttpRequestException or JsonException)
        {
            return null;
        }
    }

    private async Task<bool> CopyAsync(string id, NuGetVersion version, CountingStream target, SourceCacheContext cache, CancellationToken cancellationToken)
    {
        Uri? container = IsLocal ? null : (await _repository.GetResourceAsync<ServiceIndexResourceV3>(cancellationToken))?.GetServiceEntryUri(ServiceTypes.PackageBaseAddress);
        if (container is null)
        {
            FindPackageByIdResource packages = await NeedAsync<FindPackageByIdResource>(cancellationToken);
            return await packages.CopyNupkgToStreamAsync(id, version, target, cache, logger, cancellationToken);
        }

        // NuGet's client says how far it is only to itself.
        string lowerId = id.ToLowerInvariant();
        string lowerVersion = version.ToNormalizedString().ToLowerInvariant();
        var address = new Uri($"{container.AbsoluteUri.TrimEnd('/')}/{lowerId}/{lowerVersion}/{lowerId}.{lowerVersion}.nupkg");
        HttpSource http = (await NeedAsync<HttpSourceResource>(cancellationToken)).HttpSource;
        return await http.ProcessResponseAsync(
            new HttpSourceRequest(address, logger) { IgnoreNotFounds = true },
            async response =>
            {
                if (response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.NoContent)
                    return false;
                response.EnsureSuccessStatusCode();
                target.Expected = response.Content.Headers.ContentLength;
                await using Stream body = await response.Content.ReadAsStreamAsync(cancellationToken);
                await body.CopyToAsync(target, cancellationToken);
                return true;
            },
            cache,
            logger,
            cancellationToken);
    }

    /// <summary>What the feed publishes about the file: nothing, on most. The protocol has it in the catalog, where there is one.</summary>
    private async Task<PublishedFile> PublishedAsync(string id, NuGetVersion version, CancellationToken cancellationToken)
    {
        try
        {
            if (await _repository.GetResourceAsync<RegistrationResourceV3>(cancellationToken) is not { } registration)
                return new PublishedFile(null, null);
            HttpSource http = (await NeedAsync<HttpSourceResource>(cancellationToken)).HttpSource;
            string? address = registration.GetUri(new PackageIdentity(id, version)).AbsoluteUri;
            for (int depth = 0; address is not null && depth < 2; depth++)
            {
                using JsonDocument? document = await http.ProcessStreamAsync(
                    new HttpSourceRequest(address, logger) { IgnoreNotFounds = true },
                    async stream => stream is null ? null : await JsonDocument.ParseAsync(stream, default, cancellationToken),
                    logger,
                    cancellationToken);
                if (document?.RootElement is not { ValueKind: JsonValueKind.Object } root)
                    break;
                JsonElement entry = root.TryGetProperty("catalogEntry", out JsonElement inner) ? inner : root;
                if (entry.ValueKind == JsonValueKind.Object && Text(entry, "packageHash") is { } hash)
                {
                    return new PublishedFile(
                        string.Equals(Text(entry, "packageHashAlgorithm") ?? "SHA512", "SHA512", StringComparison.OrdinalIgnoreCase) ? hash : null,
                        entry.TryGetProperty("packageSize", out JsonElement size) && size.TryGetInt64(out long bytes) ? bytes : null);
                }

                address = entry.ValueKind == JsonValueKind.String ? entry.GetString() : null;
            }
        }
        catch (Exception e) when (e is FatalProtocolException or HttpRequestException or JsonException or UriFormatException or InvalidOperationException)
        {
            // It publishes nothing that can be read; the package has hashes of its own.
        }

        return new PublishedFile(null, null);

        static string? Text(JsonElement element, string name) =>
            element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
    }

    /// <summary>The hash that a folder of NuGet's hierarchical form has beside the package.</summary>
    private string? HashBeside(string id, NuGetVersion version)
    {
        string file = new NuGet.Packaging.VersionFolderPathResolver(LocalPath).GetHashPath(id, version);
        return File.Exists(file) ? File.ReadAllText(file).Trim() : null;
    }

    private string LocalPath => source.TrySourceAsUri is { IsFile: true } uri ? uri.LocalPath : source.Source;

    private async Task<IReadOnlyList<string>> IdsAsync(string prefix, CancellationToken cancellationToken)
    {
        HashSet<string> ids = new(StringComparer.OrdinalIgnoreCase) { prefix };
        if (IsLocal)
        {
            FindLocalPackagesResource local = await NeedAsync<FindLocalPackagesResource>(cancellationToken);
            ids.UnionWith(local.GetPackages(logger, cancellationToken).Select(p => p.Identity.Id));
        }
        else
        {
            ids.UnionWith(await CompletionsAsync(prefix, cancellationToken) ?? await SearchAsync(prefix, cancellationToken) ?? []);
        }

        return [.. ids
            .Where(i => i.Equals(prefix, StringComparison.OrdinalIgnoreCase)
                || (i.StartsWith(prefix + ".", StringComparison.OrdinalIgnoreCase) && !i.EndsWith(KernelPackageWriter.SymbolsSuffix, StringComparison.OrdinalIgnoreCase)))
            .Order(StringComparer.OrdinalIgnoreCase)];
    }

    /// <summary>The IDs that begin with the prefix; null on a feed that completes none.</summary>
    private async Task<IEnumerable<string>?> CompletionsAsync(string prefix, CancellationToken cancellationToken)
    {
        try
        {
            return await _repository.GetResourceAsync<AutoCompleteResource>(cancellationToken) is { } resource
                ? await resource.IdStartsWith(prefix, includePrerelease: true, logger, cancellationToken)
                : null;
        }
        catch (FatalProtocolException)
        {
            return null;
        }
    }

    /// <summary>The IDs that a search for the prefix finds; null on a feed without one.</summary>
    private async Task<IEnumerable<string>?> SearchAsync(string prefix, CancellationToken cancellationToken)
    {
        const int Most = 100;
        try
        {
            return await _repository.GetResourceAsync<PackageSearchResource>(cancellationToken) is { } resource
                ? [.. (await resource.SearchAsync(prefix, new SearchFilter(includePrerelease: true), 0, Most, logger, cancellationToken)).Select(m => m.Identity.Id)]
                : null;
        }
        catch (FatalProtocolException)
        {
            return null;
        }
    }

    private async Task<IEnumerable<FeedKernel>> LocalAsync(string id, CancellationToken cancellationToken)
    {
        FindLocalPackagesResource local = await NeedAsync<FindLocalPackagesResource>(cancellationToken);
        return [.. local.FindPackagesById(id, logger, cancellationToken).Select(p => new FeedKernel
        {
            PackageId = p.Identity.Id,
            Version = p.Identity.Version.ToNormalizedString(),
            Feed = Name,
            Location = Location,
            Size = new FileInfo(p.Path) is { Exists: true } file ? file.Length : null,
            Description = p.Nuspec.GetDescription(),
            Tags = Split(p.Nuspec.GetTags()),
            Published = new DateTimeOffset(p.LastWriteTimeUtc),
        })];
    }

    private async Task<IEnumerable<FeedKernel>> RemoteAsync(string id, SourceCacheContext cache, CancellationToken cancellationToken)
    {
        PackageMetadataResource metadata = await NeedAsync<PackageMetadataResource>(cancellationToken);
        return [.. (await metadata.GetMetadataAsync(id, includePrerelease: true, includeUnlisted: false, cache, logger, cancellationToken)).Select(m => new FeedKernel
        {
            PackageId = m.Identity.Id,
            Version = m.Identity.Version.ToNormalizedString(),
            Feed = Name,
            Location = Location,
            Description = m.Description,
            Tags = Split(m.Tags),
            Published = m.Published,
        })];
    }

    private static string[] Split(string? tags) => tags?.Split([' ', ',', ';'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];

    /// <param name="Sha512">Its hash in base64.</param>
    /// <param name="Size">Its bytes.</param>
    private sealed record PublishedFile(string? Sha512, long? Size);
}
