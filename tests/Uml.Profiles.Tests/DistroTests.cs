namespace Uml.CI.Profiles.Tests;

/// <summary>The profile <c>distro</c>: what systemd and packages of a distribution expect of a kernel.</summary>
public sealed class DistroTests(Kernels kernels)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_control_group_keeps_its_processes_within_their_memory()
    {
        await using Guest guest = await kernels.StartAsync(Kernels.Distro);
        const string Script =
            """
            set -e
            mkdir -p /run/cg; mount -t cgroup2 cgroup2 /run/cg
            cat /run/cg/cgroup.controllers
            echo +memory +pids > /run/cg/cgroup.subtree_control
            mkdir /run/cg/small
            echo 16M > /run/cg/small/memory.max
            echo 0 > /run/cg/small/memory.swap.max 2>/dev/null || true
            set +e
            sh -c 'echo $$ > /run/cg/small/cgroup.procs; x=$(head -c 64M /dev/zero | tr "\0" a); echo survived'
            grep '^oom_kill ' /run/cg/small/memory.events
            cat /proc/pressure/memory
            """;
        ExecResult result = await guest.ExecAsync(["sh", "-c", Script], Cancel);
        Assert.Matches(@"^[^\n]*\bcpu\b[^\n]*\bio\b[^\n]*\bmemory\b[^\n]*\bpids\b", result.StandardOutput);
        Assert.DoesNotContain("survived", result.StandardOutput, StringComparison.Ordinal);
        Assert.Matches(@"\noom_kill [1-9]", result.StandardOutput);
        Assert.Contains("\nsome avg10=", result.StandardOutput, StringComparison.Ordinal);
    }

    [Fact]
    public async Task File_systems_filters_and_devices_of_a_distribution_are_there()
    {
        await using Guest guest = await kernels.StartAsync(Kernels.Distro);
        const string Script =
            """
            cat /proc/filesystems
            cat /proc/net/ip_tables_names /proc/net/ip6_tables_names
            ls /dev/autofs /dev/mapper/control /dev/net/tun /dev/loop-control
            grep -ow -e nft_do_chain_inet -e br_add_if -e vxlan_xmit -e wg_xmit /proc/kallsyms | sort -u
            """;
        ExecResult result = await guest.ExecAsync(["sh", "-c", Script], Cancel);
        Assert.Equal("", result.StandardError);
        foreach (string name in (string[])["autofs", "xfs", "vfat", "iso9660", "erofs", "ext4", "squashfs", "overlay"])
            Assert.Matches($@"\t{name}\n", result.StandardOutput);
        Assert.EndsWith("br_add_if\nnft_do_chain_inet\nvxlan_xmit\nwg_xmit\n", result.StandardOutput, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_becomes_a_disk_with_a_file_system()
    {
        // Tools for that are on the host of whoever tests packages; here, only what every Debian has.
        await using Guest guest = await kernels.StartAsync(Kernels.Distro);
        const string Script =
            """
            set -e
            mkdir -p /run/disk /run/work; mount -t tmpfs tmpfs /run/work
            truncate -s 64M /run/work/disk.img
            /sbin/mkfs.ext4 -q -O quota,encrypt,verity /run/work/disk.img
            mount -o loop /run/work/disk.img /run/disk
            echo kept > /run/disk/file
            umount /run/disk
            mount -o loop,ro /run/work/disk.img /run/disk
            cat /run/disk/file
            umount /run/disk

            # A disk with a partition table: 2048 sectors before the first partition, of Linux's type.
            truncate -s 66M /run/work/whole.img
            printf '\0\0\0\0\203\0\0\0\0\010\0\0\0\0\002\0' | dd of=/run/work/whole.img bs=1 seek=446 conv=notrunc status=none
            printf '\125\252' | dd of=/run/work/whole.img bs=1 seek=510 conv=notrunc status=none
            dd if=/run/work/disk.img of=/run/work/whole.img bs=1M seek=1 conv=notrunc status=none
            loop=$(losetup --find --show --partscan /run/work/whole.img)
            mount -o ro "${loop}p1" /run/disk
            cat /run/disk/file
            """;
        ExecResult result = await guest.ExecAsync(["sh", "-c", Script], Cancel);
        Assert.Equal(("kept\nkept\n", "", 0), (result.StandardOutput, result.StandardError, result.ExitCode));
    }
}
