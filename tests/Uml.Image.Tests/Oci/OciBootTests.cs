using System.Text;
using System.Text.Json.Nodes;
using Xunit;

namespace Uml.CI;

/// <summary>Guests whose root is an OCI image.</summary>
public sealed class OciBootTests : ImageTest
{
    [Theory]
    [InlineData("debian:bookworm")]
    [InlineData("debian:sid")]
    public async Task An_image_from_a_registry_gives_its_entry_point_s_output(string kernel)
    {
        Tools.Find("sqfstar");
        // Static, as Debian's busybox-static installs it.
        byte[] busybox = await File.ReadAllBytesAsync(Tools.Find("busybox"), Token);
        await using FakeRegistry registry = new();
        ImageBuilder image = new ImageBuilder()
            .Layer(new LayerBuilder().File("bin/busybox", Encoding.Latin1.GetString(busybox), mode: 0x1ED).Symlink("bin/sh", "busybox").File("etc/motd", "lower").File("etc/passwd", "app:x:1234:1234::/:/bin/sh\n"))
            .Layer(new LayerBuilder().File("etc/.wh.motd", "").File("etc/secret", "of the app", mode: 0x100, user: 1234, group: 1234));
        image.Run["Env"] = new JsonArray("PATH=/bin", "WHO=an image");
        image.Run["User"] = "app";
        image.Run["WorkingDir"] = "/srv/work";
        image.Run["Entrypoint"] = new JsonArray("/bin/sh", "-c");
        image.Run["Cmd"] = new JsonArray("echo from $WHO; busybox id -u; pwd; busybox cat /etc/secret; test -e /etc/motd || echo no motd");
        ImageReference reference = ImageReference.Parse(registry.Add(image.Build()));
        ImageStore store = new();
        try
        {
            await using Guest guest = await new GuestBuilder().WithKernel(kernel).WithRoot(GuestRoot.Image(reference)).WithMemory("256M").WithBootTimeout(TimeSpan.FromMinutes(1)).StartAsync(Token);
            BootCount.Record();
            Assert.Empty(guest.Warnings);
            ExecResult result = await guest.ExecAsync(guest.Image!.Record.Command, Token);
            Assert.Equal("from an image\n1234\n/srv/work\nof the appno motd\n", result.StandardOutput + result.StandardError);
            result = await guest.ExecAsync(new ExecOptions(["sh", "-c", "echo $WHO; busybox id -u; pwd"]) { User = "0", WorkingDirectory = "/etc", Environment = System.Collections.Immutable.ImmutableSortedDictionary<string, string>.Empty.Add("WHO", "me") }, Token);
            Assert.Equal("me\n0\n/etc\n", result.StandardOutput + result.StandardError);

            // What is pulled stays; only a refresh asks again.
            int requests = registry.Requests.Count;
            Assert.Equal(guest.Image.Record.Sha256, (await store.ResolveAsync(reference, cancellationToken: Token)).Record.Sha256);
            Assert.Equal(requests, registry.Requests.Count);
            Assert.Equal(guest.Image.Record.Sha256, (await store.ResolveAsync(reference, new ImageResolveOptions { Refresh = true }, Token)).Record.Sha256);
            Assert.True(registry.Requests.Count > requests);
        }
        finally
        {
            if (store.Find(reference) is not null)
                await store.RemoveAsync(reference.ToString(), CancellationToken.None);
        }
    }

    [Fact]
    public async Task A_directory_that_holds_another_image_now_is_read_again_and_a_malformed_one_leaves_nothing()
    {
        Tools.Find("sqfstar");
        ImageStore store = new(Store);
        ImageReference reference = ImageReference.Parse(Layout(new LayerBuilder().File("a", "1")));
        string first = (await store.ResolveAsync(reference, cancellationToken: Token)).Record.Sha256;
        Assert.Equal(first, (await store.ResolveAsync(reference, cancellationToken: Token)).Record.Sha256);
        Layout(new LayerBuilder().File("a", "2"));
        Assert.NotEqual(first, (await store.ResolveAsync(reference, cancellationToken: Token)).Record.Sha256);
        string[] kept = Kept();
        Layout(new LayerBuilder().File("../a", "2"));
        KernelException refusal = await Assert.ThrowsAsync<KernelException>(() => store.ResolveAsync(reference, cancellationToken: Token));
        Assert.Contains("leads out of the root", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(kept.Order(), Kept().Order());
    }
}
