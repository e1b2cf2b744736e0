namespace Uml.CI;

/// <summary>Where the native agent is.</summary>
internal static class AgentBinary
{
    private const string Name = "uml-agent";

    /// <summary>The agent beside this assembly, executable.</summary>
    /// <exception cref="GuestUnavailableException">It is missing.</exception>
    public static string Find()
    {
        string[] places =
        [
            Path.Combine(Path.GetDirectoryName(typeof(AgentBinary).Assembly.Location) ?? AppContext.BaseDirectory, Name),
            Path.Combine(AppContext.BaseDirectory, Name),
        ];
        string path = places.FirstOrDefault(File.Exists) ?? throw new GuestUnavailableException(
            $"The native agent is missing: {places[0]} does not exist. Build the solution again, or reinstall the package.");

        // Packages do not carry the executable bit.
        UnixFileMode mode = File.GetUnixFileMode(path);
        if (!mode.HasFlag(UnixFileMode.UserExecute))
            File.SetUnixFileMode(path, mode | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        return path;
    }
}
