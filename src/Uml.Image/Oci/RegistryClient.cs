using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Uml.CI;

/// <summary>
/// Speaks to a registry: OCI's distribution protocol, the part that reads. Knows tokens and passwords, follows redirects
/// (without credentials, when they lead elsewhere), and asks again when the registry is busy.
/// </summary>
internal sealed class RegistryClient : IDisposable
{
    private const int MaxRedirects = 8;
    private const int MaxAttempts = 4;
    private const int MaxAnswer = 1 << 20;

    private readonly Uri _registry;
    private readonly string _repository;
    private readonly OciOptions _options;
    private readonly RegistryCredentials _credentials;
    private readonly HttpClient _http;
    private readonly SemaphoreSlim _authorizing = new(1, 1);
    private AuthenticationHeaderValue? _authorization;
    private string? _origin;

    public RegistryClient(Uri registry, string repository, OciOptions options)
    {
        _registry = registry;
        _repository = repository;
        _options = options;
        _credentials = new RegistryCredentials(options.Host);
        _http = new HttpClient(new SocketsHttpHandler
        {
            // Followed here, to know where credentials go.
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = options.Timeouts.Connect,
            UseCookies = false,
            // A proxy has a loopback of its own.
            UseProxy = !OciReference.IsLoopback(registry),
            MaxResponseHeadersLength = 64,
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        _http.DefaultRequestHeaders.UserAgent.ParseAdd("uml");
    }

    private string Name => _registry.Authority;

    /// <summary>Asks for something of the image: "manifests/latest", "blobs/sha256:...".</summary>
    /// <param name="path">What, below the image's address.</param>
    /// <param name="what">For messages: "the manifest".</param>
    /// <param name="from">The first byte wanted.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="OciFaultException">There is no answer with content.</exception>
    public async Task<HttpResponseMessage> GetAsync(string path, string what, long from, CancellationToken cancellationToken)
    {
        bool hasAuthorized = false;
        for (int attempt = 1; ; attempt++)
        {
            AuthenticationHeaderValue? used = _authorization;
            (HttpResponseMessage response, bool isElsewhere) = await FollowAsync(path, what, from, used, cancellationToken);
            if (response.IsSuccessStatusCode)
                return response;
            using HttpResponseMessage refusal = response;
            if (response.StatusCode == HttpStatusCode.Unauthorized && !isElsewhere && !hasAuthorized && RegistryChallenge.From(response.Headers) is { } challenge)
            {
                hasAuthorized = true;
                attempt--;
                await AuthorizeAsync(challenge, used, cancellationToken);
                continue;
            }

            bool isPassing = response.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.InternalServerError
                or HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout;
            if (!isPassing || attempt == MaxAttempts)
                throw await RefusedAsync(response, what, attempt, cancellationToken);
            await WaitAsync(response, attempt, cancellationToken);
        }
    }

    /// <summary>Reads a whole answer, of no more than so many bytes.</summary>
    public async Task<byte[]> ReadAsync(HttpResponseMessage response, string what, long limit, CancellationToken cancellationToken)
    {
        string tooLarge = $"{what} is larger than {OciFaultException.Size(limit)}";
        if (response.Content.Headers.ContentLength > limit)
            throw new OciFaultException(tooLarge);
        using MemoryStream content = new();
        byte[] buffer = new byte[64 << 10];
        try
        {
            await using Stream body = await response.Content.ReadAsStreamAsync(cancellationToken);
            while (await ReadAsync(body, buffer, cancellationToken) is var got and > 0)
            {
                content.Write(buffer, 0, got);
                if (content.Length > limit)
                    throw new OciFaultException(tooLarge);
            }
        }
        catch (IOException e)
        {
            throw new OciFaultException($"the connection to {Name} broke off in the middle of {what} ({OneLine.Of(e).TrimEnd('.')}); try again", KernelProblem.Unavailable, e);
        }

        return content.ToArray();
    }

    /// <summary>Reads the next piece of an answer.</summary>
    /// <exception cref="IOException">The connection broke off, or nothing came for long.</exception>
    public async Task<int> ReadAsync(Stream body, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        using CancellationTokenSource silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        silence.CancelAfter(_options.Timeouts.Silence);
        try
        {
            return await body.ReadAsync(buffer, silence.Token);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new IOException($"nothing came for {_options.Timeouts.Silence.TotalSeconds:0.#} s", e);
        }
    }

    public void Dispose()
    {
        _http.Dispose();
        _authorizing.Dispose();
    }

    private async Task<(HttpResponseMessage Response, bool IsElsewhere)> FollowAsync(
        string path, string what, long from, AuthenticationHeaderValue? authorization, CancellationToken cancellationToken)
    {
        Uri address = new(_registry, $"v2/{_repository}/{path}");
        for (int redirects = 0; ; redirects++)
        {
            bool isElsewhere = address.Authority != _registry.Authority || address.Scheme != _registry.Scheme;
            HttpRequestMessage request = new(HttpMethod.Get, address);
            if (path.StartsWith("manifests/", StringComparison.Ordinal))
                request.Headers.TryAddWithoutValidation("Accept", OciMediaTypes.Accepted);
            if (from > 0)
                request.Headers.Range = new RangeHeaderValue(from, null);
            if (!isElsewhere)
                request.Headers.Authorization = authorization;
            HttpResponseMessage response = await SendAsync(request, cancellationToken);
            if ((int)response.StatusCode is not (301 or 302 or 303 or 307 or 308))
                return (response, isElsewhere);
            using HttpResponseMessage redirect = response;
            if (response.Headers.Location is not { } location || !Uri.TryCreate(address, location, out Uri? next) || next.Scheme is not ("http" or "https"))
                throw new OciFaultException($"{Name} redirects {what} to nowhere", KernelProblem.Unavailable);
            if (address.Scheme == "https" && next.Scheme == "http")
                throw new OciFaultException($"{Name} redirects {what} from https to http ({next.Authority}), which is not followed", KernelProblem.Unavailable);
            if (redirects == MaxRedirects)
                throw new OciFaultException($"{Name} redirects {what} more than {MaxRedirects} times", KernelProblem.Unavailable);
            address = next;
        }
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        string host = request.RequestUri!.Authority;
        using HttpRequestMessage sent = request;
        using CancellationTokenSource silence = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        silence.CancelAfter(_options.Timeouts.Answer);
        try
        {
            return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, silence.Token);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested && !silence.IsCancellationRequested)
        {
            throw new OciFaultException($"{host} cannot be reached over {request.RequestUri.Scheme} within {_options.Timeouts.Connect.TotalSeconds:0.#} s; see to its name, its port and the network", KernelProblem.Unavailable, e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new OciFaultException($"{host} gives no answer within {_options.Timeouts.Answer.TotalSeconds:0.#} s; see to the network, or try again later", KernelProblem.Unavailable, e);
        }
        catch (HttpRequestException e)
        {
            string reason = OneLine.Of(e.InnerException ?? e).TrimEnd('.');
            string remedy = e.HttpRequestError switch
            {
                HttpRequestError.SecureConnectionError => "see to its certificate; a registry without one is named with oci:http://",
                HttpRequestError.NameResolutionError => "see to its name and the network",
                _ => "see to its name, its port and the network",
            };
            throw new OciFaultException($"{host} cannot be reached over {request.RequestUri.Scheme} ({reason}); {remedy}", KernelProblem.Unavailable, e);
        }
    }

    private async Task WaitAsync(HttpResponseMessage response, int attempt, CancellationToken cancellationToken)
    {
        OciTimeouts timeouts = _options.Timeouts;
        TimeSpan wait = timeouts.Retry * (1 << (attempt - 1));
        RetryConditionHeaderValue? after = response.Headers.RetryAfter;
        if ((after?.Delta ?? (after?.Date - DateTimeOffset.UtcNow)) is { } asked && asked > wait)
            wait = asked < timeouts.MaxRetryAfter ? asked : timeouts.MaxRetryAfter;
        _options.Progress?.Report(new KernelProgress($"{Name} is busy ({(int)response.StatusCode}); asking again in {wait.TotalSeconds:0.#} s"));
        await Task.Delay(wait, cancellationToken);
    }

    // ---- Authorization: https://distribution.github.io/distribution/spec/auth/token/ ----
    private async Task AuthorizeAsync(RegistryChallenge challenge, AuthenticationHeaderValue? used, CancellationToken cancellationToken)
    {
        await _authorizing.WaitAsync(cancellationToken);
        try
        {
            // Another download has just done it.
            if (_authorization is not null && !Equals(_authorization, used))
                return;
            RegistryCredential? credential = await _credentials.FindAsync(_registry, _repository, cancellationToken);
            _origin = credential?.Origin;
            if (challenge.IsBearer)
            {
                _authorization = new AuthenticationHeaderValue("Bearer", await GetTokenAsync(challenge, credential, cancellationToken));
                return;
            }

            if (credential is null or { User: "" })
                throw WithoutCredentials();
            _authorization = Basic(credential);
        }
        finally
        {
            _authorizing.Release();
        }
    }

    private async Task<string> GetTokenAsync(RegistryChallenge challenge, RegistryCredential? credential, CancellationToken cancellationToken)
    {
        // Over http only where the registry is: a password does not go over the wire because somebody asks for it.
        if (!Uri.TryCreate(challenge.Realm, UriKind.Absolute, out Uri? realm) || realm.Scheme is not ("http" or "https") || (realm.Scheme == "http" && _registry.Scheme == "https"))
            throw new OciFaultException($"{Name} wants a token of {OciFaultException.Quote(challenge.Realm)}, which is no safe address", KernelProblem.Unavailable);
        string scope = challenge.Scope.Length > 0 ? challenge.Scope : $"repository:{_repository}:pull";
        HttpRequestMessage request;
        if (credential?.IdentityToken is { } identity)
        {
            request = new HttpRequestMessage(HttpMethod.Post, realm)
            {
                Content = new FormUrlEncodedContent(new Dictionary<string, string>
                {
                    ["grant_type"] = "refresh_token",
                    ["service"] = challenge.Service,
                    ["client_id"] = "uml",
                    ["scope"] = scope,
                    ["refresh_token"] = identity,
                }),
            };
        }
        else
        {
            string query = $"service={Uri.EscapeDataString(challenge.Service)}&scope={Uri.EscapeDataString(scope)}";
            request = new HttpRequestMessage(HttpMethod.Get, new UriBuilder(realm) { Query = realm.Query.Length > 1 ? realm.Query[1..] + "&" + query : query }.Uri);
            if (credential is not null)
                request.Headers.Authorization = Basic(credential);
        }

        using HttpResponseMessage response = await SendAsync(request, cancellationToken);
        if (response.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.BadRequest && credential is not null)
            throw Refused();
        if (response.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
            throw WithoutCredentials();
        if (!response.IsSuccessStatusCode)
            throw await RefusedAsync(response, "a token", 1, cancellationToken);
        JsonElement answer = OciJson.Parse(await ReadAsync(response, "the token", MaxAnswer, cancellationToken), "the token");
        string token = OciJson.Text(answer, "token", "the token") ?? OciJson.Text(answer, "access_token", "the token") ?? "";
        return token.Length > 0 && !token.AsSpan().ContainsAnyExceptInRange('!', '~')
            ? token
            : throw new OciFaultException($"{realm.Authority} answers without a token", KernelProblem.Unavailable);
    }

    private static AuthenticationHeaderValue Basic(RegistryCredential credential) =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{credential.User}:{credential.Secret}")));

    private OciFaultException WithoutCredentials() =>
        new($"{Name} wants credentials for it, or has no such image; log in (docker login {Name}, podman login {Name}), or see to {_credentials.DefaultFile}", KernelProblem.Unavailable);

    private OciFaultException Refused() =>
        new($"{Name} refuses the credentials in {_origin}; log in anew, or see whether they allow {_repository}", KernelProblem.Unavailable);

    private async Task<OciFaultException> RefusedAsync(HttpResponseMessage response, string what, int attempts, CancellationToken cancellationToken)
    {
        int status = (int)response.StatusCode;
        switch (response.StatusCode)
        {
            case HttpStatusCode.Unauthorized when _origin is null:
                return WithoutCredentials();
            case HttpStatusCode.Unauthorized:
                return Refused();
            case HttpStatusCode.NotFound:
                return new OciFaultException($"{Name} does not have {what}; see to the image's name and tag", KernelProblem.NotFound);
        }

        string words = await WordsAsync(response, cancellationToken);
        return response.StatusCode switch
        {
            HttpStatusCode.Forbidden => new OciFaultException($"{Name} forbids {what} (403{words}); see whether {_origin ?? "somebody without credentials"} may read {_repository}", KernelProblem.Unavailable),
            HttpStatusCode.TooManyRequests => new OciFaultException($"{Name} has had too many requests (429{words}), asked {attempts} times; try again later, or log in", KernelProblem.Unavailable),
            _ => new OciFaultException($"{Name} answers {status} for {what}{(attempts > 1 ? $", asked {attempts} times" : "")}{words}; try again later", KernelProblem.Unavailable),
        };
    }

    /// <summary>What a registry says about an error, as ": 'words'".</summary>
    private async Task<string> WordsAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        try
        {
            JsonElement answer = OciJson.Parse(await ReadAsync(response, "the error", 64 << 10, cancellationToken), "the error");
            return OciJson.Array(answer, "errors", "the error") is [var first, ..] && OciJson.Text(first, "message", "the error") is { Length: > 0 } words
                ? ": " + OciFaultException.Quote(words)
                : "";
        }
        catch (OciFaultException)
        {
            // Proxies answer with pages of their own.
            return "";
        }
    }
}
