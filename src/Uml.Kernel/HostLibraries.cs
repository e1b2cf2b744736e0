using System.Runtime.InteropServices;

namespace Uml.CI;

/// <summary>The C library of this machine: whether a kernel runs on it, and what that kernel then reads.</summary>
internal static class HostLibraries
{
    // libc loads it by name when a thread is cancelled, which 7.x does on its way down.
    public const string UnwindLibrary = "libgcc_s.so.1";

    private static readonly string[] s_directories =
        ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"];

    /// <summary>The version of glibc here, or null on another C library.</summary>
    public static Version? Glibc { get; } = Native.GlibcVersion();

    /// <summary>Why the executable cannot run on this machine's C library, or null when it can.</summary>
    public static string? WhyNot(string? interpreter, Version? requiredGlibc, IReadOnlyList<string> needed)
    {
        if (interpreter is null)
            return null;
        if (!File.Exists(interpreter))
            return $"it asks for the loader {interpreter}, which this host does not have";
        if (requiredGlibc is not null && (Glibc is null || requiredGlibc > Glibc))
            return $"it needs glibc {requiredGlibc} and this host has {(Glibc is null ? "none" : Glibc.ToString())}";
        foreach (string library in needed)
        {
            if (!Has(library))
                return $"it needs the library {library}, which this host does not have";
        }

        return Has(UnwindLibrary) ? null : $"it needs the library {UnwindLibrary}, which this host does not have";
    }

    /// <summary>What a process started from the executable reads on this machine before it is itself.</summary>
    public static IReadOnlyList<string> ReadPaths(string executable, string? interpreter, IReadOnlyList<string> needed)
    {
        List<string> paths = [executable];
        if (interpreter is null)
            return paths;
        HashSet<string> directories = new(StringComparer.Ordinal);
        Add(paths, RealPath(interpreter));
        Add(paths, "/etc/ld.so.cache");
        foreach (string library in (IEnumerable<string>)[.. needed, UnwindLibrary])
        {
            foreach (string directory in s_directories)
            {
                string file = Path.Combine(directory, library);
                if (File.Exists(file) && Path.GetDirectoryName(RealPath(file)) is { } real && directories.Add(real))
                    Add(paths, real);
            }
        }

        return paths;

        static void Add(List<string> paths, string path)
        {
            if (Path.Exists(path))
                paths.Add(path);
        }
    }

    /// <summary>The path with every symbolic link on the way resolved.</summary>
    public static string RealPath(string path)
    {
        string resolved = "/";
        foreach (string part in Path.GetFullPath(path).Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            string next = Path.Combine(resolved, part);
            try
            {
                resolved = new FileInfo(next).ResolveLinkTarget(returnFinalTarget: true) is { } target ? RealPath(target.FullName) : next;
            }
            catch (IOException)
            {
                // A broken or circular link: whoever opens it will say so.
                resolved = next;
            }
        }

        return resolved;
    }

    private static bool Has(string library)
    {
        if (s_directories.Any(directory => File.Exists(Path.Combine(directory, library))))
            return true;

        // Hosts with a layout of their own: the loader knows.
        if (!NativeLibrary.TryLoad(library, out nint handle))
            return false;
        NativeLibrary.Free(handle);
        return true;
    }
}
