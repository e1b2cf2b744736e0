using System.Text;
using static Uml.CI.Agent.Supervise.Native;

namespace Uml.CI.Agent.Supervise;

/// <summary>A guest's directory on the host, locked while its supervisor lives.</summary>
internal static unsafe class GuestDirectory
{
    private const string Prefix = "uml-";

    // What tells a guest's directory from anything else somebody calls "uml-...": nothing without it is ever cleared away.
    private static ReadOnlySpan<byte> Marker => ".uml-guest\0"u8;

    /// <summary>Makes and locks a directory.</summary>
    /// <returns>A descriptor that holds the lock, or -1 with the reason in <paramref name="error"/>.</returns>
    public static int Create(string path, out string error, out int errno)
    {
        const int attempts = 100;
        error = "";
        errno = 0;
        for (int attempt = 0; attempt < attempts; attempt++)
        {
            if (MakeDirectory(path, 0x1c0) != 0)
            {
                errno = Error;
                if (errno == EEXIST && RemoveIfStale(path))
                    continue;
                error = $"cannot create the guest's directory {path}: {ErrorText(errno)}";
                return -1;
            }

            int directory = Open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
            if (directory < 0 && Error != ENOENT)
            {
                errno = Error;
                error = $"cannot open the guest's directory {path}: {ErrorText(errno)}";
                return -1;
            }

            // Between the two calls another supervisor's sweep may have taken it for a dead one's; then once more.
            if (directory >= 0)
            {
                int locked = Flock(directory, LOCK_EX | LOCK_NB);
                if ((locked == 0 || Error != EAGAIN) && IsAt(directory, path))
                    return directory;
                Close(directory);
            }

            MicroSleep(1000);
        }

        errno = EBUSY;
        error = $"cannot create the guest's directory {path}: something else keeps removing it";
        return -1;
    }

    /// <summary>Marks a locked directory as a guest's, so that it may be cleared away one day. False with errno if that failed.</summary>
    public static bool Mark(int directory)
    {
        int marker = OpenAt(directory, Marker, O_WRONLY | O_CREAT | O_EXCL, 0x180);
        if (marker < 0)
            return false;
        Close(marker);
        return true;
    }

    /// <summary>Removes the directories of supervisors that are gone.</summary>
    public static void SweepStale(string parent)
    {
        foreach (string path in Candidates(parent))
            RemoveIfStale(path);
    }

    /// <summary>The directories below <paramref name="parent"/> that look like a guest's.</summary>
    public static List<string> Candidates(string parent)
    {
        var found = new List<string>();
        int directory = Open(parent, O_RDONLY | O_DIRECTORY);
        if (directory < 0)
            return found;
        foreach (string name in new DirectoryReader(directory))
        {
            if (name.StartsWith(Prefix, StringComparison.Ordinal))
                found.Add($"{parent}/{name}");
        }

        Close(directory);
        return found;
    }

    /// <summary>Removes a directory that is ours and that no supervisor holds.</summary>
    public static bool RemoveIfStale(string path)
    {
        int directory = TryTake(path);
        if (directory < 0)
            return false;
        int marker = OpenAt(directory, Marker, O_RDONLY | O_NOFOLLOW);
        if (marker >= 0)
            Close(marker);
        // Without the marker it is somebody else's, or a supervisor died before it wrote one: then it is empty.
        bool removed = marker >= 0 ? Remove(path, directory) : RemoveDirectory(path) == 0;
        Close(directory);
        return removed;
    }

    /// <summary>Opens and locks a directory of this user's; -1 if there is none or somebody holds it.</summary>
    public static int TryTake(string path)
    {
        int directory = Open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (directory < 0)
            return -1;
        if (Stat(directory, out FileStatus status) && status.Owner == GetEffectiveUser()
            && Flock(directory, LOCK_EX | LOCK_NB) == 0 && IsAt(directory, path))
            return directory;
        Close(directory);
        return -1;
    }

    /// <summary>Removes the directory <paramref name="path"/>, open as <paramref name="directory"/>, and all it holds.</summary>
    /// <remarks>
    /// A guest wrote below it, so nothing in it is trusted: no symbolic link is followed, and each directory's
    /// subdirectories are first moved to the top, so that no depth of nesting costs stack, descriptors or path length.
    /// </remarks>
    public static bool Remove(string path, int directory)
    {
        const int rounds = 1_000_000;
        uint moved = 0;
        // A guest with a read-write share may have changed the mode of any file of its user.
        ChangeMode(directory, 0x1c0);
        for (int round = 0; round < rounds; round++)
        {
            if (RemoveDirectory(path) == 0 || Error == ENOENT)
                return true;
            if (Error != ENOTEMPTY && Error != EEXIST)
                return false;

            bool progress = false;
            int listing = OpenAt(directory, ".\0"u8, O_RDONLY | O_DIRECTORY);
            if (listing < 0)
                return false;
            var names = new DirectoryReader(listing);
            while (names.MoveNext())
                progress |= RemoveEntry(directory, names.Name, directory, ref moved);
            Close(listing);
            // The marker goes last: what is interrupted half-way can still be told for what it is.
            if (!progress && UnlinkAt(directory, Marker, 0) != 0)
                return false;
        }

        return false;
    }

    private static bool RemoveEntry(int parent, ReadOnlySpan<byte> name, int top, ref uint moved)
    {
        if (parent == top && name.TrimEnd((byte)0).SequenceEqual(Marker[..^1]))
            return false;
        if (UnlinkAt(parent, name, 0) == 0 || UnlinkAt(parent, name, AT_REMOVEDIR) == 0 || Error == ENOENT)
            return true;

        // A directory with something in it. The guest may have taken its own rights away.
        ChangeModeAt(parent, name, 0x1c0);
        int directory = OpenAt(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (directory < 0)
            return false;

        bool progress = false;
        var names = new DirectoryReader(directory);
        while (names.MoveNext())
        {
            if (UnlinkAt(directory, names.Name, 0) == 0 || UnlinkAt(directory, names.Name, AT_REMOVEDIR) == 0)
            {
                progress = true;
                continue;
            }

            ChangeModeAt(directory, names.Name, 0x1c0);
            progress |= RenameAt(directory, names.Name, top, Terminated($".remove-{moved++}")) == 0;
        }

        Close(directory);
        return UnlinkAt(parent, name, AT_REMOVEDIR) == 0 || progress;
    }

    private static bool IsAt(int directory, string path) =>
        Stat(directory, out FileStatus open) && Native.Stat(path, out FileStatus named)
        && open.Inode == named.Inode && open.Device == named.Device;
}
