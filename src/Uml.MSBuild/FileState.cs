using System.Text;

namespace Uml.CI.MSBuild;

/// <summary>The state of files as far as it can be seen without reading them.</summary>
internal static class FileState
{
    /// <summary>A text that is another one when a file, or anything in a directory, has been added, removed or changed.</summary>
    public static string Of(IEnumerable<(string Name, string Path)> files)
    {
        var state = new StringBuilder();
        foreach ((string name, string path) in files)
        {
            // A link that is named is what it leads to, one further down is a link.
            string target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
            Add(state, name, Directory.Exists(target) ? new DirectoryInfo(target) : new FileInfo(target));
        }

        return state.ToString();
    }

    private static void Add(StringBuilder state, string name, FileSystemInfo entry)
    {
        state.Append(name).Append('\n');
        if (entry.LinkTarget is { } target)
        {
            state.Append("-> ").Append(target);
        }
        else if (entry is FileInfo file)
        {
            state.Append(file.Exists ? $"{file.Length} {file.LastWriteTimeUtc.Ticks} {file.UnixFileMode}" : "missing");
        }
        else
        {
            state.Append(entry.UnixFileMode);
            foreach (FileSystemInfo child in ((DirectoryInfo)entry).EnumerateFileSystemInfos().OrderBy(e => e.Name, StringComparer.Ordinal))
                Add(state.Append('\n'), $"{name}/{child.Name}", child);
        }

        state.Append('\n');
    }
}
