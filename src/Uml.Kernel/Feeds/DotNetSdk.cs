using System.Runtime.InteropServices;

namespace Uml.CI;

/// <summary>An installed .NET SDK: its directory holds NuGet's client.</summary>
/// <param name="Version">Its version without what stands behind a dash.</param>
/// <param name="IsPrerelease">Something stands behind a dash.</param>
/// <param name="Directory">Where it is.</param>
internal sealed record DotNetSdk(Version Version, bool IsPrerelease, string Directory)
{
    /// <summary>The oldest SDK whose NuGet client is known to do.</summary>
    public const int OldestMajor = 8;

    private static readonly string[] s_usualRoots = ["/usr/share/dotnet", "/usr/lib/dotnet", "/usr/lib64/dotnet", "/usr/local/share/dotnet", "/opt/dotnet"];

    /// <summary>
    /// The newest SDK whose assemblies this process can run: those made for a newer .NET come last. Null if there is none.
    /// </summary>
    public static DotNetSdk? Find(HostTools host) => Roots(host)
        .SelectMany(All)
        .Where(s => s.Version.Major >= OldestMajor)
        .OrderBy(s => Math.Max(0, s.Version.Major - Environment.Version.Major))
        .ThenByDescending(s => s.Version)
        .ThenBy(s => s.IsPrerelease)
        .FirstOrDefault();

    /// <summary>
    /// Installations of .NET on this host, each once, in the order in which the muxer and its children look for them.
    /// </summary>
    public static IReadOnlyList<string> Roots(HostTools host)
    {
        if (host.DotNetRoots is { } known)
            return known;
        List<string?> roots =
        [
            Parent(host.Variable("DOTNET_HOST_PATH")),
            host.Variable("DOTNET_ROOT_X64"),
            host.Variable("DOTNET_ROOT"),
            RunningRoot(),
            Parent(ExternalProgram.Find("dotnet", host.Variable("PATH"))),
            FirstLine("/etc/dotnet/install_location_x64"),
            FirstLine("/etc/dotnet/install_location"),
            .. s_usualRoots,
            host.Variable("HOME") is { Length: > 0 } home ? Path.Combine(home, ".dotnet") : null,
        ];
        return [.. roots
            .Where(r => !string.IsNullOrEmpty(r) && Path.IsPathRooted(r) && System.IO.Directory.Exists(r))
            .Select(r => HostLibraries.RealPath(r!))
            .Distinct(StringComparer.Ordinal)];
    }

    private static IEnumerable<DotNetSdk> All(string root)
    {
        string parent = Path.Combine(root, "sdk");
        if (!System.IO.Directory.Exists(parent))
            yield break;
        foreach (string directory in System.IO.Directory.EnumerateDirectories(parent))
        {
            // 10.0.401, 11.0.100-preview.1.26104.118; NuGetFallbackFolder is none.
            string[] parts = Path.GetFileName(directory).Split('-', 2);
            if (Version.TryParse(parts[0], out Version? version) && File.Exists(Path.Combine(directory, "NuGet.Protocol.dll")))
                yield return new DotNetSdk(version, parts.Length == 2, directory);
        }
    }

    /// <summary>Where this process's own runtime is installed: <c>ROOT/shared/Microsoft.NETCore.App/VERSION/</c>.</summary>
    private static string? RunningRoot()
    {
        string root = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        return System.IO.Directory.Exists(Path.Combine(root, "shared")) ? root : null;
    }

    /// <summary>The directory of a program, which links lead to.</summary>
    private static string? Parent(string? program) =>
        string.IsNullOrEmpty(program) || !Path.IsPathRooted(program) ? null : Path.GetDirectoryName(HostLibraries.RealPath(program));

    private static string? FirstLine(string path)
    {
        try
        {
            return File.ReadLines(path).FirstOrDefault()?.Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
