namespace Uml.CI;

/// <summary>A kernel store with the kernels of this user's and a limit on guests of its own, which other tests do not use up.</summary>
internal static class PrivateStore
{
    /// <summary>Makes it in a directory, for UML_CACHE.</summary>
    public static string Create(string directory)
    {
        Directory.CreateDirectory(directory);
        // "guests" is the limit's.
        foreach (string entry in Directory.GetFileSystemEntries(new KernelStore().Root).Where(e => Path.GetFileName(e) is not "guests"))
            File.CreateSymbolicLink(Path.Combine(directory, Path.GetFileName(entry)), entry);
        return directory;
    }
}
