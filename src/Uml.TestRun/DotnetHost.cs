using System.Runtime.InteropServices;

namespace Uml.CI;

/// <summary>The .NET installation that runs this process.</summary>
internal static class DotnetHost
{
    // Where executables of .NET look without being told.
    private static readonly string[] Registered = ["/etc/dotnet/install_location", "/etc/dotnet/install_location_x64", "/usr/share/dotnet/dotnet", "/usr/lib/dotnet/dotnet"];

    /// <summary>Its directory.</summary>
    private static string Root => Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../.."));

    /// <summary>Its <c>dotnet</c>, else the one of the search path.</summary>
    public static string Find()
    {
        string own = Path.Combine(Root, "dotnet");
        return File.Exists(own) ? own : "dotnet";
    }

    /// <summary>What DOTNET_ROOT must be so that an executable finds a runtime; null if it does by itself.</summary>
    public static string? RootToName() =>
        Environment.GetEnvironmentVariable("DOTNET_ROOT") is null && !Registered.Any(File.Exists) && File.Exists(Path.Combine(Root, "dotnet")) ? Root : null;
}
