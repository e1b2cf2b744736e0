using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Uml.CI;

/// <summary>A registry on the loopback interface, which can be made to misbehave.</summary>
internal sealed class FakeRegistry : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentBag<Task> _connections = [];
    private readonly Task _accepting;

    public FakeRegistry()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public string Host => $"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    public ConcurrentDictionary<string, byte[]> Blobs { get; } = [];

    public ConcurrentDictionary<string, (byte[] Content, string Type)> Manifests { get; } = [];

    /// <summary>"user:secret", for a password or for a token.</summary>
    public string? Credentials { get; set; }

    /// <summary>It wants a token, which it gives itself.</summary>
    public bool WantsToken { get; set; }

    /// <summary>The refresh token it takes for one.</summary>
    public string? IdentityToken { get; set; }

    public string? Realm { get; set; }

    /// <summary>How many answers have this status before the others.</summary>
    public int Failures { get; set; }

    public int FailureStatus { get; set; }

    public string FailureHeaders { get; set; } = "";

    public string FailureBody { get; set; } = "";

    /// <summary>Where blobs are instead.</summary>
    public string? RedirectTo { get; set; }

    /// <summary>How many blobs break off in the middle.</summary>
    public int Breaks { get; set; }

    public bool KnowsRanges { get; set; } = true;

    /// <summary>Answers ranges with these bytes wrong.</summary>
    public bool SpoilsRanges { get; set; }

    /// <summary>Never answers, or stops in the middle of a blob.</summary>
    public bool IsSilent { get; set; }

    public bool StopsHalfWay { get; set; }

    /// <summary>A blob stops in the middle, and goes on when this ends.</summary>
    public Task? HalfWay { get; set; }

    public string? ToldDigest { get; set; }

    public ConcurrentQueue<(string Path, string? Authorization, string? Range)> Requests { get; } = [];

    public int Downloads => Requests.Count(r => r.Path.Contains("/blobs/", StringComparison.Ordinal));

    /// <summary>Serves an image by a tag; gives its reference.</summary>
    public string Add(ImageBuilder image, string name = "team/app", string tag = "1")
    {
        foreach ((string digest, byte[] content) in image.Blobs)
            Blobs[digest] = content;
        Manifests[tag] = (image.Manifest, ImageBuilder.ManifestType);
        Manifests[image.ManifestDigest] = (image.Manifest, ImageBuilder.ManifestType);
        return $"oci:{Host}/{name}:{tag}";
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_connections);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                TcpClient client = await _listener.AcceptTcpClientAsync(_stop.Token);
                _connections.Add(Task.Run(() => ServeAsync(client)));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // It has ended.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using TcpClient own = client;
        try
        {
            await using NetworkStream stream = client.GetStream();
            using StreamReader reader = new(stream, Encoding.ASCII, leaveOpen: true);
            string? request = await reader.ReadLineAsync(_stop.Token);
            Dictionary<string, string> headers = new(StringComparer.OrdinalIgnoreCase);
            while (await reader.ReadLineAsync(_stop.Token) is { Length: > 0 } line)
                headers[line[..line.IndexOf(':', StringComparison.Ordinal)]] = line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
            if (request?.Split(' ') is not [var method, var target, _])
                return;
            string? authorization = headers.GetValueOrDefault("Authorization");
            string? range = headers.GetValueOrDefault("Range");
            Requests.Enqueue((target, authorization, range));
            if (IsSilent)
                await Task.Delay(Timeout.Infinite, _stop.Token);
            char[] form = new char[headers.TryGetValue("Content-Length", out string? length) ? int.Parse(length, CultureInfo.InvariantCulture) : 0];
            if (form.Length > 0)
                await reader.ReadBlockAsync(form, _stop.Token);

            async Task AnswerAsync(string status, byte[] body, string more = "") =>
                await stream.WriteAsync((byte[])[.. Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nContent-Length: {body.Length}\r\nConnection: close\r\n{more}\r\n"), .. body], _stop.Token);

            string? basic = Credentials is null ? null : "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(Credentials));
            if (target.StartsWith("/token", StringComparison.Ordinal))
            {
                bool isKnown = method == "POST" ? IdentityToken is not null && new string(form).Contains("refresh_token=" + IdentityToken, StringComparison.Ordinal) : basic is null || authorization == basic;
                await (isKnown ? AnswerAsync("200 OK", """{"token":"good-token"}"""u8.ToArray()) : AnswerAsync("401 Unauthorized", []));
                return;
            }

            if (Failures > 0)
            {
                Failures--;
                await AnswerAsync($"{FailureStatus} Failing", Encoding.UTF8.GetBytes(FailureBody), FailureHeaders);
                return;
            }

            if (WantsToken ? authorization != "Bearer good-token" : basic is not null && authorization != basic)
            {
                await AnswerAsync("401 Unauthorized", [], WantsToken
                    ? $"WWW-Authenticate: Bearer realm=\"{Realm ?? $"http://{Host}/token"}\",service=\"fake\",scope=\"repository:team/app:pull\"\r\n"
                    : "WWW-Authenticate: Basic realm=\"fake\"\r\n");
                return;
            }

            string last = target[(target.LastIndexOf('/') + 1)..];
            if (target.Contains("/manifests/", StringComparison.Ordinal))
            {
                if (Manifests.TryGetValue(last, out (byte[] Content, string Type) manifest))
                    await AnswerAsync("200 OK", manifest.Content, $"Content-Type: {manifest.Type}\r\n{(ToldDigest is null ? "" : $"Docker-Content-Digest: {ToldDigest}\r\n")}");
                else
                    await AnswerAsync("404 Not Found", []);
                return;
            }

            if (RedirectTo is not null)
            {
                await AnswerAsync("307 Temporary Redirect", [], $"Location: {RedirectTo}{target}\r\n");
                return;
            }

            if (!Blobs.TryGetValue(last, out byte[]? blob))
            {
                await AnswerAsync("404 Not Found", []);
                return;
            }

            int from = KnowsRanges && range is not null ? int.Parse(range["bytes=".Length..^1], CultureInfo.InvariantCulture) : 0;
            byte[] part = blob[from..];
            if (from > 0 && SpoilsRanges)
                part = [.. part.Select(b => (byte)~b)];
            string status = from > 0 ? "206 Partial Content" : "200 OK";
            string where = from > 0 ? $"Content-Range: bytes {from}-{blob.Length - 1}/{blob.Length}\r\n" : "";
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\nContent-Length: {part.Length}\r\nConnection: close\r\n{where}\r\n"), _stop.Token);
            // Documents are small; it is layers that break.
            int half = blob.Length > 1000 ? part.Length / 2 : 0;
            if (half > 0)
            {
                await stream.WriteAsync(part.AsMemory(0, half), _stop.Token);
                await stream.FlushAsync(_stop.Token);
                if (Breaks > 0)
                {
                    Breaks--;
                    return;
                }

                if (StopsHalfWay)
                    await Task.Delay(Timeout.Infinite, _stop.Token);
                if (HalfWay is not null)
                    await HalfWay.WaitAsync(_stop.Token);
            }

            await stream.WriteAsync(part.AsMemory(half), _stop.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // The client has gone, or the registry.
        }
    }
}
