namespace Uml.CI.Cli;

/// <summary>Files the user named for our output.</summary>
internal static class OutputFile
{
    /// <summary>Opens a file for writing.</summary>
    /// <exception cref="IOException">It cannot be; the message names the option.</exception>
    public static FileStream Create(string path, string option)
    {
        try
        {
            return new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw Failure(path, option, e);
        }
    }

    /// <summary>Finds out whether a file can be written, and leaves things as they are: work is not spent on what nobody gets.</summary>
    /// <exception cref="IOException">It cannot be; the message names the option.</exception>
    public static void Check(string path, string option)
    {
        try
        {
            if (Directory.Exists(path))
                throw new IOException("it is a directory");
            if (IsSpecial(path))
                return;
            string probe = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, $".{Guid.NewGuid():N}.tmp");
            new FileStream(probe, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.DeleteOnClose }).Dispose();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw Failure(path, option, e);
        }
    }

    /// <summary>Writes a whole file in one step: what was there stays until the new one is complete. A device or pipe is written to as it is.</summary>
    /// <exception cref="IOException">It cannot be; the message names the option.</exception>
    public static void Write(string path, string option, string text)
    {
        try
        {
            if (!IsSpecial(path))
            {
                AtomicFile.Write(path, text);
                return;
            }

            using var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
            file.Write(System.Text.Encoding.UTF8.GetBytes(text));
            file.Flush();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw Failure(path, option, e);
        }
    }

    // FileInfo says of a device that it exists; its attributes tell it from a file.
    private static bool IsSpecial(string path) =>
        File.Exists(path) && (File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path)) is var real
        && (real.StartsWith("/dev/", StringComparison.Ordinal) && !real.StartsWith("/dev/shm/", StringComparison.Ordinal) || real.StartsWith("/proc/", StringComparison.Ordinal));

    private static IOException Failure(string path, string option, Exception e) =>
        new($"the file \"{path}\" of {option} cannot be written: {e.Message.TrimEnd('.')}", e);
}
