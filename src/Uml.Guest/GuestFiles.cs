using System.Text;

namespace Uml.CI;

/// <summary>Single files of a guest, in one line each. They need no program in the guest, so they work in an empty root too.</summary>
public static class GuestFiles
{
    // The kernel's own limit (include/linux/namei.h, MAXSYMLINKS).
    private const int MaxLinks = 40;

    /// <summary>Reads a file; symbolic links are followed. Works for files of /proc and /sys, too.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="path">Absolute path in the guest.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    /// <exception cref="GuestException">It cannot be read, or is no file; the message names it.</exception>
    public static async Task<byte[]> ReadFileAsync(this Guest guest, string path, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(guest);
        DirectoryInfo scratch = Directory.CreateTempSubdirectory("uml-file-");
        try
        {
            string from = path;
            for (int i = 0; i < MaxLinks; i++)
            {
                var copy = new FileInfo(Path.Combine(scratch.FullName, $"{i}"));
                await guest.CopyOutAsync(from, copy.FullName, cancellationToken);
                // A copy of a link is a link. Where it leads to is the guest's affair: it must not be followed here.
                if (copy.LinkTarget is { } target)
                    from = Path.GetFullPath(target, Path.GetDirectoryName(Path.GetFullPath(from, "/"))!);
                else if (copy.Attributes.HasFlag(FileAttributes.Directory))
                    throw Failure($"Cannot read {path} of the guest: it is a directory");
                else
                    return await File.ReadAllBytesAsync(copy.FullName, cancellationToken);
            }

            throw Failure($"Cannot read {path} of the guest: too many levels of symbolic links");
        }
        finally
        {
            scratch.Delete(recursive: true);
        }
    }

    /// <summary>Reads a file as UTF-8 text; see <see cref="ReadFileAsync"/>.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="path">Absolute path in the guest.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    public static async Task<string> ReadTextAsync(this Guest guest, string path, CancellationToken cancellationToken = default) =>
        Encoding.UTF8.GetString(await guest.ReadFileAsync(path, cancellationToken));

    /// <summary>Writes a file, mode 644, owned by root; missing directories are made. What was there is replaced, a symbolic link too.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="path">Absolute path in the guest. Not below /proc or /sys, whose files cannot be replaced.</param>
    /// <param name="content">What to write.</param>
    /// <param name="cancellationToken">Stops writing.</param>
    /// <exception cref="GuestException">It cannot be written; the message names it.</exception>
    public static async Task WriteFileAsync(this Guest guest, string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(guest);
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (path.EndsWith('/'))
            throw new ArgumentException($"\"{path}\" names a directory", nameof(path));
        DirectoryInfo scratch = Directory.CreateTempSubdirectory("uml-file-");
        try
        {
            string file = Path.Combine(scratch.FullName, "file");
            await File.WriteAllBytesAsync(file, content, cancellationToken);
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
            await guest.CopyInAsync(file, path, cancellationToken);
        }
        finally
        {
            scratch.Delete(recursive: true);
        }
    }

    /// <summary>Writes text as UTF-8; see <see cref="WriteFileAsync"/>.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="path">Absolute path in the guest.</param>
    /// <param name="text">What to write.</param>
    /// <param name="cancellationToken">Stops writing.</param>
    public static Task WriteTextAsync(this Guest guest, string path, string text, CancellationToken cancellationToken = default) =>
        guest.WriteFileAsync(path, Encoding.UTF8.GetBytes(text), cancellationToken);

    private static GuestException Failure(string summary) => new(summary) { Summary = summary };
}
