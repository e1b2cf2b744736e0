namespace Uml.CI.Profiles.Tests;

/// <summary>The profile <c>fast</c>, and what holds for every kernel that is built.</summary>
public sealed class FastTests(Kernels kernels)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_kernel_from_source_boots()
    {
        BuiltKernel built = await kernels.BuildAsync(Kernels.Fast);
        Assert.Equal("7.3", built.Kernel.Version.ToString());
        Assert.Equal(["fast"], built.Record.Profiles);
        Assert.StartsWith("linux-source-7.3 7.3", built.Record.Source.Name, StringComparison.Ordinal);
        await using Guest guest = await kernels.StartAsync(Kernels.Fast);
        ExecResult result = await guest.ExecAsync(["uname", "-r"], Cancel);
        Assert.Equal(built.Kernel.Release + "\n", result.StandardOutput);
        Assert.Empty(kernels.Store.Verify(kernels.Store.List().Single(k => k.Sha256 == built.Kernel.Sha256)));
    }

    [Fact]
    public async Task A_kernel_tells_nothing_of_where_it_was_built()
    {
        BuiltKernel built = await kernels.BuildAsync(Kernels.Fast);
        foreach (string file in Directory.EnumerateFiles(built.Directory, "*", SearchOption.AllDirectories))
        {
            byte[] content = await File.ReadAllBytesAsync(file, Cancel);
            foreach (string word in (string[])[kernels.Store.Root, $"@{Environment.MachineName})", "(" + Environment.UserName + "@", "/sources/" + built.Record.Source.Sha256])
                Assert.True(content.AsSpan().IndexOf(System.Text.Encoding.UTF8.GetBytes(word)) < 0, $"{file} holds '{word}'");
        }
    }

    [Fact]
    public async Task Packed_here_it_is_pulled_and_boots_elsewhere()
    {
        BuiltKernel built = await kernels.BuildAsync(Kernels.Fast);
        string directory = Directory.CreateTempSubdirectory("uml-packed-").FullName;
        try
        {
            IReadOnlyList<string> packages = await KernelPackageWriter.WriteAsync(built.Directory, new KernelPackOptions { OutputDirectory = Path.Combine(directory, "packages"), Symbols = false }, Cancel);
            string version = Path.GetFileNameWithoutExtension(Assert.Single(packages))[(KernelReference.DefaultPackageId.Length + 1)..];
            await using TestFeed feed = new TestFeed().Add(KernelReference.DefaultPackageId, version, await File.ReadAllBytesAsync(packages[0], Cancel));
            await File.WriteAllTextAsync(Path.Combine(directory, "NuGet.Config"), feed.Config(), Cancel);

            // A release candidate is taken where nothing else is there.
            var store = new KernelStore(Path.Combine(directory, "store"));
            GuestKernel pulled = await store.ResolveAsync("7.3", new KernelResolveOptions { SettingsDirectory = directory }, Cancel);
            Assert.Equal((built.Kernel.Sha256, built.Kernel.Release, 1), (pulled.Sha256, pulled.Release, feed.Downloads));
            Assert.Empty(store.Verify(Assert.Single(store.List())));
            await using Guest guest = await new GuestBuilder().WithKernel($"file:{pulled.ExecutablePath}").WithMemory("256M").StartAsync(Cancel);
            BootCount.Record();
            Assert.Equal(built.Kernel.Release + "\n", (await guest.ExecAsync(["uname", "-r"], Cancel)).StandardOutput);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public async Task Built_again_elsewhere_the_bytes_are_equal()
    {
        Assert.SkipUnless(Kernels.All, "a second build takes a while; UML_TEST_PROFILES=all does it");
        BuiltKernel first = await kernels.BuildAsync(Kernels.Fast);
        string directory = Path.Combine(Path.GetTempPath(), $"uml-again-{Guid.NewGuid():N}");
        string sources = Path.Combine(directory, "sources");
        Directory.CreateDirectory(sources);
        try
        {
            // The source is not downloaded again, but unpacked again, to another place; and no compiler's results are taken from a cache.
            string hash = first.Record.Source.Sha256!;
            string here = Path.Combine(kernels.Store.Root, "sources");
            File.Copy(Path.Combine(here, "debian-7.3.json"), Path.Combine(sources, "debian-7.3.json"));
            foreach (string tarball in Directory.EnumerateFiles(here, hash + ".tar*"))
                File.CreateSymbolicLink(Path.Combine(sources, Path.GetFileName(tarball)), tarball);
            HostTools host = new() { Variable = name => name == "CCACHE_DISABLE" ? "1" : Environment.GetEnvironmentVariable(name) };
            BuiltKernel second = await new KernelStore(directory, host).BuildAsync(Kernels.Fast, new KernelBuildOptions { Jobs = 3 }, Cancel);
            Assert.False(second.WasPresent);
            Assert.Equal(first.Record.Inputs, second.Record.Inputs);

            // Both say when they came into their store.
            Assert.Equal(["kernel.json"], DirectoryComparison.Differences(first.Directory, second.Directory));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}
