using System.Runtime.InteropServices;

namespace Uml.CI;

/// <summary>What any guest needs of its host and what is quicker said than tried.</summary>
internal static class HostRequirements
{
    /// <summary>Checks the operating system and the architecture.</summary>
    /// <exception cref="GuestUnavailableException">This host can never run a guest.</exception>
    public static void Check()
    {
        if (!OperatingSystem.IsLinux())
            throw new GuestUnavailableException($"This host runs {RuntimeInformation.OSDescription}: guests run on Linux only. Use a Linux machine, a virtual machine or WSL 2.");
        if (RuntimeInformation.OSArchitecture != Architecture.X64)
            throw new GuestUnavailableException($"This host is {RuntimeInformation.OSArchitecture}: User-mode Linux exists for x86-64 only. Use an x86-64 machine.");
    }
}
