using System.Formats.Tar;
using System.Text;
using Xunit;

namespace Uml.CI;

public sealed class OciRegistryTests : ImageTest
{
    private static ImageBuilder App(int seed = 1)
    {
        byte[] noise = new byte[50_000];
        new Random(seed).NextBytes(noise);
        return new ImageBuilder().Layer(new LayerBuilder().File("noise", Encoding.Latin1.GetString(noise))).Layer(new LayerBuilder().File("small", "1")).Build();
    }

    [Fact]
    public async Task An_image_is_pulled_by_tag_and_by_digest_and_its_layers_once()
    {
        await using FakeRegistry registry = new();
        ImageBuilder image = App();
        string reference = registry.Add(image);
        Assert.Equal(["", "noise", "small"], (await MergeAsync(reference)).Keys);
        Assert.Equal(3, registry.Downloads);
        Assert.Equal(["", "noise", "small"], (await MergeAsync($"oci:{registry.Host}/team/app@{image.ManifestDigest}")).Keys);
        Assert.Equal(4, registry.Downloads);
        Assert.Equal(2, Kept().Length);

        // What was damaged in the store is fetched anew.
        string kept = Path.Combine(Store, "oci", "blobs", "sha256", image.LayerDigests[0][7..]);
        byte[] content = await File.ReadAllBytesAsync(kept, Token);
        content[100] ^= 1;
        await File.WriteAllBytesAsync(kept, content, Token);
        Assert.Equal(["", "noise", "small"], (await MergeAsync(reference)).Keys);
        Assert.Equal(6, registry.Downloads);

        Assert.Equal(image.DiffIds.Count, image.LayerDigests.Count);
        await MergeAsync(reference, Options() with { CacheBytes = 1 });
        Assert.Empty(Kept());
    }

    [Fact]
    public async Task Two_pulls_at_once_are_one_download()
    {
        await using FakeRegistry registry = new();
        TaskCompletionSource both = new();
        registry.HalfWay = both.Task;
        string reference = registry.Add(App());
        Task<Dictionary<string, TarEntry>> first = MergeAsync(reference);
        Task<Dictionary<string, TarEntry>> second = MergeAsync(reference, Options() with { Progress = new Hook(p => { if (p.Stage.StartsWith("waiting for another", StringComparison.Ordinal)) both.TrySetResult(); }) });
        Task<Dictionary<string, TarEntry>> third = MergeAsync(reference, Options() with { Progress = new Hook(p => { if (p.Stage.StartsWith("waiting for another", StringComparison.Ordinal)) both.TrySetResult(); }) });
        Assert.Equal(["", "noise", "small"], (await first).Keys);
        Assert.Equal(["", "noise", "small"], (await second).Keys);
        Assert.Equal(["", "noise", "small"], (await third).Keys);

        // Three configurations, two layers.
        Assert.Equal(5, registry.Downloads);
    }

    [Fact]
    public async Task A_malformed_image_leaves_nothing_but_what_others_have()
    {
        await using FakeRegistry registry = new();
        string reference = registry.Add(new ImageBuilder().Layer(new LayerBuilder().File("../evil", "")).Build());
        await RefusedAsync(reference, "leads out of the root");
        ImageBuilder good = App();
        await MergeAsync(registry.Add(good, tag: "good"));
        string[] kept = Kept();
        Assert.Equal(2, kept.Length);

        byte[] noise = good.Blobs[good.LayerDigests[0]];
        using MemoryStream tar = new();
        using (System.IO.Compression.GZipStream gzip = new(new MemoryStream(noise), System.IO.Compression.CompressionMode.Decompress))
            await gzip.CopyToAsync(tar, Token);
        string bad = registry.Add(new ImageBuilder().Layer(noise, tar.ToArray()).Layer(new LayerBuilder().HardLink("l", "/etc/passwd")).Build(), tag: "bad");
        KernelException refusal = await Assert.ThrowsAsync<KernelException>(() => TarAsync(bad));
        Assert.Contains("its hard link 'l' leads out of the root", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(kept.Order(), Kept().Order());
    }

    [Fact]
    public async Task What_a_registry_sends_is_checked()
    {
        await using FakeRegistry registry = new();
        ImageBuilder image = App();
        string reference = registry.Add(image);
        registry.Blobs[image.LayerDigests[0]] = [.. image.Blobs[image.LayerDigests[0]][..^1], 0x55];
        await RefusedAsync(reference, "layer 1 of 2 (" + image.LayerDigests[0][..19] + ") is damaged: its content has another digest");
        registry.Blobs[image.LayerDigests[0]] = [.. image.Blobs[image.LayerDigests[0]], 0];
        await RefusedAsync(reference, "is larger than the");
        registry.Blobs[image.LayerDigests[0]] = image.Blobs[image.LayerDigests[0]][..^1];
        await RefusedAsync(reference, "bytes instead of");
        registry.Blobs.Remove(image.LayerDigests[0], out _);
        Assert.Equal(KernelProblem.NotFound, (await Assert.ThrowsAsync<KernelException>(() => TarAsync(reference))).Problem);

        registry.ToldDigest = "sha256:" + new string('0', 64);
        await EmptyAsync();
        await RefusedAsync(reference, "its manifest is damaged");
        registry.ToldDigest = null;
        await RefusedAsync($"oci:{registry.Host}/team/app@sha256:{new string('0', 64)}", "does not have");
        registry.Manifests["sha256:" + new string('0', 64)] = registry.Manifests["1"];
        await RefusedAsync($"oci:{registry.Host}/team/app@sha256:{new string('0', 64)}", "its manifest is damaged");
        registry.Manifests["1"] = ("<html>"u8.ToArray(), "text/html");
        await RefusedAsync(reference, "is not valid JSON");
        registry.Manifests["1"] = ("{}"u8.ToArray(), "text/html");
        await RefusedAsync(reference, "it is no image: its type is 'text/html'");
        registry.Manifests["1"] = (new byte[5 << 20], ImageBuilder.ManifestType);
        await RefusedAsync(reference, "its manifest is larger than 4.0 MiB");
    }

    [Theory]
    [InlineData(429)]
    [InlineData(500)]
    [InlineData(503)]
    public async Task A_busy_registry_is_asked_again_but_not_for_ever(int status)
    {
        await using FakeRegistry registry = new() { FailureStatus = status, Failures = 3, FailureHeaders = "Retry-After: 0\r\n" };
        string reference = registry.Add(App());
        Assert.NotEmpty(await MergeAsync(reference));
        await EmptyAsync();
        registry.Failures = 100;
        registry.FailureBody = """{"errors":[{"code":"X","message":"come\nback later"}]}""";
        KernelException refusal = await RefusedAsync(reference, $"{status}");
        Assert.Contains(@"'come\u{a}back later'", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("asked 4 times", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(KernelProblem.Unavailable, refusal.Problem);
    }

    [Theory]
    [InlineData(403, "forbids")]
    [InlineData(404, "does not have the image team/app:1")]
    [InlineData(400, "answers 400")]
    public async Task A_refusal_is_told_at_once(int status, string words)
    {
        await using FakeRegistry registry = new() { FailureStatus = status, Failures = 100 };
        await RefusedAsync(registry.Add(App()), words);
        Assert.Single(registry.Requests);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_private_image_is_pulled_with_the_user_s_credentials(bool wantsToken)
    {
        await using FakeRegistry registry = new() { Credentials = "me:se:cret", WantsToken = wantsToken };
        string reference = registry.Add(App());
        await RefusedAsync(reference, "wants credentials for it, or has no such image; log in");
        string Auth(string secret) => Convert.ToBase64String(Encoding.UTF8.GetBytes(secret));
        OciOptions With(string json)
        {
            Directory.CreateDirectory(this["docker"]);
            File.WriteAllText(Path.Combine(this["docker"], "config.json"), json);
            return Options(("DOCKER_CONFIG", this["docker"]));
        }

        await RefusedAsync(reference, "refuses the credentials in " + this["docker"], With($$"""{"auths":{"{{registry.Host}}":{"auth":"{{Auth("me:wrong")}}"} } }"""));
        await RefusedAsync(reference, "wants credentials", With($$"""{"auths":{"other.example.org":{"auth":"{{Auth("me:se:cret")}}"} } }"""));
        await RefusedAsync(reference, "are malformed", With($$"""{"auths":{"{{registry.Host}}":{"auth":"%%"} } }"""));
        await RefusedAsync(reference, "not valid JSON", With("{"));
        Assert.NotEmpty(await MergeAsync(reference, With($$"""{"auths":{"{{registry.Host}}":{"auth":"{{Auth("me:se:cret")}}"} } }""")));
        Assert.NotEmpty(await MergeAsync(reference, With($$"""{"auths":{"{{registry.Host}}/team":{"auth":"{{Auth("me:se:cret")}}"},"{{registry.Host}}":{"auth":"{{Auth("me:wrong")}}"} } }""")));
        Assert.NotEmpty(await MergeAsync(reference, With($$"""{"auths":{"http://{{registry.Host}}/v1/":{"auth":"{{Auth("me:se:cret")}}"} } }""")));
    }

    [Fact]
    public async Task Credentials_come_from_a_helper_or_stand_as_a_token()
    {
        await using FakeRegistry registry = new() { Credentials = "me:secret", WantsToken = true, IdentityToken = "refresh" };
        string reference = registry.Add(App());
        Directory.CreateDirectory(this["bin"]);
        string helper = Path.Combine(this["bin"], "docker-credential-test");
        await File.WriteAllTextAsync(helper, $$"""
            #!/bin/sh
            read host
            [ "$1 $host" = "get {{registry.Host}}" ] || { echo "credentials not found in native keychain"; exit 1; }
            echo '{"Username":"me","Secret":"secret"}'
            """, Token);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(helper, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        OciOptions With(string json)
        {
            File.WriteAllText(this["auth.json"], json);
            return Options(("REGISTRY_AUTH_FILE", this["auth.json"]), ("PATH", this["bin"] + ":/usr/bin:/bin"));
        }

        await RefusedAsync(reference, "the helper 'docker-credential-none'", With("""{"credsStore":"none"}"""));
        Assert.NotEmpty(await MergeAsync(reference, With("""{"credsStore":"test"}""")));
        await EmptyAsync();
        Assert.NotEmpty(await MergeAsync(reference, With($$"""{"credHelpers":{"{{registry.Host}}":"test"} }""")));
        await EmptyAsync();
        Assert.NotEmpty(await MergeAsync(reference, With($$"""{"auths":{"{{registry.Host}}":{"identitytoken":"refresh"} } }""")));
    }

    [Fact]
    public async Task A_redirect_to_another_host_gets_no_credentials()
    {
        await using FakeRegistry storage = new();
        await using FakeRegistry registry = new() { WantsToken = true, RedirectTo = "http://" + storage.Host };
        ImageBuilder image = App();
        storage.Add(image);
        Assert.NotEmpty(await MergeAsync(registry.Add(image)));
        Assert.Equal(3, storage.Requests.Count);
        Assert.All(storage.Requests, r => Assert.Null(r.Authorization));
        Assert.Contains(registry.Requests, r => r.Authorization == "Bearer good-token");

        storage.Credentials = "other:host";
        await EmptyAsync();
        await RefusedAsync(registry.Add(image), "wants credentials");
        Assert.All(storage.Requests, r => Assert.Null(r.Authorization));
        registry.RedirectTo = "http://" + registry.Host;
        await RefusedAsync(registry.Add(image), "more than 8 times");
        registry.RedirectTo = "file://";
        await RefusedAsync(registry.Add(image), "to nowhere");
    }

    [Fact]
    public async Task A_broken_connection_is_taken_up_where_it_broke()
    {
        await using FakeRegistry registry = new() { Breaks = 2 };
        string reference = registry.Add(App());
        Assert.NotEmpty(await MergeAsync(reference));
        Assert.Equal(2, registry.Requests.Count(r => r.Range is not null));
        await EmptyAsync();

        // One that knows no ranges sends all of it again; one whose rest does not fit is asked for the whole.
        registry.KnowsRanges = false;
        registry.Breaks = 1;
        Assert.NotEmpty(await MergeAsync(reference));
        await EmptyAsync();
        registry.KnowsRanges = registry.SpoilsRanges = true;
        registry.Breaks = 1;
        Assert.NotEmpty(await MergeAsync(reference));
        await EmptyAsync();
        registry.Breaks = 100;
        KernelException refusal = await Assert.ThrowsAsync<KernelException>(() => TarAsync(reference));
        Assert.Contains("broke off 4 times in layer 1 of 2", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(KernelProblem.Unavailable, refusal.Problem);
    }

    [Fact]
    public async Task A_silent_registry_is_given_up_and_cancelling_is_heard()
    {
        await using FakeRegistry registry = new() { IsSilent = true };
        string reference = registry.Add(App());
        OciOptions hasty = Options() with { Timeouts = new OciTimeouts { Answer = TimeSpan.FromMilliseconds(200), Silence = TimeSpan.FromMilliseconds(100), Retry = TimeSpan.FromMilliseconds(5) } };
        await RefusedAsync(reference, "gives no answer within 0.2 s", hasty);
        using (CancellationTokenSource stop = new(TimeSpan.FromMilliseconds(100)))
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => OciImage.OpenAsync(OciReference.Parse(reference), Store, Options(), stop.Token));

        registry.IsSilent = false;
        registry.StopsHalfWay = true;
        KernelException refusal = await Assert.ThrowsAsync<KernelException>(() => TarAsync(reference, hasty with { Timeouts = hasty.Timeouts with { Answer = TimeSpan.FromSeconds(60) } }));
        Assert.Contains("nothing came for 0.1 s", refusal.Message, StringComparison.Ordinal);
        using (CancellationTokenSource stop = new())
        {
            OciOptions watched = Options() with { Progress = new Hook(p => { if (p.BytesDone is not null) stop.Cancel(); }) };
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => OciImage.OpenAsync(OciReference.Parse(reference), Store, watched, stop.Token));
        }

        // A layer that came whole stays; the half one does not.
        Assert.All(Kept(), f => Assert.StartsWith("oci/blobs/sha256/", f, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_registry_that_is_not_there_is_said_to_be()
    {
        string host;
        await using (FakeRegistry registry = new())
            host = registry.Host;
        Assert.Equal(KernelProblem.Unavailable, (await RefusedAsync($"oci:{host}/team/app:1", $"{host} cannot be reached over http (Connection refused)")).Problem);

        // One that speaks HTTP where TLS is expected.
        using System.Net.Sockets.TcpListener plain = new(System.Net.IPAddress.Loopback, 0);
        plain.Start();
        Task answering = Task.Run(
            async () =>
            {
                using System.Net.Sockets.TcpClient client = await plain.AcceptTcpClientAsync(Token);
                await client.GetStream().WriteAsync("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"u8.ToArray(), Token);
            },
            Token);
        await RefusedAsync($"oci:https://{plain.LocalEndpoint}/team/app:1", "a registry without one is named with oci:http://");
        await answering;
    }

    [Fact]
    public async Task A_password_is_not_sent_to_an_unsafe_address()
    {
        await using FakeRegistry registry = new() { WantsToken = true, Realm = "ftp://example.org/token" };
        await RefusedAsync(registry.Add(App()), "which is no safe address");
    }

    private async Task EmptyAsync()
    {
        await Task.CompletedTask;
        UnixFiles.DeleteTree(Path.Combine(Store, "oci"));
    }

    private sealed class Hook(Action<KernelProgress> on) : IProgress<KernelProgress>
    {
        public void Report(KernelProgress value) => on(value);
    }
}
