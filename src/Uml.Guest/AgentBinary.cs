using System.Security.Cryptography;
using System.Text;

namespace Uml.CI;

/// <summary>Where the native agent is.</summary>
internal static class AgentBinary
{
    private const string Name = "uml-agent";

    private const UnixFileMode Execute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>The agent beside this assembly, or where a package's native files lie, executable.</summary>
    /// <exception cref="GuestUnavailableException">It is missing, or cannot be made executable.</exception>
    /// <exception cref="KernelException">It had to be copied, and there is no directory to keep the copy in.</exception>
    public static string Find()
    {
        string beside = Path.GetDirectoryName(typeof(AgentBinary).Assembly.Location) is { Length: > 0 } directory ? directory : AppContext.BaseDirectory;
        string[] places =
        [
            Path.Combine(beside, Name),
            Path.Combine(beside, "runtimes", "linux-x64", "native", Name),
            Path.Combine(AppContext.BaseDirectory, Name),
        ];
        string path = places.FirstOrDefault(File.Exists) ?? throw new GuestUnavailableException(
            $"The native agent is missing: {places[0]} does not exist. Build the solution again, or reinstall the package.");
        return MakeExecutable(path, () => new KernelStore().Root);
    }

    /// <summary>
    /// The file, or a copy of it below <paramref name="cache"/>: packages do not carry the executable bit, and files that
    /// belong to somebody else or lie on a file system mounted read-only or noexec cannot be given it.
    /// </summary>
    public static string MakeExecutable(string path, Func<string> cache)
    {
        if (Native.IsExecutable(path))
            return path;
        try
        {
            File.SetUnixFileMode(path, File.GetUnixFileMode(path) | Execute);
            if (Native.IsExecutable(path))
                return path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Then a copy has to do.
        }

        try
        {
            return Copy(path, Path.Combine(cache(), "agent"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new GuestUnavailableException($"The native agent {path} cannot be made executable, nor copied: {e.Message}", e);
        }
    }

    private static string Copy(string path, string directory)
    {
        var file = new FileInfo(path);
        string key = $"{path}\n{file.Length}\n{file.LastWriteTimeUtc.Ticks}";
        string copy = Path.Combine(directory, $"{Name}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)))[..20]}");
        if (File.Exists(copy))
            return copy;

        Directory.CreateDirectory(directory);
        string partial = $"{copy}.{Environment.ProcessId}.{Guid.NewGuid():N}";
        try
        {
            File.WriteAllBytes(partial, File.ReadAllBytes(path));
            File.SetUnixFileMode(partial, File.GetUnixFileMode(partial) | Execute);
            File.Move(partial, copy, overwrite: true);
        }
        finally
        {
            File.Delete(partial);
        }

        return copy;
    }
}
