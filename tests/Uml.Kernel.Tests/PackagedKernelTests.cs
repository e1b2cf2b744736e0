using System.Diagnostics;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.RegularExpressions;
using Xunit;

namespace Uml.CI;

/// <summary>Kernels from packages: which is chosen, from where, and what is refused.</summary>
public sealed class PackagedKernelTests : IDisposable
{
    private const string Id = "Uml.Kernel.Image";

    private readonly Scratch _scratch = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private string Project => _scratch["project"];

    private string Folder => _scratch["feed"];

    private KernelStore Store => new(_scratch["store"]);

    public void Dispose() => _scratch.Dispose();

    private static TestPackage Package(string version, string id = Id) => new(version, Kernel(version + id), id);

    /// <summary>A kernel like no other.</summary>
    private static byte[] Kernel(string mark) => TinyKernel.Build(TinyKernel.Banner.Replace("someone", "mark-" + mark, StringComparison.Ordinal));

    private static string Mark(GuestKernel kernel) => Regex.Match(kernel.Banner, @"mark-(.*?)Uml\.Kernel\.Image").Groups[1].Value;

    private void Configure(string config) => _scratch.Write("project/NuGet.Config", config);

    private void UseFolder(params string[] versions)
    {
        foreach (string version in versions)
            Package(version).PutInto(Folder);
        Directory.CreateDirectory(Folder);
        Configure(TestFeed.ConfigOf($"""<add key="folder" value="{Folder}" />"""));
    }

    private KernelResolveOptions Options(Reports? reports = null) => new() { SettingsDirectory = Project, Progress = reports };

    private Task<GuestKernel> PullAsync(string reference, KernelResolveOptions? options = null) => Store.ResolveAsync(reference, options ?? Options(), Cancelled);

    private Task<KernelException> Fails(string reference, KernelResolveOptions? options = null) =>
        Assert.ThrowsAsync<KernelException>(() => PullAsync(reference, options));

    private void HasNothing()
    {
        Assert.False(Directory.Exists(_scratch["store/kernels"]) && Directory.EnumerateFileSystemEntries(_scratch["store/kernels"]).Any());
        Assert.Equal(["gate"], Directory.EnumerateFileSystemEntries(_scratch["store/tmp"]).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("7.3", "7.3.4.1")]
    [InlineData("7.3.*", "7.3.4.1")]
    [InlineData("7.3.4", "7.3.4.1")]
    [InlineData("7.3.40", "7.3.40", "7.3.40")]
    [InlineData("latest", "8.0.0")]
    [InlineData("nuget:Uml.Kernel.Image@*", "8.0.0")]
    [InlineData("nuget:uml.kernel.image@7", "7.3.4.1")]
    [InlineData("6.12.*", "6.12.9")]
    [InlineData("9", "9.0.0-rc3")]
    [InlineData("9.0.0-rc2", "9.0.0-rc2")]
    [InlineData("nuget:Uml.Kernel.Image@[6.0,7.3)", "6.12.9")]
    [InlineData("nuget:Uml.Kernel.Image@[7.3.4]", "7.3.4")]
    [InlineData("nuget:Uml.Kernel.Image@(,7.3.4]", "7.3.4")]
    [InlineData("nuget:Uml.Kernel.Image@[8.0,9.0.0-rc3)", "9.0.0-rc2")]
    public async Task The_newest_version_that_is_meant_is_taken(string reference, string version, params string[] more)
    {
        UseFolder(["6.1.9", "6.12.9", "6.12.10-rc1", "7.3.4", "7.3.4.1", "7.3.3", "7.30.1", "8.0.0", "9.0.0-rc2", "9.0.0-rc3", .. more]);
        if (reference is "nuget:uml.kernel.image@7")
            File.Delete(Path.Combine(Folder, Id + ".7.30.1.nupkg"));
        GuestKernel kernel = await PullAsync(reference);
        Assert.Equal(version, kernel.PackageVersion);
        Assert.Equal(version, Mark(kernel));
        Assert.Equal(KernelReference.Parse(reference).ToString(), kernel.Reference);
    }

    [Fact]
    public async Task A_version_is_no_beginning_of_a_longer_number()
    {
        UseFolder("7.3.40");
        KernelException e = await Fails("7.3.4");
        Assert.Equal(KernelProblem.NotFound, e.Problem);
        Assert.Contains("7.3.40", e.Message, StringComparison.Ordinal);
        Assert.Contains("folder", e.Message, StringComparison.Ordinal);
        HasNothing();
        e = await Fails("latest#kunit");
        Assert.Contains("no package Uml.Kernel.Image.Kunit on folder", e.Message, StringComparison.Ordinal);
        e = await Fails("nuget:Uml.Kernel.Image@[7,6");
        Assert.Equal(KernelProblem.InvalidReference, e.Problem);
    }

    [Fact]
    public async Task A_kernel_of_a_hierarchical_folder_is_kept_with_all_that_belongs_to_it()
    {
        Package("7.3.4").With("modules/7.9.3-tiny/kernel/fs/x+y.ko", [1, 2, 3]).With("System.map", [4]).PutIntoHierarchy(Folder);
        UseFolder();
        Reports reports = new();
        GuestKernel kernel = await PullAsync("7.3", Options(reports));
        string directory = Path.GetDirectoryName(kernel.ExecutablePath)!;
        Assert.Equal(
            ["System.map", "config", "kernel.json", "linux", "manifest.json", "modules/7.9.3-tiny/kernel/fs/x+y.ko"],
            Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(directory, f)).Order(StringComparer.Ordinal));
        Assert.Equal(Path.Combine(directory, "modules/7.9.3-tiny"), kernel.ModulesDirectory);
        Assert.True(Native.IsExecutable(kernel.ExecutablePath));
        Assert.False(File.GetUnixFileMode(Path.Combine(directory, "config")).HasFlag(UnixFileMode.UserExecute));
        Assert.Equal(88, kernel.ContentHash!.Length);
        Assert.DoesNotContain(reports.All, r => r.IsWarning);
        StoredKernel stored = Assert.Single(Store.List());
        Assert.Equal((Id, "7.3.4", Folder), (stored.PackageId, stored.PackageVersion, stored.Origin));
        Assert.Empty(Store.Verify(stored));

        // From now on nothing is asked.
        Directory.Delete(Folder, recursive: true);
        Assert.Equal(kernel.ExecutablePath, (await PullAsync("7.3")).ExecutablePath);

        await File.WriteAllTextAsync(Path.Combine(directory, "config"), "changed", Cancelled);
        Assert.Contains("config is not what was fetched", Assert.Single(Store.Verify(stored)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_feed_on_the_network_is_asked_in_its_own_way(bool publishesHashes)
    {
        await using TestFeed feed = new TestFeed { PublishesHashes = publishesHashes }.Add(Package("7.3.3")).Add(Package("7.3.4")).Add(Package("7.3.5"), listed: false).Add(Package("7.4.0-rc1"));
        Configure(feed.Config());
        Reports reports = new();
        GuestKernel kernel = await PullAsync("7.3", Options(reports));
        Assert.Equal("7.3.4", kernel.PackageVersion);
        long size = Package("7.3.4").Build().Length;
        Assert.Contains(reports.All, r => r.Stage == "downloading Uml.Kernel.Image 7.3.4 from loopback" && r.BytesDone == size && r.BytesTotal == size);
        Assert.DoesNotContain(reports.All, r => r.IsWarning);

        // Not listed: only for who asks for that very one.
        Assert.Equal("7.3.5", (await PullAsync("7.3.5")).PackageVersion);
        Assert.Equal("7.4.0-rc1", (await PullAsync("7.4")).PackageVersion);
        Assert.Equal("7.3.4", (await PullAsync("latest")).PackageVersion);
        Assert.Equal(3, feed.Downloads);
    }

    [Fact]
    public async Task The_best_of_all_feeds_is_taken_and_one_that_is_down_is_a_warning()
    {
        await using TestFeed one = new TestFeed().Add(Package("7.3.4"));
        await using TestFeed two = new TestFeed().Add(Package("7.3.9"));
        await using TestFeed broken = new() { Fails = 403 };
        Package("7.3.8").PutInto(Folder);
        Configure(TestFeed.ConfigOf($"""
            <add key="one" value="{one.Address}" allowInsecureConnections="true" />
            <add key="broken" value="{broken.Address}" allowInsecureConnections="true" />
            <add key="two" value="{two.Address}" allowInsecureConnections="true" />
            <add key="folder" value="{Folder}" />
            <add key="nowhere" value="{_scratch["nowhere"]}" />
            """));
        Reports reports = new();
        Assert.Equal("7.3.9", (await PullAsync("7.3", Options(reports))).PackageVersion);
        string[] warnings = [.. reports.All.Where(r => r.IsWarning).Select(r => r.Stage)];
        Assert.Contains(warnings, w => w.StartsWith($"the feed broken ({broken.Address}) gives no answer: ", StringComparison.Ordinal) && w.Contains("403", StringComparison.Ordinal));
        Assert.Contains(warnings, w => w.StartsWith($"the feed nowhere ({_scratch["nowhere"]}) gives no answer: ", StringComparison.Ordinal));
        Assert.Equal(2, warnings.Length);
    }

    [Fact]
    public async Task All_feeds_down_is_one_line_that_names_each()
    {
        await using TestFeed broken = new() { Fails = 404 };
        await using TestFeed plain = new TestFeed().Add(Package("7.3.4"));
        Configure(TestFeed.ConfigOf($"""
            <add key="broken" value="{broken.Address}" allowInsecureConnections="true" />
            <add key="plain" value="{plain.Address}" />
            <add key="nowhere" value="{_scratch["nowhere"]}" />
            """));
        KernelException e = await Fails("7.3");
        Assert.Equal(KernelProblem.Unavailable, e.Problem);
        Assert.DoesNotContain('\n', e.Message);
        Assert.Contains("404", e.Message, StringComparison.Ordinal);
        Assert.Contains("the feed plain (" + plain.Address + ") gives no answer: NuGet refuses plain http", e.Message, StringComparison.Ordinal);
        Assert.Contains("nowhere", e.Message, StringComparison.Ordinal);
        Assert.Empty(plain.Requests);
        HasNothing();
    }

    [Fact]
    public async Task Settings_without_feeds_say_so()
    {
        Configure(TestFeed.ConfigOf(""));
        KernelException e = await Fails("7.3");
        Assert.Equal(KernelProblem.NotFound, e.Problem);
        Assert.Contains(Path.Combine(Project, "NuGet.Config"), e.Message, StringComparison.Ordinal);
        Configure("<configuration><packageSources>");
        e = await Fails("7.3");
        Assert.Contains("NuGet's settings are broken", e.Message, StringComparison.Ordinal);
        Assert.Contains(Path.Combine(Project, "NuGet.Config"), e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public async Task Feeds_that_are_disabled_or_not_mapped_are_not_asked()
    {
        await using TestFeed feed = new TestFeed().Add(Package("7.3.9"));
        await using TestFeed other = new TestFeed().Add(Package("7.3.8")).Add(Package("7.3.8", Id + ".Debug"));
        string sources = $"""
            <add key="feed" value="{feed.Address}" allowInsecureConnections="true" />
            <add key="other" value="{other.Address}" allowInsecureConnections="true" />
            """;
        Configure(TestFeed.ConfigOf(sources).Replace("<disabledPackageSources><clear />", """<disabledPackageSources><clear /><add key="feed" value="true" />""", StringComparison.Ordinal));
        Assert.Equal("7.3.8", (await PullAsync("7.3")).PackageVersion);
        Assert.Empty(feed.Requests);

        Configure(TestFeed.ConfigOf(sources, """
            <packageSourceMapping>
              <clear />
              <packageSource key="feed"><package pattern="Uml.Kernel.Image" /></packageSource>
              <packageSource key="other"><package pattern="Uml.Kernel.Image.*" /></packageSource>
            </packageSourceMapping>
            """));
        int asked = other.Requests.Count;
        Assert.Equal("7.3.9", (await PullAsync("7.3.*", Options() with { Refresh = true })).PackageVersion);
        Assert.Equal(asked, other.Requests.Count);
        Assert.Equal("7.3.8", (await PullAsync("7.3#debug")).PackageVersion);

        Configure(TestFeed.ConfigOf(sources, """<packageSourceMapping><clear /><packageSource key="feed"><package pattern="Else" /></packageSource></packageSourceMapping>"""));
        KernelException e = await Fails("7.3.7");
        Assert.Contains("packageSourceMapping", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Credentials_of_the_settings_are_used()
    {
        await using TestFeed feed = new TestFeed { Credentials = "somebody:secret" }.Add(Package("7.3.4"));
        Configure(feed.Config());
        KernelException e = await Fails("7.3");
        Assert.Contains("401", e.Message, StringComparison.Ordinal);
        Assert.Contains("dotnet nuget update source", e.Message, StringComparison.Ordinal);
        Configure(feed.Config("""
            <packageSourceCredentials><loopback>
              <add key="Username" value="somebody" /><add key="ClearTextPassword" value="secret" />
            </loopback></packageSourceCredentials>
            """));
        Assert.Equal("7.3.4", (await PullAsync("7.3")).PackageVersion);
    }

    [Fact]
    public async Task A_proxy_of_the_environment_is_used()
    {
        await using TestFeed feed = new TestFeed().Add(Package("7.3.4"));
        Configure(TestFeed.ConfigOf("""<add key="far" value="http://feed.invalid/v3/index.json" allowInsecureConnections="true" />"""));
        using Process other = OtherProcess.Start(_scratch["store"], "7.3", Project, ("http_proxy", $"http://127.0.0.1:{feed.Port}"), ("no_proxy", null), ("NO_PROXY", null));
        string error = await other.StandardError.ReadToEndAsync(Cancelled);
        await other.WaitForExitAsync(Cancelled);
        Assert.True(other.ExitCode == 0, error);
        Assert.All(feed.Requests, r => Assert.StartsWith("http://feed.invalid/", r, StringComparison.Ordinal));
        Assert.Equal("7.3.4", Assert.Single(Store.List()).PackageVersion);
    }

    [Fact]
    public async Task A_download_that_breaks_off_is_begun_again()
    {
        await using TestFeed feed = new TestFeed { BrokenDownloads = 2 }.Add(Package("7.3.4").With("big", RandomNumberGenerator.GetBytes(1 << 20)));
        Configure(feed.Config());
        Reports reports = new();
        Assert.Equal("7.3.4", (await PullAsync("7.3", Options(reports))).PackageVersion);
        Assert.Equal(3, feed.Downloads);
        Assert.Equal(2, reports.All.Count(r => r.IsWarning && r.Stage.Contains("beginning again", StringComparison.Ordinal)));
        Assert.Empty(Store.Verify(Assert.Single(Store.List())));

        await using TestFeed worse = new TestFeed { BrokenDownloads = 99 }.Add(Package("7.4.4").With("big", RandomNumberGenerator.GetBytes(1 << 20)));
        Configure(worse.Config());
        KernelException e = await Fails("7.4");
        Assert.Equal(KernelProblem.Unavailable, e.Problem);
        Assert.Contains("cannot be fetched: the feed loopback", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
        Assert.Single(Store.List());
    }

    [Fact]
    public async Task Cancelling_ends_a_download_that_stands_still()
    {
        TaskCompletionSource never = new();
        await using TestFeed feed = new TestFeed { HalfWay = never.Task }.Add(Package("7.3.4").With("big", RandomNumberGenerator.GetBytes(1 << 20)));
        Configure(feed.Config());
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        Task<GuestKernel> pull = Store.ResolveAsync("7.3", Options(), stop.Token);
        while (feed.Downloads == 0)
            await Task.Delay(10, Cancelled);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pull);
        HasNothing();
    }

    [Fact]
    public async Task A_process_killed_in_a_download_leaves_nothing_and_the_next_succeeds()
    {
        TaskCompletionSource never = new();
        await using TestFeed feed = new TestFeed { HalfWay = never.Task }.Add(Package("7.3.4").With("big", RandomNumberGenerator.GetBytes(1 << 20)));
        Configure(feed.Config());
        using Process other = OtherProcess.Start(_scratch["store"], "7.3", Project);
        while (!Directory.Exists(_scratch["store/tmp"]) || !Directory.EnumerateFiles(_scratch["store/tmp"], "package.nupkg", SearchOption.AllDirectories).Any(f => new FileInfo(f).Length > 0))
        {
            Assert.False(other.HasExited);
            await Task.Delay(10, Cancelled);
        }

        other.Kill();
        await other.WaitForExitAsync(Cancelled);
        Assert.Empty(Store.List());
        Assert.Equal(["gate"], Directory.EnumerateFileSystemEntries(_scratch["store/tmp"]).Select(Path.GetFileName));
        feed.HalfWay = null;
        Assert.Equal("7.3.4", (await PullAsync("7.3")).PackageVersion);
        Assert.Empty(Store.Verify(Assert.Single(Store.List())));
    }

    [Fact]
    public async Task Ten_processes_at_once_end_with_one_copy()
    {
        await using TestFeed feed = new TestFeed().Add(Package("7.3.4").With("big", RandomNumberGenerator.GetBytes(1 << 20)));
        Configure(feed.Config());
        string[] references = ["7.3", "7.3", "7.3", "7.3", "7.3", "7.3.4", "7.3.4", "latest", "latest", "nuget:Uml.Kernel.Image@[7.3.4]"];
        Process[] others = [.. references.Select(r => OtherProcess.Start(_scratch["store"], r, Project))];
        string[] paths = await Task.WhenAll(others.Select(async other =>
        {
            Task<string> error = other.StandardError.ReadToEndAsync(Cancelled);
            string output = await other.StandardOutput.ReadToEndAsync(Cancelled);
            await other.WaitForExitAsync(Cancelled);
            Assert.True(other.ExitCode == 0, await error);
            other.Dispose();
            return output.Trim();
        }));
        Assert.Single(paths.Distinct());
        StoredKernel stored = Assert.Single(Store.List());
        Assert.Equal(["7.3", "7.3.4", "latest", "nuget:Uml.Kernel.Image@[7.3.4]"], stored.References);
        Assert.Empty(Store.Verify(stored));
        Assert.Equal(["gate"], Directory.EnumerateFileSystemEntries(_scratch["store/tmp"]).Select(Path.GetFileName));
        Assert.Single(Directory.EnumerateDirectories(_scratch["store/kernels"]));
    }

    [Fact]
    public async Task Two_references_to_one_package_are_one_download_and_one_copy()
    {
        await using TestFeed feed = new TestFeed().Add(Package("7.3.4"));
        Configure(feed.Config());
        GuestKernel one = await PullAsync("7.3");
        GuestKernel two = await PullAsync("latest");
        Assert.Equal(one.ExecutablePath, two.ExecutablePath);
        Assert.Equal(one.ContentHash, two.ContentHash);
        Assert.Equal(1, feed.Downloads);

        // A damaged copy is not taken for the package.
        File.Delete(Path.Combine(Path.GetDirectoryName(one.ExecutablePath)!, "config"));
        await PullAsync("7.3.4");
        Assert.Equal(2, feed.Downloads);
        Assert.Empty(Store.Verify(Assert.Single(Store.List())));
    }

    [Fact]
    public async Task Refresh_takes_a_newer_one()
    {
        await using TestFeed feed = new TestFeed().Add(Package("7.3.4"));
        Configure(feed.Config());
        await PullAsync("7.3");
        feed.Add(Package("7.3.5"));
        Assert.Equal("7.3.4", (await PullAsync("7.3")).PackageVersion);
        Assert.Equal("7.3.5", (await PullAsync("7.3", Options() with { Refresh = true })).PackageVersion);
        Assert.Equal("7.3.5", (await PullAsync("7.3")).PackageVersion);
    }

    [Fact]
    public async Task A_pin_brings_the_very_package_back()
    {
        await using TestFeed feed = new TestFeed().Add(Package("7.3.4"));
        Configure(feed.Config());
        KernelResolveOptions options = Options() with { LockFile = _scratch["uml.lock.json"] };
        GuestKernel first = await PullAsync("7.3", options);
        KernelLockEntry pin = KernelLock.Load(options.LockFile!).Entries["7.3"];
        Assert.Equal((first.Sha256, "7.3.4", first.ContentHash), (pin.Sha256, pin.PackageVersion, pin.ContentHash));
        Assert.NotNull(pin.ContentHash);

        // Newer ones exist, and the store is empty.
        feed.Add(Package("7.3.5"));
        UnixFiles.DeleteTree(_scratch["store"]);
        Assert.Equal("7.3.4", (await PullAsync("7.3", options)).PackageVersion);

        // The same version with another content, be it only beside the kernel.
        UnixFiles.DeleteTree(_scratch["store"]);
        feed.Add(Package("7.3.4").With("config", "CONFIG_OTHER=y"u8.ToArray()));
        KernelException e = await Fails("7.3", options);
        Assert.Contains("(pinned to 7.3.4)", e.Message, StringComparison.Ordinal);
        Assert.Contains("is not the one that the lock file pins", e.Message, StringComparison.Ordinal);
        HasNothing();

        // A lock file from before there were content hashes compares the kernel.
        string old = Regex.Replace(await File.ReadAllTextAsync(options.LockFile!, Cancelled), @",\s*""contentHash"": ""[^""]*""", "");
        Assert.DoesNotContain("contentHash", old, StringComparison.Ordinal);
        await File.WriteAllTextAsync(options.LockFile!, old, Cancelled);
        Assert.Equal(first.Sha256, (await PullAsync("7.3", options)).Sha256);
        UnixFiles.DeleteTree(_scratch["store"]);
        feed.Add(new TestPackage("7.3.4", Kernel("other")));
        e = await Fails("7.3", options);
        Assert.Contains("kernel/linux is not the one that the lock file pins", e.Message, StringComparison.Ordinal);

        // Pinned anew, with all that there is to pin.
        Assert.Equal("7.3.5", (await PullAsync("7.3", options with { Refresh = true })).PackageVersion);
        pin = KernelLock.Load(options.LockFile!).Entries["7.3"];
        Assert.Equal("7.3.5", pin.PackageVersion);
        Assert.NotNull(pin.ContentHash);
    }

    [Fact]
    public async Task Without_a_network_the_packages_folder_and_the_store_serve()
    {
        await using TestFeed feed = new TestFeed().Add(Package("7.3.4"));
        Configure(feed.Config());
        KernelResolveOptions offline = Options() with { Offline = true };
        KernelException e = await Fails("7.3", offline);
        Assert.Equal(KernelProblem.Unavailable, e.Problem);
        Assert.Contains("uml kernel pull 7.3", e.Message, StringComparison.Ordinal);
        Assert.Empty(feed.Requests);

        Package("7.3.2").PutIntoHierarchy(_scratch["project/global"]);
        Package("7.3.3").PutIntoHierarchy(_scratch["project/global"]);
        Reports reports = new();
        Assert.Equal("7.3.3", (await PullAsync("7.3", offline with { Progress = reports })).PackageVersion);
        Assert.Contains(reports.All, r => r.IsWarning && r.Stage.Contains("taking 7.3.3 from the packages folder", StringComparison.Ordinal));
        Assert.Empty(feed.Requests);

        // One that was named in full needs no feed.
        Assert.Equal("7.3.2", (await PullAsync("nuget:Uml.Kernel.Image@[7.3.2]")).PackageVersion);
        Assert.Empty(feed.Requests);

        // All feeds are down: the store, which has a newer one than the folder by now.
        Assert.Equal("7.3.4", (await PullAsync("7.3.4")).PackageVersion);
        feed.Fails = 403;
        reports = new();
        Assert.Equal("7.3.4", (await PullAsync("latest", Options(reports))).PackageVersion);
        Assert.Contains(reports.All, r => r.IsWarning && r.Stage.Contains("gives no answer", StringComparison.Ordinal) && r.Stage.Contains("taking 7.3.4 from the kernel store", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_broken_package_in_the_packages_folder_is_told_and_the_feed_serves()
    {
        await using TestFeed feed = new TestFeed().Add(Package("7.3.4"));
        Configure(feed.Config());
        string file = Package("7.3.4").PutIntoHierarchy(_scratch["project/global"]);
        byte[] content = await File.ReadAllBytesAsync(file, Cancelled);
        content[content.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(file, content, Cancelled);
        Reports reports = new();
        Assert.Equal("7.3.4", (await PullAsync("nuget:Uml.Kernel.Image@[7.3.4]", Options(reports))).PackageVersion);
        Assert.Contains(reports.All, r => r.IsWarning && r.Stage.Contains("delete it from " + _scratch["project/global"], StringComparison.Ordinal));
        Assert.Equal(1, feed.Downloads);

        UnixFiles.DeleteTree(_scratch["store"]);
        feed.Fails = 403;
        KernelException e = await Fails("nuget:Uml.Kernel.Image@[7.3.4]");
        Assert.Contains("is refused", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no kernel", "it has no kernel/linux")]
    [InlineData("no uml", "kernel/linux is a script, not a kernel executable")]
    [InlineData("other kernel", "not one built for User-mode Linux")]
    [InlineData("no manifest", "it has no kernel/manifest.json")]
    [InlineData("bad manifest", "kernel/manifest.json cannot be read")]
    [InlineData("null manifest", "kernel/manifest.json cannot be read")]
    [InlineData("missing", "kernel/System.map is missing, which its manifest.json lists")]
    [InlineData("extra", "kernel/extra is not in its manifest.json")]
    [InlineData("hash", "kernel/config is not what its manifest.json says")]
    [InlineData("escape", "'kernel/../../../escape', which is no path inside of the package")]
    [InlineData("escape outside", "'../escape', which is no path")]
    [InlineData("escaped escape", "'kernel/../escape', which is no path")]
    [InlineData("absolute", "'/tmp/escape', which is no path")]
    [InlineData("drive", "'kernel/C:/escape', which is no path")]
    [InlineData("backslash", @"'kernel\escape', which is no path")]
    [InlineData("empty part", "'kernel//escape', which is no path")]
    [InlineData("control", "'kernel/a?b', which is no path")]
    [InlineData("link", "kernel/link is a link or a device")]
    [InlineData("device", "kernel/device is a link or a device")]
    [InlineData("case", "two files that are called kernel/CONFIG")]
    [InlineData("twice", "two files that are called kernel/config")]
    [InlineData("file and folder", "is a file and a folder at once")]
    [InlineData("store's", "kernel/kernel.json, which is a name that the kernel store uses")]
    [InlineData("bomb", "kernel/bomb unpacks to 268435456 bytes, which is more than a package of")]
    [InlineData("hidden bomb", "kernel/bomb is damaged")]
    [InlineData("many", "it has 20")]
    [InlineData("many bombs", "which is more than a package of")]
    [InlineData("wrong id", "it calls itself Some.Thing 7.3.4")]
    [InlineData("no zip", "it is no whole zip file")]
    [InlineData("cut", "it is no whole zip file")]
    [InlineData("empty", "it is no whole zip file")]
    [InlineData("data bit", "is damaged")]
    [InlineData("foreign library", "cannot run on this host: it asks for the loader /nonexistent/ld.so, which this host does not have")]
    public async Task A_package_that_is_not_in_order_is_refused(string kind, string told)
    {
        byte[] zeros = new byte[kind is "bomb" or "hidden bomb" ? 256 << 20 : 0];
        TestPackage package = Package("7.3.4");
        byte[]? content = kind switch
        {
            "no kernel" => package.With("linux", null).Build(),
            "no uml" => package.With("linux", "#!/bin/sh\n"u8.ToArray()).Build(),
            "other kernel" => package.With("linux", TinyKernel.Build(marker: "something")).Build(),
            "no manifest" => Manifest(""),
            "bad manifest" => Manifest("{"),
            "null manifest" => Manifest("""{"files":{"linux":null,"config":null}}"""),
            "missing" => Lists("System.map", new string('0', 64)),
            "extra" => package.WithEntry("kernel/extra", [1]).Build(),
            "hash" => Lists("config", new string('0', 64)),
            "escape" => package.WithEntry("kernel/../../../escape", [1]).Build(),
            "escape outside" => package.WithEntry("../escape", [1]).Build(),
            "escaped escape" => package.WithEntry("kernel/%2e%2E/escape", [1]).Build(),
            "absolute" => package.WithEntry("/tmp/escape", [1]).Build(),
            "drive" => package.WithEntry("kernel/C:/escape", [1]).Build(),
            "backslash" => package.WithEntry(@"kernel\escape", [1]).Build(),
            "empty part" => package.WithEntry("kernel//escape", [1]).Build(),
            "control" => package.WithEntry("kernel/a\nb", [1]).Build(),
            "link" => package.WithEntry("kernel/link", "/etc/passwd"u8.ToArray(), 0xA1FF).Build(),
            "device" => package.WithEntry("kernel/device", [], 0x21FF).Build(),
            "case" => package.WithEntry("kernel/CONFIG", [1]).Build(),
            "twice" => package.WithEntry("kernel/config", [1]).Build(),
            "file and folder" => package.With("config/more", [1]).Build(),
            "store's" => package.With("kernel.json", [1]).Build(),
            "bomb" => package.With("bomb", zeros).Build(),
            "hidden bomb" => Shrink(package.With("bomb", zeros).Build(), zeros.Length),
            "many" => Many(20_001, 0),
            "many bombs" => Many(100, 1 << 20),
            "wrong id" => Named("Some.Thing"),
            "no zip" => "<html>sorry</html>"u8.ToArray(),
            "cut" => package.Build()[..^40],
            "empty" => [],
            "data bit" => Flipped(package.With("noise", RandomNumberGenerator.GetBytes(1 << 20)).Build()),
            "foreign library" => package.With("linux", DynamicKernel()).Build(),
            _ => throw new ArgumentOutOfRangeException(nameof(kind)),
        };
        await using TestFeed feed = new TestFeed().Add(Id, "7.3.4", content);
        Configure(feed.Config());
        KernelException e = await Fails("7.3");
        Assert.Contains(told, e.Message, StringComparison.Ordinal);
        Assert.StartsWith("7.3: the ", e.Message, StringComparison.Ordinal);
        Assert.Contains($"Uml.Kernel.Image 7.3.4 from the feed loopback ({feed.Address}) ", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
        Assert.EndsWith(".", e.Message, StringComparison.Ordinal);
        HasNothing();
        Assert.False(Path.Exists("/tmp/escape") || Path.Exists(_scratch["escape"]) || Path.Exists(_scratch["store/escape"]));

        // A good one in its place is taken.
        feed.Add(Package("7.3.4"));
        Assert.Equal("7.3.4", (await PullAsync("7.3")).PackageVersion);

        byte[] Manifest(string text)
        {
            package.ManifestText = text;
            return package.Build();
        }

        byte[] Lists(string name, string hash)
        {
            package.Manifest[name] = hash;
            return package.Build();
        }

        byte[] Named(string id)
        {
            package.NuspecId = id;
            return package.Build();
        }

        byte[] Many(int count, int size)
        {
            byte[] each = new byte[size];
            for (int i = 0; i < count; i++)
                package.WithEntry($"more/{i}", each);
            return package.Build();
        }

        static byte[] Flipped(byte[] content)
        {
            content[content.Length / 2] ^= 0x10;
            return content;
        }
    }

    [Fact]
    public async Task A_hash_that_the_feed_publishes_is_compared()
    {
        await using TestFeed feed = new TestFeed { PublishesHashes = true, PublishedHash = Convert.ToBase64String(new byte[64]) }.Add(Package("7.3.4"));
        Configure(feed.Config());
        KernelException e = await Fails("7.3");
        Assert.Contains("it is not what was published there", e.Message, StringComparison.Ordinal);
        HasNothing();

        string file = Package("7.4.4").PutIntoHierarchy(Folder);
        await File.WriteAllTextAsync(file + ".sha512", Convert.ToBase64String(new byte[64]), Cancelled);
        UseFolder();
        e = await Fails("7.4");
        Assert.Contains("it is not what was published there", e.Message, StringComparison.Ordinal);
        HasNothing();
    }

    [Fact]
    public async Task Whatever_bit_is_wrong_the_kernel_is_right_or_refused()
    {
        byte[] good = Package("7.3.4").Build();
        int refused = 0, taken = 0;
        for (int at = 0; at < good.Length; at += 5)
        {
            byte[] bad = [.. good];
            bad[at] ^= (byte)(1 << (at % 8));
            string target = _scratch["target"];
            Directory.CreateDirectory(target);
            File.WriteAllBytes(_scratch["bad.nupkg"], bad);
            try
            {
                PackageContents.Unpack(_scratch["bad.nupkg"], target, Cancelled);
                taken++;
                Assert.Equal(["config", "linux"], Directory.EnumerateFileSystemEntries(target).Select(Path.GetFileName).Order(StringComparer.Ordinal));
                Assert.Equal(Kernel("7.3.4" + Id), await File.ReadAllBytesAsync(Path.Combine(target, "linux"), Cancelled));
                Assert.Equal("CONFIG_UML=y\n", await File.ReadAllTextAsync(Path.Combine(target, "config"), Cancelled));
            }
            catch (PackageContentException e)
            {
                refused++;
                Assert.DoesNotContain('\n', e.Message);
            }

            UnixFiles.DeleteTree(target);
        }

        Assert.True(refused > taken, $"{refused} refused, {taken} taken: only times and the like may be wrong");
    }

    [Fact]
    public async Task A_signature_that_the_settings_ask_for_must_be_there()
    {
        UseFolder("7.3.4");
        Configure(TestFeed.ConfigOf($"""<add key="folder" value="{Folder}" />""").Replace("<config>", """<config><add key="signatureValidationMode" value="require" />""", StringComparison.Ordinal));
        KernelException e = await Fails("7.3");
        Assert.Contains("its signature is not what NuGet's settings ask for (NU30", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
        HasNothing();
    }

    [Fact]
    public async Task A_package_of_a_trusted_signer_is_taken_and_its_signature_is_no_content()
    {
        UseFolder("7.3.4");
        string unsigned = (await PullAsync("7.3")).ContentHash!;
        using RSA key = RSA.Create(2048);
        CertificateRequest request = new("CN=Kernel Tests", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.3")], critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
        _scratch.Write("signer.pfx", certificate.Export(X509ContentType.Pfx, "secret"), executable: false);
        ExternalResult sign = await new ExternalProgram(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? ExternalProgram.Find("dotnet", Environment.GetEnvironmentVariable("PATH"))!)
        {
            Arguments = ["nuget", "sign", Path.Combine(Folder, Id + ".7.3.4.nupkg"), "--certificate-path", _scratch["signer.pfx"], "--certificate-password", "secret"],
            ThrowsOnFailure = false,
        }.RunAsync(Cancelled);
        Assert.True(sign.ExitCode == 0, sign.StandardOutput + sign.StandardError);

        string settings = TestFeed.ConfigOf($"""<add key="folder" value="{Folder}" />""", """
            <trustedSigners>
              <author name="tests"><certificate fingerprint="PRINT" hashAlgorithm="SHA256" allowUntrustedRoot="true" /></author>
            </trustedSigners>
            """).Replace("<config>", """<config><add key="signatureValidationMode" value="require" />""", StringComparison.Ordinal);
        Configure(settings.Replace("PRINT", new string('0', 64), StringComparison.Ordinal));
        KernelException e = await Fails("7.3", Options() with { Refresh = true });
        Assert.Contains("its signature is not what NuGet's settings ask for (NU3034", e.Message, StringComparison.Ordinal);

        Configure(settings.Replace("PRINT", certificate.GetCertHashString(HashAlgorithmName.SHA256), StringComparison.Ordinal));
        UnixFiles.DeleteTree(_scratch["store"]);
        Assert.Equal(unsigned, (await PullAsync("7.3")).ContentHash);

        // Changed after it was signed.
        using (ZipArchive archive = ZipFile.Open(Path.Combine(Folder, Id + ".7.3.4.nupkg"), ZipArchiveMode.Update))
            archive.CreateEntry("more.txt");
        e = await Fails("7.3", Options() with { Refresh = true });
        Assert.Contains("NU3008", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_packed_here_is_pulled_as_it_was()
    {
        string built = BuiltKernelDirectory.Write(_scratch);
        await KernelPackageWriter.WriteAsync(built, new KernelPackOptions { OutputDirectory = Folder }, Cancelled);
        UseFolder();
        GuestKernel kernel = await PullAsync("7.9#debug");
        Assert.Equal("7.9.3", kernel.PackageVersion);
        string directory = Path.GetDirectoryName(kernel.ExecutablePath)!;
        foreach (string file in Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(directory, f)).Where(f => f is not ("kernel.json" or "manifest.json")))
            Assert.Equal(KernelStore.HashOf(Path.Combine(built, file)), KernelStore.HashOf(Path.Combine(directory, file)));
        Assert.Equal(Path.Combine(directory, "modules/7.9.3-tiny"), kernel.ModulesDirectory);
        Assert.True(File.Exists(Path.Combine(directory, "build.json")) && File.Exists(Path.Combine(directory, "COPYING")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Feeds_list_what_they_offer(bool completes)
    {
        await using TestFeed feed = new TestFeed { Completes = completes }
            .Add(Package("7.3.4")).Add(Package("7.4.0-rc1")).Add(Package("7.3.3"), listed: false)
            .Add(Package("7.3.4", Id + ".DebugKunit")).Add(Package("7.3.4", Id + ".Symbols")).Add(Package("1.0.0", Id + "s"));
        await using TestFeed broken = new() { Fails = 404 };
        Package("6.1.9").PutInto(Folder);
        Package("6.1.9", Id + ".Symbols").PutInto(Folder);
        Package("6.1.9", "Other").PutInto(Folder);
        Configure(TestFeed.ConfigOf($"""
            <add key="loopback" value="{feed.Address}" allowInsecureConnections="true" />
            <add key="folder" value="{Folder}" />
            <add key="broken" value="{broken.Address}" allowInsecureConnections="true" />
            """));
        FeedListing listing = await KernelFeeds.ListAsync(Project, null, Cancelled);
        Assert.Equal(
            ["Uml.Kernel.Image 7.4.0-rc1 loopback", "Uml.Kernel.Image 7.3.4 loopback", "Uml.Kernel.Image.DebugKunit 7.3.4 loopback", "Uml.Kernel.Image 6.1.9 folder"],
            listing.Kernels.Select(k => $"{k.PackageId} {k.Version} {k.Feed}"));
        Assert.Contains(feed.Requests, r => r.StartsWith(completes ? "/complete?" : "/search?", StringComparison.Ordinal));
        Assert.Equal(["fast"], listing.Kernels[0].Profiles);
        Assert.Equal(["debug", "kunit"], listing.Kernels[2].Profiles);
        Assert.Equal(new FileInfo(Path.Combine(Folder, Id + ".6.1.9.nupkg")).Length, listing.Kernels[3].Size);
        Assert.Equal("A kernel for tests", listing.Kernels[1].Description);
        Assert.Equal(["linux", "kernel", "uml"], listing.Kernels[3].Tags);
        Assert.Equal(2026, listing.Kernels[1].Published!.Value.Year);
        Assert.StartsWith($"the feed broken ({broken.Address}) gives no answer: ", Assert.Single(listing.Problems), StringComparison.Ordinal);
        foreach (FeedKernel kernel in listing.Kernels)
            Assert.Equal(kernel.Version, (await PullAsync(kernel.Reference.ToString())).PackageVersion);
    }

    /// <summary>Lets the zip file say that its largest file is small.</summary>
    private static byte[] Shrink(byte[] package, int length)
    {
        byte[] needle = BitConverter.GetBytes(length);
        int found = 0;
        for (int at = 0; (at = package.AsSpan(at).IndexOf(needle) is >= 0 and var next ? at + next : -1) >= 0; at++, found++)
            BitConverter.GetBytes(1000).CopyTo(package, at);
        Assert.True(found >= 1);
        return package;
    }

    /// <summary>The tiny kernel with a loader that no host has.</summary>
    private static byte[] DynamicKernel()
    {
        byte[] kernel = TinyKernel.Build(TinyKernel.Banner + "\n\0/nonexistent/ld.so");
        int path = kernel.AsSpan().IndexOf("/nonexistent/ld.so"u8);

        // Its only program header moves behind the end, and one for the loader with it.
        byte[] headers = new byte[112];
        kernel.AsSpan(64, 56).CopyTo(headers);
        BitConverter.GetBytes(3).CopyTo(headers, 56);
        BitConverter.GetBytes((long)path).CopyTo(headers, 64);
        BitConverter.GetBytes((long)"/nonexistent/ld.so".Length + 1).CopyTo(headers, 88);
        BitConverter.GetBytes((long)"/nonexistent/ld.so".Length + 1).CopyTo(headers, 96);
        byte[] whole = [.. kernel, .. headers];
        BitConverter.GetBytes((long)kernel.Length).CopyTo(whole, 32);
        BitConverter.GetBytes((short)2).CopyTo(whole, 56);
        whole[path + "/nonexistent/ld.so".Length] = 0;
        return whole;
    }
}
