namespace Uml.CI;

/// <summary>Files and directories with the permissions they need.</summary>
internal static class UnixFiles
{
    private const string OnlyLinux = "User-mode Linux runs on Linux.";

    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private const UnixFileMode Executable =
        Private | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    /// <summary>Creates a new file that everyone may execute.</summary>
    public static FileStream CreateExecutable(string path)
    {
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException(OnlyLinux);
        return new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = Executable });
    }

    /// <summary>Creates a directory only its owner may enter; one that exists is left as it is.</summary>
    public static void CreatePrivateDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException(OnlyLinux);
        Directory.CreateDirectory(path, Private);
    }

    /// <summary>Removes a tree, read-only directories in it included; missing is fine.</summary>
    public static void DeleteTree(string path)
    {
        if (!Directory.Exists(path))
            return;
        try
        {
            Directory.Delete(path, recursive: true);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            if (OperatingSystem.IsWindows())
                throw new PlatformNotSupportedException(OnlyLinux, e);
            EnumerationOptions all = new() { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint };
            foreach (string directory in Directory.EnumerateDirectories(path, "*", all).Prepend(path))
                File.SetUnixFileMode(directory, Private);
            Directory.Delete(path, recursive: true);
        }
    }
}
