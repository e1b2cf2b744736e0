namespace Uml.CI;

public sealed class StoreTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static async Task<RootImage> AddAsync(Scratch scratch, string name, string content)
    {
        Tools.Find("sqfstar");
        return await scratch.Store.CreateAsync(
            ImageReference.Parse("image:" + name), new ImageRecord { Origin = "a test" }, DateTimeOffset.UnixEpoch,
            async (stream, token) => await stream.WriteAsync(new TarText().Add("file", content: content).ToArray(), token), cancellationToken: Cancel);
    }

    [Fact]
    public async Task An_image_that_changed_is_found_out()
    {
        using var scratch = new Scratch();
        RootImage image = await AddAsync(scratch, "a", "something");
        Assert.Empty(scratch.Store.Verify(Cancel));
        File.SetUnixFileMode(image.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await using (FileStream file = File.OpenWrite(image.Path))
        {
            file.Position = 100;
            file.WriteByte(0xee);
        }

        (string directory, string problem) = Assert.Single(scratch.Store.Verify(Cancel));
        Assert.Contains(image.Record.Sha256, directory, StringComparison.Ordinal);
        Assert.Contains("SHA-256", problem, StringComparison.Ordinal);

        // Made again, it is good again.
        await AddAsync(scratch, "a", "something");
        Assert.Empty(scratch.Store.Verify(Cancel));
    }

    [Fact]
    public async Task A_cut_image_is_not_there()
    {
        using var scratch = new Scratch();
        RootImage image = await AddAsync(scratch, "a", "something");
        File.SetUnixFileMode(image.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await using (FileStream file = File.OpenWrite(image.Path))
            file.SetLength(1000);
        Assert.Null(scratch.Store.Find(image.Reference));
        Assert.Single(scratch.Store.Verify(Cancel));
        Assert.Contains("not in the image store", (await Assert.ThrowsAsync<KernelException>(() => scratch.Store.ResolveAsync(image.Reference, cancellationToken: Cancel))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Names_come_and_go_and_the_image_goes_with_the_last()
    {
        using var scratch = new Scratch();
        RootImage image = await AddAsync(scratch, "a", "something");
        await scratch.Store.NameAsync(image, "b", Cancel);
        Assert.False(await scratch.Store.RemoveAsync("a", Cancel));
        Assert.Null(scratch.Store.Find(ImageReference.Parse("image:a")));
        Assert.NotNull(scratch.Store.Find(ImageReference.Parse("image:b")));
        Assert.True(await scratch.Store.RemoveAsync("image:b", Cancel));
        Assert.Empty(scratch.Store.List());
        Assert.Empty(scratch.Remains());
        Assert.Equal(KernelProblem.NotFound, (await Assert.ThrowsAsync<KernelException>(() => scratch.Store.RemoveAsync("b", Cancel))).Problem);
    }

    [Fact]
    public async Task What_is_unused_is_pruned_and_what_is_used_stays()
    {
        using var scratch = new Scratch();
        RootImage old = await AddAsync(scratch, "old", "old");
        await AddAsync(scratch, "new", "new");
        File.SetLastWriteTimeUtc(Path.Combine(Path.GetDirectoryName(old.Path)!, "image.json"), DateTime.UtcNow - TimeSpan.FromDays(40));
        Assert.Single(await scratch.Store.PruneAsync(new KernelPruneOptions { UnusedFor = TimeSpan.FromDays(30), DryRun = true }, Cancel));
        Assert.Equal(2, scratch.Store.List().Count);
        PrunedItem gone = Assert.Single(await scratch.Store.PruneAsync(new KernelPruneOptions { UnusedFor = TimeSpan.FromDays(30) }, Cancel));
        Assert.Contains("image:old", gone.Name, StringComparison.Ordinal);
        Assert.Equal(["image:new"], Assert.Single(scratch.Store.List()).References);
        Assert.Empty(scratch.Remains());
    }

    [Fact]
    public async Task Offline_says_what_to_do()
    {
        using var scratch = new Scratch();
        KernelException e = await Assert.ThrowsAsync<KernelException>(() => scratch.Store.ResolveAsync(ImageReference.Parse("debian:trixie"), new ImageResolveOptions { Offline = true }, Cancel));
        Assert.Contains("uml image build debian:trixie", e.Message, StringComparison.Ordinal);
        Assert.Equal(KernelProblem.Unavailable, e.Problem);
    }

    [Fact]
    public async Task Files_that_are_no_images_are_refused()
    {
        using var scratch = new Scratch();
        File.WriteAllBytes(scratch["empty"], []);
        File.WriteAllText(scratch["text"], new string('x', 100_000));
        byte[] squashfs = new byte[96];
        "hsqs"u8.CopyTo(squashfs);
        squashfs[43] = 1;
        File.WriteAllBytes(scratch["cut"], squashfs);
        foreach ((string name, string words) in ((string, string)[])[("empty", "is empty"), ("text", "is no tar archive"), ("cut", "is cut off"), ("missing", "does not exist")])
        {
            KernelException e = await Assert.ThrowsAsync<KernelException>(() => scratch.Store.ResolveAsync(ImageReference.Parse("file:" + scratch[name]), null, Cancel));
            Assert.Contains(words, e.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', e.Message);
        }
    }
}
