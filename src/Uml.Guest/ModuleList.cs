namespace Uml.CI;

/// <summary>Which module files to load, in which order.</summary>
internal static class ModuleList
{
    /// <summary>The file of module <paramref name="name"/> behind those it depends on, as paths below <paramref name="directory"/>.</summary>
    /// <param name="directory">Directory with modules.dep, or null.</param>
    /// <param name="name">Name of the module, without ".ko".</param>
    /// <returns>Empty if the kernel has no such module: it is built in, or missing, which the guest will say.</returns>
    public static string[] WithDependencies(string? directory, string name)
    {
        if (directory is null || Path.Combine(directory, "modules.dep") is var index && !File.Exists(index))
            return [];
        foreach (string line in File.ReadLines(index))
        {
            // kernel/fs/overlayfs/overlay.ko: kernel/a.ko kernel/b.ko, where what is needed first stands last (depmod(8)).
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0 && Path.GetFileNameWithoutExtension(line[..colon]) == name)
                return [.. line[(colon + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries).Reverse(), line[..colon]];
        }

        return [];
    }
}
