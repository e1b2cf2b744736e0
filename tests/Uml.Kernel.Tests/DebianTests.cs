using System.Collections.Immutable;
using System.Diagnostics;
using Xunit;

[assembly: AssemblyFixture(typeof(Uml.CI.SharedStore))]

namespace Uml.CI;

/// <summary>One store for all tests that fetch from Debian's archive, so that each suite is downloaded once in a run.</summary>
public sealed class SharedStore : IDisposable
{
    private readonly Scratch _scratch = new("uml kernel store");

    /// <summary>Where it is.</summary>
    public string Directory => _scratch["store"];

    internal KernelStore Open() => new(Directory);

    /// <inheritdoc/>
    public void Dispose() => _scratch.Dispose();
}

/// <summary>Real packages through the host's apt.</summary>
public sealed class DebianTests(SharedStore shared)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private static async Task<string> VersionAsync(GuestKernel kernel)
    {
        ExternalResult result = await new ExternalProgram(kernel.ExecutablePath)
        {
            Arguments = ["--version"],
            Environment = ImmutableDictionary<string, string?>.Empty.Add("LD_LIBRARY_PATH", kernel.LibraryDirectory),
        }.RunAsync(Cancelled);
        return result.StandardOutput.Trim();
    }

    [Theory]
    [InlineData("debian:bookworm", 6, 1)]
    [InlineData("debian:trixie", 6, 12)]
    [InlineData("debian:sid", 7, 0)]
    public async Task A_suites_kernel_runs_here(string reference, int major, int minor)
    {
        Reports reports = new();
        GuestKernel kernel = await shared.Open().ResolveAsync(reference, new KernelResolveOptions { Progress = reports }, Cancelled);
        Assert.True(kernel.Version >= new Version(major, minor), kernel.Release);
        Assert.Equal(kernel.Release, await VersionAsync(kernel));
        Assert.True(File.Exists(Path.Combine(kernel.ModulesDirectory!, "modules.dep")));
        Assert.NotEmpty(Directory.EnumerateFiles(kernel.ModulesDirectory!, "overlay.ko*", SearchOption.AllDirectories));
        Assert.All(kernel.ReadPaths, p => Assert.True(Path.Exists(p), p));

        // What is on the way is no larger than it has to be.
        Assert.Equal(kernel.LibraryDirectory is not null, kernel.ReadPaths.Contains(kernel.LibraryDirectory));
        if (kernel.LibraryDirectory is not null)
            Assert.Equal(["ld-linux-x86-64.so.2", "libc.so.6", "libgcc_s.so.1"], Directory.EnumerateFiles(kernel.LibraryDirectory).Select(Path.GetFileName).Order(StringComparer.Ordinal));

        // The second time takes neither apt nor the network, nor a look at the kernel itself.
        KernelStore offline = new(shared.Directory, new HostTools { Variable = _ => null });
        Assert.Equal(kernel.ExecutablePath, (await offline.ResolveAsync(reference, null, Cancelled)).ExecutablePath);
        Assert.Empty(offline.Verify(offline.List().Single(k => k.Sha256 == kernel.Sha256)));
    }

    [Fact]
    public async Task A_store_that_moved_still_runs()
    {
        KernelStore store = shared.Open();
        GuestKernel kernel = await store.ResolveAsync("debian:trixie", null, Cancelled);
        using Scratch scratch = new();
        foreach (string part in (string[])["refs/debian/trixie.json", $"kernels/{kernel.Sha256}"])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(scratch["moved/" + part])!);
            await new ExternalProgram("cp") { Arguments = ["-r", Path.Combine(store.Root, part), scratch["moved/" + part]] }.RunAsync(Cancelled);
        }

        GuestKernel moved = (await new KernelStore(scratch["moved"]).ResolveAsync("debian:trixie", new KernelResolveOptions { Offline = true }, Cancelled));
        Assert.StartsWith(scratch["moved"], moved.ExecutablePath, StringComparison.Ordinal);
        Assert.Equal(kernel.Release, await VersionAsync(moved));
        if (moved.LibraryDirectory is not null)
        {
            using FileStream file = File.OpenRead(moved.ExecutablePath);
            Assert.StartsWith(scratch["moved"], ElfImage.Read(file).Interpreter, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Processes_at_once_get_the_same_kernel()
    {
        using Scratch scratch = new();
        Process[] others = [.. Enumerable.Range(0, 3).Select(_ => OtherProcess.Start(scratch["store"], "debian:sid"))];
        string[] outputs = await Task.WhenAll(others.Select(async p =>
        {
            Task<string> error = p.StandardError.ReadToEndAsync(Cancelled);
            string output = await p.StandardOutput.ReadToEndAsync(Cancelled);
            await p.WaitForExitAsync(Cancelled);
            Assert.True(p.ExitCode == 0, await error);
            return output.Trim();
        }));
        Assert.Equal(new KernelStore(scratch["store"]).Find("debian:sid")!.ExecutablePath, Assert.Single(outputs.Distinct(StringComparer.Ordinal)));
        foreach (Process other in others)
            other.Dispose();
    }

    [Fact]
    public async Task A_suite_that_does_not_exist_is_told()
    {
        KernelException e = await Assert.ThrowsAsync<KernelException>(() => shared.Open().ResolveAsync("debian:nosuchsuite", null, Cancelled));
        Assert.Contains("has no suite nosuchsuite", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_index_past_its_date_is_used_with_a_warning()
    {
        // The host may have switched the check off; this puts it back.
        Reports reports = new();
        using Scratch scratch = new();
        KernelStore store = new(scratch["store"], new HostTools
        {
            AptConfiguration = "Acquire::Check-Valid-Until \"true\"; Acquire::Check-Date \"true\"; Acquire::Max-ValidTime \"1\";\n",
        });
        GuestKernel kernel = await store.ResolveAsync("debian:bookworm", new KernelResolveOptions { Progress = reports }, Cancelled);
        Assert.NotEmpty(kernel.Release);
        Assert.Contains("Valid-Until", Assert.Single(reports.All, r => r.IsWarning).Stage, StringComparison.Ordinal);
    }
}
