namespace Uml.CI;

/// <summary>Programs of the host, also those that an ordinary user's PATH leaves out.</summary>
internal static class HostPrograms
{
    /// <summary>Finds a program in PATH, /usr/sbin and /sbin; null where it is not installed.</summary>
    public static string? Find(HostTools host, string program) =>
        ExternalProgram.Find(program, $"{host.Variable("PATH")}:/usr/sbin:/sbin");
}
