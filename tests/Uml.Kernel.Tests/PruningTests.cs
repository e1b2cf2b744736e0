using Xunit;

namespace Uml.CI;

/// <summary>What goes when the store is pruned.</summary>
public sealed class PruningTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_was_not_used_for_long_goes_with_its_reference()
    {
        using Scratch scratch = new();
        (KernelStore store, GuestKernel old, GuestKernel young) = await TwoKernelsAsync(scratch);
        Age(old, days: 40);
        Age(young, days: 10);

        KernelPruneOptions options = new() { UnusedFor = TimeSpan.FromDays(30), DryRun = true };
        PrunedItem item = Assert.Single(await store.PruneAsync(options, Cancelled));
        Assert.Contains("debian:old", item.Name, StringComparison.Ordinal);
        Assert.Equal(2, store.List().Count);

        Assert.Equal([item], await store.PruneAsync(options with { DryRun = false }, Cancelled));
        Assert.Equal(["debian:young"], Assert.Single(store.List()).References);
        Assert.Null(store.Find("debian:old"));
        Assert.False(Directory.Exists(Path.GetDirectoryName(old.ExecutablePath)));
        Assert.Equal(["gate"], Directory.EnumerateFileSystemEntries(scratch["store/tmp"]).Select(Path.GetFileName));
    }

    [Fact]
    public async Task The_longest_unused_goes_first_when_there_is_too_much()
    {
        using Scratch scratch = new();
        (KernelStore store, GuestKernel old, GuestKernel young) = await TwoKernelsAsync(scratch);
        Age(old, days: 3);
        Age(young, days: 2);
        long size = store.FindStored("debian:young").Size;
        Assert.Contains("debian:old", Assert.Single(await store.PruneAsync(new KernelPruneOptions { MaximumSize = size }, Cancelled)).Name, StringComparison.Ordinal);
        Assert.Empty(await store.PruneAsync(new KernelPruneOptions { MaximumSize = size }, Cancelled));
        Assert.Single(await store.PruneAsync(new KernelPruneOptions { MaximumSize = 0 }, Cancelled));
        Assert.Empty(store.List());
    }

    [Fact]
    public async Task Use_keeps_a_kernel()
    {
        using Scratch scratch = new();
        (KernelStore store, GuestKernel old, _) = await TwoKernelsAsync(scratch);
        Age(old, days: 40);
        Assert.NotNull(store.Find("debian:old"));
        Assert.Empty(await store.PruneAsync(new KernelPruneOptions { UnusedFor = TimeSpan.FromDays(30), MaximumSize = 0 }, Cancelled));
    }

    [Fact]
    public async Task A_stored_kernel_is_found_by_reference_and_by_the_beginning_of_its_sum()
    {
        using Scratch scratch = new();
        (KernelStore store, GuestKernel old, _) = await TwoKernelsAsync(scratch);
        Assert.Equal(old.Sha256, store.FindStored("debian:old").Sha256);
        Assert.Equal(old.Sha256, store.FindStored(old.Sha256[..8]).Sha256);
        Assert.Equal("the package user-mode-linux of Debian old", store.FindStored("debian:old").Origin);
        Assert.Contains("debian:none", Assert.Throws<KernelException>(() => store.FindStored("debian:none")).Message, StringComparison.Ordinal);
        Assert.Null(KernelStore.RecordOf(store.FindStored("debian:old")));
    }

    [Fact]
    public async Task A_directory_that_holds_no_kernel_any_more_is_named()
    {
        using Scratch scratch = new();
        (KernelStore store, GuestKernel old, _) = await TwoKernelsAsync(scratch);
        Assert.Empty(store.Unreadable());
        string directory = Path.GetDirectoryName(old.ExecutablePath)!;
        File.WriteAllText(Path.Combine(directory, "kernel.json"), "{");
        Assert.Equal([directory], store.Unreadable());
    }

    private static async Task<(KernelStore Store, GuestKernel Old, GuestKernel Young)> TwoKernelsAsync(Scratch scratch)
    {
        GuestKernel old = await new FakeApt(scratch).Store().ResolveAsync("debian:old", cancellationToken: Cancelled);
        byte[] other = TinyKernel.Build("Linux version 7.9.4-tiny (someone@somewhere) (gcc 1) #1 Mon Jan  1 00:00:00 UTC 2024");
        KernelStore store = new FakeApt(scratch, kernel: other).Store();
        return (store, old, await store.ResolveAsync("debian:young", cancellationToken: Cancelled));
    }

    private static void Age(GuestKernel kernel, int days) =>
        File.SetLastWriteTimeUtc(Path.Combine(Path.GetDirectoryName(kernel.ExecutablePath)!, "kernel.json"), DateTime.UtcNow.AddDays(-days));
}
