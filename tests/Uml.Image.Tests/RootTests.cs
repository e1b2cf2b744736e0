using System.Security.Cryptography;
using System.Text;

namespace Uml.CI;

/// <summary>Guests whose root is an image.</summary>
public sealed class RootTests
{
    private const string Suite = "debian:trixie";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static async Task<Guest> StartAsync(GuestRoot root, string kernel = "debian:sid", Func<GuestBuilder, GuestBuilder>? configure = null)
    {
        GuestBuilder builder = new GuestBuilder().WithKernel(kernel).WithRoot(root).WithMemory("256M").WithBootTimeout(TimeSpan.FromMinutes(1)).WithCommandTimeout(TimeSpan.FromMinutes(2));
        Guest guest = await (configure ?? (b => b))(builder).StartAsync(Cancel);
        BootCount.Record();
        return guest;
    }

    private static async Task<string> ShellAsync(Guest guest, string script)
    {
        ExecResult result = await guest.ExecAsync(["sh", "-c", script], Cancel);
        Assert.True(result.Success, $"{script}: {result.Exit}\n{result.StandardOutput}{result.StandardError}");
        return result.StandardOutput.TrimEnd('\n');
    }

    /// <summary>What an image of a distribution needs on the host; where something is missing the test says what.</summary>
    internal static async Task<RootImage> MinimalAsync()
    {
        foreach (string program in (string[])["mmdebstrap", "sqfstar", "unshare"])
            Tools.Find(program);
        return await new ImageStore().ResolveAsync(ImageReference.Parse(Suite), cancellationToken: Cancel);
    }

    [Theory]
    [InlineData("debian:bookworm")]
    [InlineData("debian:trixie")]
    [InlineData("debian:sid")]
    public async Task A_distribution_is_a_system_of_its_own(string kernel)
    {
        await MinimalAsync();
        await using Guest guest = await StartAsync(GuestRoot.Distribution(Suite), kernel, b => b.WithHostname("other"));
        Assert.Empty(guest.Warnings);
        Assert.Contains("VERSION_CODENAME=trixie", await ShellAsync(guest, "cat /etc/os-release"), StringComparison.Ordinal);
        Assert.Equal("other\nother", await ShellAsync(guest, "uname -n; cat /etc/hostname"));
        Assert.Equal("", await ShellAsync(guest, "dpkg --audit; cat /etc/resolv.conf /etc/machine-id 2>/dev/null; ls /etc/apt/sources.list.d"));
        Assert.Contains("other", await ShellAsync(guest, "getent hosts other"), StringComparison.Ordinal);
        Assert.Equal("/root /root", await ShellAsync(guest, "echo $HOME $(getent passwd root | cut -d: -f6)"));
        Assert.Equal("proc sysfs devtmpfs tmpfs tmpfs", await ShellAsync(guest, "for d in /proc /sys /dev /run /dev/shm; do awk -v d=$d '$2 == d { t = $3 } END { printf \"%s \", t }' /proc/mounts; done | sed 's/ $//'"));
        Assert.Equal("overlay", await ShellAsync(guest, "awk '$2 == \"/\" { t = $3 } END { print t }' /proc/mounts"));
        Assert.Equal("1777", await ShellAsync(guest, "stat -c %a /tmp"));
        Assert.Equal($"/usr/lib/modules/{guest.Release}", await ShellAsync(guest, "readlink -f /lib/modules/$(uname -r)"));
        Assert.Equal("modules.dep", await ShellAsync(guest, "ls /lib/modules/$(uname -r) | grep -x modules.dep"));
        // Owners are the guest's own, whoever runs it on the host.
        Assert.Equal("1000:50 4755", await ShellAsync(guest, "cp /bin/true /srv/x && chown 1000:50 /srv/x && chmod 4755 /srv/x && stat -c '%u:%g %a' /srv/x"));
    }

    [Theory]
    [InlineData("debian:bookworm")]
    [InlineData("debian:sid")]
    public async Task What_the_archive_says_of_its_files_the_guest_sees(string kernel)
    {
        using var scratch = new Scratch();
        string probe = scratch["probe"];
        await new ExternalProgram(Tools.Find("gcc")) { Arguments = ["-static", "-O2", "-o", probe, Path.Combine(AppContext.BaseDirectory, "probe.c")] }.RunAsync(Cancel);
        byte[] capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        byte[] program = await File.ReadAllBytesAsync(probe, Cancel);
        await File.WriteAllBytesAsync(scratch["root.tar"], new TarText()
            .Add("dev", '5', mode: 0x1ed).Add("proc", '5', mode: 0x1ed)
            .Add("suid", content: "x", mode: 0x9ed, user: 7, group: 8, time: 1_234_567_890)
            .Add("same", '1', link: "suid")
            .Pax(("SCHILY.xattr.security.capability", capability))
            .Add("capable", content: "xyz", mode: 0x1ed)
            .Add("sticky", '5', mode: 0x7ff, user: 65534, group: 65534)
            .Add("dangling", '2', link: "/no/where")
            .Add("node", '4', mode: 0x1b0, group: 6, major: 7, minor: 300)
            .Add("fifo", '6', mode: 0x180)
            .Add("big", content: new string('x', 300_000))
            .ToArray(), Cancel);
        // A private store for the archive; the reference is resolved by the file itself.
        RootImage image = await scratch.Store.ImportAsync(scratch["root.tar"], "probe", cancellationToken: Cancel);
        Assert.NotNull(image.AttributesPath);
        await new ImageStore().NameAsync(await new ImageStore().ImportAsync(scratch["root.tar"], "uml-test-probe", cancellationToken: Cancel), "uml-test-probe", Cancel);
        try
        {
            await using Guest guest = await StartAsync(GuestRoot.Image("image:uml-test-probe"), kernel, b => b.WithArtifact(probe, "/probe"));
            Assert.Empty(guest.Warnings);
            ExecResult result = await guest.ExecAsync(["/probe", "/suid", "/same", "/capable", "/sticky", "/dangling", "/node", "/fifo", "/big"], Cancel);
            Assert.Equal(
                """
                /suid: 104755 7:8 links 2 size 1 time 1234567890
                /same: 104755 7:8 links 2 size 1 time 1234567890
                /capable: 100755 0:0 links 1 size 3 time 1000000000 security.capability=0100000200200000000000000000000000000000
                /sticky: 43777 65534:65534 links 2 size 0 time 1000000000
                /dangling: 120644 0:0 links 1 size 0 time 1000000000 -> /no/where
                /node: 60660 0:6 links 1 size 0 time 1000000000 device 7:300
                /fifo: 10600 0:0 links 1 size 0 time 1000000000
                /big: 100644 0:0 links 1 size 300000 time 1000000000

                """.Replace("120644", "120777", StringComparison.Ordinal),
                result.StandardOutput.Replace("120644", "120777", StringComparison.Ordinal));
        }
        finally
        {
            await new ImageStore().RemoveAsync("image:uml-test-probe", Cancel);
        }

        Assert.True(program.Length > 0);
    }

    [Fact]
    public async Task Sixteen_guests_at_once_have_each_a_clean_root_and_the_image_stays_as_it_is()
    {
        RootImage image = await MinimalAsync();
        string before = await HashAsync(image.Path);
        Guest[] guests = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => StartAsync(GuestRoot.Distribution(Suite))));
        try
        {
            await Task.WhenAll(guests.Select((g, i) => ShellAsync(g, $"echo {i} > /etc/mark; rm /etc/debian_version; echo {i} > /usr/bin/mark")));
            string[] marks = await Task.WhenAll(guests.Select(g => ShellAsync(g, "cat /etc/mark /usr/bin/mark; test ! -e /etc/debian_version")));
            Assert.Equal(Enumerable.Range(0, 16).Select(i => $"{i}\n{i}"), marks);
            // Nothing that a guest writes is on the host's disk.
            Assert.All(await Task.WhenAll(guests.Select(WrittenAsync)), bytes => Assert.InRange(bytes, 0, 5_000_000));
        }
        finally
        {
            foreach (Guest guest in guests)
                await guest.DisposeAsync();
        }

        await using Guest next = await StartAsync(GuestRoot.Distribution(Suite));
        Assert.Equal("clean", await ShellAsync(next, "test ! -e /etc/mark && test -e /etc/debian_version && echo clean"));
        Assert.Equal(before, await HashAsync(image.Path));
        Assert.All(guests, g => Assert.False(Directory.Exists(g.Directory)));
    }

    [Fact]
    public async Task With_scratch_a_guest_writes_more_than_its_memory_and_nothing_stays()
    {
        Tools.Find("mkfs.ext4");
        await MinimalAsync();
        string scratch = Path.Combine(new KernelStore().Root, "scratch");
        string mine = $"{Environment.ProcessId}-*";
        await using (Guest guest = await StartAsync(GuestRoot.Distribution(Suite), configure: b => b.WithScratch("2G")))
        {
            Assert.Equal("400", await ShellAsync(guest, "dd if=/dev/zero of=/var/big bs=1M count=400 status=none && du -m /var/big | cut -f1"));
            // Its file has no name any more.
            Assert.Empty(Directory.EnumerateDirectories(scratch, mine));
        }

        Assert.Empty(Directory.EnumerateDirectories(scratch, mine));
    }

    [Fact]
    public async Task A_file_with_an_image_is_a_root()
    {
        RootImage image = await MinimalAsync();
        using var place = new Scratch();
        string copy = place["an image, with a comma:colon.squashfs"];
        await ImageStore.ExportAsync(new ImageStore().FindStored(Suite), copy, Cancel);
        Assert.Equal(await HashAsync(image.Path), await HashAsync(copy));
        await using Guest guest = await StartAsync(GuestRoot.Image("file:" + copy));
        Assert.Equal("written", await ShellAsync(guest, "echo written > /etc/x; cat /etc/x"));
    }

    [Theory]
    [InlineData("whole", "debian:bookworm")]
    [InlineData("whole", "debian:sid")]
    [InlineData("gpt", "debian:bookworm")]
    [InlineData("gpt", "debian:sid")]
    [InlineData("dos", "debian:sid")]
    public async Task A_disk_is_a_root_and_stays_as_it_is(string kind, string kernel)
    {
        using var place = new Scratch();
        Directory.CreateDirectory(place["tree/dev"]);
        Directory.CreateDirectory(place["tree/proc"]);
        await new ExternalProgram(Tools.Find("gcc")) { Arguments = ["-static", "-O2", "-o", place["tree/probe"], Path.Combine(AppContext.BaseDirectory, "probe.c")] }.RunAsync(Cancel);
        await new ExternalProgram(Tools.Find("mkfs.ext4")) { Arguments = ["-q", "-F", "-d", place["tree"], place["root.img"], "16M"] }.RunAsync(Cancel);
        string disk = place["root.img"];
        if (kind != "whole")
        {
            disk = place["disk.img"];
            await using (FileStream made = File.Create(disk))
                made.SetLength(40 << 20);
            string table = kind == "gpt" ? "label: gpt\nsize=8M, type=L\nstart=12M, size=16M, type=4f68bce3-e8cd-4db1-96e7-fbcaf984b709\n" : "label: dos\nstart=1M, size=8M, type=82\nstart=12M, size=16M, type=83\n";
            await File.WriteAllTextAsync(place["table"], table, Cancel);
            await new ExternalProgram("/bin/sh") { Arguments = ["-c", "\"$1\" -q \"$2\" < \"$3\" && dd if=\"$4\" of=\"$2\" bs=1M seek=12 conv=notrunc status=none", "sh", Tools.Find("sfdisk"), disk, place["table"], place["root.img"]] }.RunAsync(Cancel);
        }

        string before = await HashAsync(disk);
        await using (Guest guest = await StartAsync(GuestRoot.Image("file:" + disk), kernel, b => b.WithArtifact(place["table"].Length > 0 && File.Exists(place["table"]) ? place["table"] : disk, "/written")))
        {
            ExecResult result = await guest.ExecAsync(["/probe", "/probe", "/written"], Cancel);
            Assert.Contains("/probe: 100755", result.StandardOutput, StringComparison.Ordinal);
            Assert.Contains("/written: 100644", result.StandardOutput, StringComparison.Ordinal);
        }

        Assert.Equal(before, await HashAsync(disk));
    }

    [Fact]
    public async Task An_archive_is_a_root_and_made_once()
    {
        using var place = new Scratch();
        await new ExternalProgram(Tools.Find("gcc")) { Arguments = ["-static", "-O2", "-o", place["probe"], Path.Combine(AppContext.BaseDirectory, "probe.c")] }.RunAsync(Cancel);
        await new ExternalProgram("tar") { Arguments = ["-czf", place["root.tar.gz"], "-C", place.Path, "probe"] }.RunAsync(Cancel);
        ImageReference reference = ImageReference.Parse("file:" + place["root.tar.gz"]);
        try
        {
            await using Guest guest = await StartAsync(GuestRoot.Image(reference));
            Assert.Contains("/probe: 100755", (await guest.ExecAsync(["/probe", "/probe"], Cancel)).StandardOutput, StringComparison.Ordinal);
            RootImage made = new ImageStore().Find(reference)!;
            // Another archive under the same name is another root.
            await new ExternalProgram("tar") { Arguments = ["-czf", place["root.tar.gz"], "-C", place.Path, "--transform=s/probe/other/", "probe"] }.RunAsync(Cancel);
            Assert.Null(new ImageStore().Find(reference));
            await using Guest next = await StartAsync(GuestRoot.Image(reference));
            Assert.Contains("/other: 100755", (await next.ExecAsync(["/other", "/other"], Cancel)).StandardOutput, StringComparison.Ordinal);
            await new ImageStore().RemoveAsync(made.Record.Sha256, Cancel);
        }
        finally
        {
            await new ImageStore().RemoveAsync(reference.ToString(), Cancel);
        }
    }

    [Fact]
    public async Task A_damaged_image_is_said_in_one_line()
    {
        using var place = new Scratch();
        byte[] squashfs = new byte[4096];
        "hsqs"u8.CopyTo(squashfs);
        await File.WriteAllBytesAsync(place["bad.squashfs"], squashfs, Cancel);
        GuestBootException e = await Assert.ThrowsAsync<GuestBootException>(() => StartAsync(GuestRoot.Image("file:" + place["bad.squashfs"])));
        Assert.Contains("cannot mount the root image as squashfs", e.Summary, StringComparison.Ordinal);
    }

    internal static async Task<string> HashAsync(string path)
    {
        await using FileStream file = File.OpenRead(path);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, Cancel));
    }

    // What the files take that the guest's kernel has open for writing, but for those in memory, its own included: they
    // are on no disk.
    private static async Task<long> WrittenAsync(Guest guest)
    {
        string[] files = [.. new DirectoryInfo($"/proc/{guest.ProcessId}/fdinfo").EnumerateFiles()
            .Where(f => (Convert.ToInt32(File.ReadLines(f.FullName).First(l => l.StartsWith("flags:", StringComparison.Ordinal)).Split('\t')[1], 8) & 3) != 0)
            .Select(f => $"/proc/{guest.ProcessId}/fd/{f.Name}")
            .Where(f => new FileInfo(f).LinkTarget is { } target && !target.StartsWith(Path.GetDirectoryName(guest.Directory)!, StringComparison.Ordinal))];
        string sizes = (await new ExternalProgram("stat") { Arguments = ["-L", "-c", "%F:%b", .. files] }.RunAsync(Cancel)).StandardOutput;
        return sizes.Split('\n').Where(l => l.StartsWith("regular", StringComparison.Ordinal)).Sum(l => 512L * long.Parse(l.Split(':')[1], System.Globalization.CultureInfo.InvariantCulture));
    }
}
