using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Uml.CI;

/// <summary>A NuGet feed (protocol version 3) on the loopback interface, which can be made to misbehave. Also a proxy to itself.</summary>
internal sealed class TestFeed : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<string, Entry> _entries = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentBag<Task> _connections = [];
    private readonly string _name = Guid.NewGuid().ToString("N");
    private readonly Task _accepting;

    public TestFeed()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    // NuGet's client remembers an index for a while, and ports come back.
    public string Address => $"http://127.0.0.1:{Port}/{_name}/v3/index.json";

    /// <summary>User and password that it asks for: "user:secret".</summary>
    public string? Credentials { get; set; }

    /// <summary>It has a service that completes IDs; otherwise only the search.</summary>
    public bool Completes { get; set; } = true;

    /// <summary>It publishes hashes of its packages, as a catalog has them.</summary>
    public bool PublishesHashes { get; set; }

    /// <summary>The hash it publishes instead of the true one.</summary>
    public string? PublishedHash { get; set; }

    /// <summary>How many downloads break off in the middle.</summary>
    public int BrokenDownloads { get; set; }

    /// <summary>A download stops after its first half, and goes on when this ends.</summary>
    public Task? HalfWay { get; set; }

    /// <summary>Answers everything with this status.</summary>
    public int? Fails { get; set; }

    /// <summary>The request lines it got.</summary>
    public ConcurrentQueue<string> Requests { get; } = [];

    public int Downloads => Requests.Count(r => r.EndsWith(".nupkg", StringComparison.Ordinal));

    public TestFeed Add(TestPackage package, bool listed = true) => Add(package.Id, package.Version, package.Build(), listed);

    public TestFeed Add(string id, string version, byte[] content, bool listed = true)
    {
        _entries[$"{id}/{version}"] = new Entry(id, version, content, listed);
        return this;
    }

    /// <summary>The settings that know this feed only.</summary>
    public string Config(string more = "", string name = "loopback") => ConfigOf($"""<add key="{name}" value="{Address}" allowInsecureConnections="true" />""", more);

    /// <summary>Settings with these sources, of which nothing is the user's.</summary>
    public static string ConfigOf(string sources, string more = "") => $"""
        <?xml version="1.0" encoding="utf-8"?>
        <configuration>
          <packageSources><clear />{sources}</packageSources>
          <disabledPackageSources><clear /></disabledPackageSources>
          <fallbackPackageFolders><clear /></fallbackPackageFolders>
          <config><add key="globalPackagesFolder" value="global" /></config>
          {(more.Contains("<packageSourceMapping>", StringComparison.Ordinal) ? "" : "<packageSourceMapping><clear /></packageSourceMapping>")}
          {more}
        </configuration>
        """;

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
            using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
            string? request = await reader.ReadLineAsync(_stop.Token);
            Dictionary<string, string> headers = new(StringComparer.OrdinalIgnoreCase);
            while (await reader.ReadLineAsync(_stop.Token) is { Length: > 0 } line)
                headers[line[..line.IndexOf(':', StringComparison.Ordinal)]] = line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
            if (request?.Split(' ') is not ["GET", var target, _])
                return;
            // Whole to a proxy.
            Requests.Enqueue(target);
            Uri address = Uri.TryCreate(target, UriKind.Absolute, out Uri? whole) && whole.Scheme == "http" ? whole : new Uri($"http://{headers["Host"]}{target}");
            bool isAllowed = Credentials is null || headers.GetValueOrDefault("Authorization") == "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes(Credentials));
            byte[]? body = !isAllowed || Fails is not null ? null : Answer(address);
            string status = !isAllowed ? "401 Unauthorized" : Fails is { } failure ? $"{failure} Broken" : body is null ? "404 Not Found" : "200 OK";
            await stream.WriteAsync(Encoding.ASCII.GetBytes(
                $"HTTP/1.1 {status}\r\nContent-Length: {body?.Length ?? 0}\r\nConnection: close\r\n{(isAllowed ? "" : "WWW-Authenticate: Basic realm=\"feed\"\r\n")}\r\n"), _stop.Token);
            if (body is null)
                return;
            int half = 0;
            if (target.EndsWith(".nupkg", StringComparison.Ordinal) && (BrokenDownloads > 0 || HalfWay is not null))
            {
                half = body.Length / 2;
                await stream.WriteAsync(body.AsMemory(0, half), _stop.Token);
                await stream.FlushAsync(_stop.Token);
                if (BrokenDownloads > 0)
                {
                    BrokenDownloads--;
                    return;
                }

                await HalfWay!.WaitAsync(_stop.Token);
            }

            await stream.WriteAsync(body.AsMemory(half), _stop.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // The client has gone, or the feed.
        }
    }

    private byte[]? Answer(Uri address)
    {
        string root = address.GetLeftPart(UriPartial.Authority);
        string query = Uri.UnescapeDataString(address.Query.TrimStart('?').Split('&').FirstOrDefault(q => q.StartsWith("q=", StringComparison.Ordinal)) ?? "q=")[2..];
        string[] parts = address.AbsolutePath.Split('/', StringSplitOptions.RemoveEmptyEntries);
        ILookup<string, Entry> byId = _entries.Values.ToLookup(e => e.Id, StringComparer.OrdinalIgnoreCase);
        IEnumerable<IGrouping<string, Entry>> found = byId.Where(g => g.Key.StartsWith(query, StringComparison.OrdinalIgnoreCase) && g.Any(e => e.Listed));
        switch (parts)
        {
            case [.., "v3", "index.json"]:
                List<object> resources =
                [
                    Resource($"{root}/flat/", "PackageBaseAddress/3.0.0"),
                    Resource($"{root}/registration/", "RegistrationsBaseUrl/3.6.0"),
                    Resource($"{root}/search", "SearchQueryService/3.0.0-beta"),
                ];
                if (Completes)
                    resources.Add(Resource($"{root}/complete", "SearchAutocompleteService/3.0.0-beta"));
                return Json(new Dictionary<string, object> { ["version"] = "3.0.0", ["resources"] = resources });
            case ["flat", var id, "index.json"]:
                return byId.Contains(id) ? Json(new { versions = byId[id].Select(e => e.Version) }) : null;
            case ["flat", var id, var version, _]:
                return _entries.GetValueOrDefault($"{id}/{version}")?.Content;
            case ["registration", var id, "index.json"]:
                return byId.Contains(id) ? Json(Registration(root, [.. byId[id]])) : null;
            case ["registration", var id, var file]:
                return _entries.GetValueOrDefault($"{id}/{Path.GetFileNameWithoutExtension(file)}") is { } leaf ? Json(Leaf(root, leaf)) : null;
            case ["catalog", var id, var file] when PublishesHashes && _entries.GetValueOrDefault($"{id}/{Path.GetFileNameWithoutExtension(file)}") is { } entry:
                return Json(new { packageHash = PublishedHash ?? Convert.ToBase64String(SHA512.HashData(entry.Content)), packageHashAlgorithm = "SHA512", packageSize = entry.Content.Length });
            case ["complete"]:
                return Json(new { totalHits = found.Count(), data = found.Select(g => g.Key) });
            case ["search"]:
                return Json(new
                {
                    totalHits = found.Count(),
                    data = found.Select(g => new { id = g.Key, version = g.First().Version, versions = g.Select(e => new { version = e.Version, downloads = 1 }) }),
                });
            default:
                return null;
        }
    }

    private static Dictionary<string, object> Resource(string address, string type) => new() { ["@id"] = address, ["@type"] = type };

    private static Dictionary<string, object> Registration(string root, Entry[] entries) => new()
    {
        ["@id"] = $"{root}/registration/{entries[0].Id.ToLowerInvariant()}/index.json",
        ["count"] = 1,
        ["items"] = new[]
        {
            new Dictionary<string, object>
            {
                ["@id"] = $"{root}/registration/{entries[0].Id.ToLowerInvariant()}/index.json#page",
                ["count"] = entries.Length,
                ["lower"] = entries[0].Version,
                ["upper"] = entries[^1].Version,
                ["items"] = entries.Select(e => new Dictionary<string, object>
                {
                    ["@id"] = $"{root}/registration/{e.Id.ToLowerInvariant()}/{e.Version}.json",
                    ["packageContent"] = Content(root, e),
                    ["catalogEntry"] = new Dictionary<string, object>
                    {
                        ["@id"] = $"{root}/catalog/{e.Id.ToLowerInvariant()}/{e.Version}.json",
                        ["id"] = e.Id,
                        ["version"] = e.Version,
                        ["listed"] = e.Listed,
                        ["authors"] = "Tests",
                        ["description"] = "A kernel for tests",
                        ["tags"] = new[] { "linux", "kernel" },
                        ["published"] = new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc).ToString("O", CultureInfo.InvariantCulture),
                    },
                }).ToArray(),
            },
        },
    };

    private static Dictionary<string, object> Leaf(string root, Entry e) => new()
    {
        ["@id"] = $"{root}/registration/{e.Id.ToLowerInvariant()}/{e.Version}.json",
        ["catalogEntry"] = $"{root}/catalog/{e.Id.ToLowerInvariant()}/{e.Version}.json",
        ["packageContent"] = Content(root, e),
        ["listed"] = e.Listed,
    };

    private static string Content(string root, Entry e) =>
        $"{root}/flat/{e.Id.ToLowerInvariant()}/{e.Version}/{e.Id.ToLowerInvariant()}.{e.Version}.nupkg";

    private static byte[] Json(object value) => JsonSerializer.SerializeToUtf8Bytes(value);

    private sealed record Entry(string Id, string Version, byte[] Content, bool Listed);
}
