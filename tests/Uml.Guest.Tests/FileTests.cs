using System.Diagnostics;

namespace Uml.CI.Tests;

public sealed class FilesOnOldKernel : FileTests
{
    protected override string Kernel => Guests.Old;
}

public sealed class FilesOnNewKernel : FileTests
{
    protected override string Kernel => Guests.New;
}

/// <summary>Files travel both ways whole, and what the guest does to the host's files stays in the guest.</summary>
public abstract class FileTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    protected abstract string Kernel { get; }

    [Fact]
    public async Task A_tree_arrives_and_comes_back_as_it_was()
    {
        using var host = new TemporaryDirectory();
        await Run($"""
            set -e; cd '{host.Path}'; mkdir -p 'in/dir with space/empty' in/naïve; printf 'a\0b' > 'in/naïve/☃ file'
            printf '#!/bin/sh\necho run' > in/script; chmod 751 in/script; chmod 600 'in/naïve/☃ file'; : > in/zero
            ln -s 'naïve/☃ file' in/link; ln -s /nowhere in/dangling; touch -d '2001-02-03 04:05:06' in/zero; chmod 2750 'in/dir with space'
            """);
        await using Guest guest = await Guests.StartAsync(Kernel, b => b.WithArtifact(host["in"], "/opt/deep/new dir/in"));
        ExecResult result = await guest.Shell("cd '/opt/deep/new dir/in' && find . -printf '%P %M %l %s\\n' | sort; ./script; cat link | od -c | head -1; stat -c %Y zero");
        Assert.Equal("", result.StandardError);
        Assert.Contains("dangling lrwxrwxrwx /nowhere 8", result.StandardOutput, StringComparison.Ordinal);
        Assert.Contains("script -rwxr-x--x ", result.StandardOutput, StringComparison.Ordinal);
        Assert.Contains("dir with space drwxr-s---", result.StandardOutput, StringComparison.Ordinal);
        Assert.Contains("a  \\0   b", result.StandardOutput, StringComparison.Ordinal);
        Assert.Contains("\nrun", result.StandardOutput, StringComparison.Ordinal);

        await guest.CopyOutAsync("/opt/deep/new dir/in", host["out/put/"], Cancel);
        const string List = "find . -printf '%P %m %y %l %TY-%Tm-%Td %TH:%TM\\n' | sort; find . -type f -exec sha256sum {} + | sort";
        Assert.Equal(
            (await Run($"cd '{host["in"]}'; {List}")).Replace(" 2750 ", " 750 ", StringComparison.Ordinal),
            await Run($"cd '{host["out/put/in"]}'; {List}"));
    }

    [Fact]
    public async Task A_sparse_file_of_over_four_gigabytes_keeps_its_holes()
    {
        using var host = new TemporaryDirectory();
        await Run($"cd '{host.Path}'; printf start > big; truncate -s 5000000000 big; printf end >> big; printf middle | dd of=big bs=1 seek=4400000000 conv=notrunc status=none");
        await using Guest guest = await Guests.StartAsync(Kernel, b => b.WithArtifact(host["big"], "/tmp/"));
        ExecResult result = await guest.Shell("stat -c '%s' /tmp/big; expr $(stat -c %b /tmp/big) '<' 1000; head -c 5 /tmp/big; tail -c 3 /tmp/big; dd if=/tmp/big bs=1 skip=4400000000 count=6 status=none");
        Assert.Equal("5000000003\n1\nstartendmiddle", result.StandardOutput);
        await guest.CopyOutAsync("/tmp/big", host["back"], Cancel);
        Assert.Equal("5000000003 1\n", await Run($"cd '{host.Path}'; cmp big back && echo $(stat -c %s back) $(expr $(stat -c %b back) '<' 1000)"));
    }

    [Fact]
    public async Task What_cannot_be_copied_is_named()
    {
        using var host = new TemporaryDirectory();
        await using Guest guest = await Guests.StartAsync(Kernel);
        GuestException missing = await Assert.ThrowsAsync<GuestException>(() => guest.CopyOutAsync("/no/such", host["x"], Cancel));
        Assert.Contains("/no/such", missing.Message, StringComparison.Ordinal);
        Assert.False(Path.Exists(host["x"]));
        GuestException absent = await Assert.ThrowsAsync<GuestException>(() => guest.CopyInAsync(host["absent"], "/tmp/x", Cancel));
        Assert.Contains("absent", absent.Message, StringComparison.Ordinal);
        await File.WriteAllTextAsync(host["f"], "x", Cancel);
        GuestException under = await Assert.ThrowsAsync<GuestException>(() => guest.CopyInAsync(host["f"], "/etc/passwd/x", Cancel));
        Assert.Contains("/etc/passwd", under.Message, StringComparison.Ordinal);
        Assert.Equal("hi", (await guest.ExecAsync(["printf", "hi"], Cancel)).StandardOutput);
    }

    [Fact]
    public async Task Shares_do_what_their_mode_says()
    {
        using var host = new TemporaryDirectory();
        foreach (string name in (string[])["ro", "rw", "cow"])
        {
            Directory.CreateDirectory(host[name]);
            await File.WriteAllTextAsync(host[name + "/file"], name, Cancel);
        }

        await File.WriteAllTextAsync(host["single"], "one", Cancel);
        await using Guest guest = await Guests.StartAsync(Kernel, b => b
            .WithMount(host["ro"], "/mnt/r o").WithMount(host["rw"], "/mnt/rw", MountMode.ReadWrite)
            .WithMount(host["cow"], "/mnt/cow", MountMode.CopyOnWrite).WithMount(host["single"], "/mnt/single"));
        ExecResult result = await guest.Shell("cat '/mnt/r o/file' /mnt/rw/file /mnt/cow/file /mnt/single; for d in 'r o' rw cow; do echo new > \"/mnt/$d/file\" && echo more > \"/mnt/$d/more\"; done; cat /mnt/cow/more");
        Assert.StartsWith("rorwcowone", result.StandardOutput, StringComparison.Ordinal);
        Assert.EndsWith("more\n", result.StandardOutput, StringComparison.Ordinal);
        Assert.Contains("Read-only file system", result.StandardError, StringComparison.Ordinal);
        Assert.Equal("ro", await File.ReadAllTextAsync(host["ro/file"], Cancel));
        Assert.Equal("new\n", await File.ReadAllTextAsync(host["rw/file"], Cancel));
        Assert.Equal("more\n", await File.ReadAllTextAsync(host["rw/more"], Cancel));
        Assert.Equal("cow", await File.ReadAllTextAsync(host["cow/file"], Cancel));
        Assert.Equal(["file"], Directory.GetFileSystemEntries(host["cow"]).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Nothing_the_guest_does_to_its_root_reaches_the_host()
    {
        using var host = new TemporaryDirectory();
        string here = Directory.GetCurrentDirectory();
        await using Guest guest = await Guests.StartAsync(Kernel);
        ExecResult result = await guest.Shell($"pwd; touch /etc/uml-x '{host.Path}/x' uml-x && rm -rf /usr/share/doc && ls /usr/share | grep -c '^doc$'; ls /etc/uml-x uml-x");
        Assert.StartsWith($"{here}\n0\n", result.StandardOutput, StringComparison.Ordinal);
        Assert.False(File.Exists("/etc/uml-x"));
        Assert.False(File.Exists("uml-x"));
        Assert.False(File.Exists(host["x"]));
        Assert.True(Directory.Exists("/usr/share/doc"));
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/../..")]
    [InlineData("/proc/self/root")]
    public async Task A_guests_root_that_mounts_the_host_itself_cannot_write_it(string escape)
    {
        using var host = new TemporaryDirectory();
        await File.WriteAllTextAsync(host["kept"], "kept", Cancel);
        File.SetUnixFileMode(host["kept"], UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await using Guest guest = await Guests.StartAsync(Kernel);
        Assert.SkipUnless(guest.Confinement.Contains("landlock", StringComparison.Ordinal), "this host has no Landlock");
        // mount(8) of util-linux 2.41 and older ones spell hostfs's option differently; both are tried.
        ExecResult result = await guest.Shell(
            $"mkdir -p /m; mount -t hostfs -o rw,{escape} none /m || mount -t hostfs -o rw,hostfs={escape} none /m; "
            + $"for d in /m /; do for f in '{host.Path}/new' /etc/uml-y /tmp/uml-y; do echo x > \"$d$f\"; done; done; "
            + $"rm '/m{host.Path}/kept'; chmod 777 '/m{host.Path}/kept'; mv '/m{host.Path}/kept' '/m{host.Path}/moved'; ln -s / '/m{host.Path}/link'; mkdir '/m{host.Path}/dir'; ls /m | head -3; grep hostfs /proc/mounts");
        Assert.Contains(" /m hostfs rw", result.StandardOutput, StringComparison.Ordinal);
        Assert.Equal("kept", await File.ReadAllTextAsync(host["kept"], Cancel));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(host["kept"]));
        Assert.Equal(["kept"], Directory.GetFileSystemEntries(host.Path).Select(Path.GetFileName));
        Assert.False(File.Exists("/etc/uml-y"));
        Assert.False(File.Exists("/tmp/uml-y"));
    }

    [Fact]
    public async Task A_link_planted_in_a_share_leads_nowhere()
    {
        using var host = new TemporaryDirectory();
        Directory.CreateDirectory(host["share"]);
        await File.WriteAllTextAsync(host["kept"], "kept", Cancel);
        await using Guest guest = await Guests.StartAsync(Kernel, b => b.WithMount(host["share"], "/mnt/share", MountMode.ReadWrite));
        Assert.SkipUnless(guest.Confinement.Contains("landlock", StringComparison.Ordinal), "this host has no Landlock");
        // hostfs follows a link of the host that stands where it is mounted (hostfs_kern.c, follow_link).
        ExecResult result = await guest.Shell(
            $"ln -s '{host.Path}' /mnt/share/link; mkdir /m; mount -t hostfs -o 'rw,{host["share/link"]}' none /m || mount -t hostfs -o 'rw,hostfs={host["share/link"]}' none /m; "
            + "cat /m/kept; echo x > /m/new; echo x > /m/kept; rm /m/kept; echo x > /mnt/share/new; echo x > /mnt/share/link/new");
        Assert.StartsWith("kept", result.StandardOutput, StringComparison.Ordinal);
        Assert.Equal("kept", await File.ReadAllTextAsync(host["kept"], Cancel));
        Assert.Equal(["kept", "share"], Directory.GetFileSystemEntries(host.Path).Select(Path.GetFileName).Order());
        Assert.True(File.Exists(host["share/new"]));
    }

    private static async Task<string> Run(string script)
    {
        using var process = Process.Start(new ProcessStartInfo("sh", ["-c", script]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        string output = await process.StandardOutput.ReadToEndAsync(Cancel);
        await process.WaitForExitAsync(Cancel);
        Assert.Equal(0, process.ExitCode);
        return output;
    }
}
