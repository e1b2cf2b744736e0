using System.Text;
using Uml.CI.Wire;

namespace Uml.CI.Agent.Init;

/// <summary>A root file system on a block device.</summary>
internal static unsafe class RootDisk
{
    /// <summary>Mounts the disk, under a layer for the writes unless they go to the disk itself.</summary>
    public static void Mount(SetupMessage setup, string root, string own)
    {
        string lower = setup.DiskWritable ? root : own + "/lower";
        GuestRoot.Directory(lower);
        MakeNode(setup.Disk);
        // Nothing is written to a journal that a disk which is only read may have.
        string data = setup.DiskWritable ? "" : setup.DiskType switch { "ext4" => "noload", "xfs" => "norecovery", _ => "" };
        int error = Linux.Mount(setup.Disk, lower, setup.DiskType, setup.DiskWritable ? 0 : Linux.MS_RDONLY, data);
        if (error != 0)
        {
            throw new SetupException(error, (Linux.ReadText("/proc/filesystems") ?? "").Contains($"\t{setup.DiskType}\n", StringComparison.Ordinal)
                ? $"cannot mount the root image as {setup.DiskType}: it is damaged, or made for another kind of kernel"
                : $"the guest's kernel has no {setup.DiskType}, which the root image needs, and no module for it was found beside it");
        }

        if (setup.DiskWritable)
            return;
        if (setup.Scratch.Length > 0)
            MakeNode(setup.Scratch);
        GuestRoot.CopyOnWrite(lower, root, own + "/upper", setup.Scratch);
    }

    /// <summary>Writes the guest's name where programs look for it.</summary>
    public static void NameHost(SetupMessage setup, string root, List<string> warnings)
    {
        if (setup.Hostname.Length == 0 || !Linux.IsDirectory(root + "/etc"))
            return;
        Write(root + "/etc/hostname", setup.Hostname + "\n", Linux.O_TRUNC, warnings);
        // Programs such as sudo look their own host up.
        string hosts = Linux.ReadText(root + "/etc/hosts") ?? "";
        if (!hosts.Split((char[])[' ', '\t', '\n']).Contains(setup.Hostname))
            Write(root + "/etc/hosts", $"{(hosts.Length == 0 ? "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n" : "")}127.0.1.1 {setup.Hostname}\n", Linux.O_APPEND, warnings);
    }

    private static void Write(string path, string text, int flags, List<string> warnings)
    {
        // A link leads out of the root as long as this process is not in it.
        int file = Linux.Open(path, Linux.O_WRONLY | Linux.O_CREAT | Linux.O_NOFOLLOW | flags, 0x1a4);
        if (file < 0)
        {
            if (Linux.Errno != Linux.ELOOP)
                warnings.Add($"cannot write {path[(path.IndexOf("/etc/", StringComparison.Ordinal))..]}: {Linux.Describe(Linux.Errno)}");
            return;
        }

        byte[] bytes = Encoding.UTF8.GetBytes(text);
        fixed (byte* p = bytes)
            Linux.write(file, p, (nuint)bytes.Length);
        Linux.close(file);
    }

    // For a kernel without devtmpfs. Disk number N has sixteen numbers for itself and its partitions (drivers/block/ubd or um/drivers/ubd_kern.c).
    private static void MakeNode(string device)
    {
        const string prefix = "/dev/ubd";
        const int major = 98, minors = 16;
        if (Linux.Exists(device) || !device.StartsWith(prefix, StringComparison.Ordinal))
            return;
        int partition = device.Length > prefix.Length + 1 && int.TryParse(device.AsSpan(prefix.Length + 1), out int number) ? number : 0;
        Linux.MakeNode(device, 0x6180, major, ((device[prefix.Length] - 'a') * minors) + partition);
    }
}
