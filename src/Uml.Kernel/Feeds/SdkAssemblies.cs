using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;

namespace Uml.CI;

/// <summary>
/// NuGet's client, which no package of ours carries: it is the .NET SDK's own. Inside MSBuild its assemblies are loaded
/// already; anywhere else they come from the newest SDK of this host, whatever their version.
/// </summary>
/// <remarks>
/// Types of it may appear only in methods that are first called after <see cref="Require"/>, and that are not inlined
/// into those that call it.
/// </remarks>
internal static class SdkAssemblies
{
    private const string Prefix = "NuGet.";

    // Without it NuGet's client checks no signatures on Linux. The SDK sets it for itself and its children, as here.
    private const string SignatureVariable = "DOTNET_NUGET_SIGNATURE_VERIFICATION";

    private static readonly Lock s_lock = new();
    private static string? s_problem;
    private static bool s_isReady;

    /// <summary>Makes NuGet's client usable.</summary>
    /// <param name="subject">What needs it: the beginning of the message.</param>
    /// <exception cref="KernelException">There is no SDK on this host.</exception>
    public static void Require(string subject)
    {
        lock (s_lock)
        {
            if (!s_isReady && s_problem is null)
            {
                s_problem = Hook(HostTools.Default);
                s_isReady = s_problem is null;
            }

            if (s_problem is not null)
                throw new KernelException($"{subject} {s_problem}") { Problem = KernelProblem.Unavailable };
        }
    }

    /// <summary>Returns what is wrong, as the end of a line, or null.</summary>
    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "References that trimming removed are those that nothing uses.")]
    private static string? Hook(HostTools host)
    {
        if (!RuntimeFeature.IsDynamicCodeSupported)
            return "needs NuGet's client, which a program compiled ahead of time cannot load: use a kernel that `uml kernel pull` has fetched, or the uml tool.";
        Assembly self = typeof(SdkAssemblies).Assembly;
        AssemblyLoadContext own = AssemblyLoadContext.GetLoadContext(self) ?? AssemblyLoadContext.Default;
        Dictionary<string, Version> wanted = self.GetReferencedAssemblies()
            .Where(a => a is { Name: not null, Version: not null } && a.Name.StartsWith(Prefix, StringComparison.Ordinal))
            .ToDictionary(a => a.Name!, a => a.Version!, StringComparer.Ordinal);
        if (own != AssemblyLoadContext.Default)
        {
            // A plug-in of MSBuild's. Two copies of NuGet's client in one process would keep two of its settings and credentials.
            own.Resolving += (_, name) => name.Name?.StartsWith(Prefix, StringComparison.Ordinal) == true
                ? AssemblyLoadContext.Default.Assemblies.FirstOrDefault(a => a.GetName().Name == name.Name)
                : null;
            if (CanLoad(own))
                return null;
        }

        if (DotNetSdk.Find(host) is not { } sdk)
            return WhyMissing(host);
        if (host.Variable(SignatureVariable) is null)
            Environment.SetEnvironmentVariable(SignatureVariable, "true");
        var context = new SdkLoadContext(sdk.Directory, wanted);
        own.Resolving += (_, name) => name.Name?.StartsWith(Prefix, StringComparison.Ordinal) == true ? context.LoadFromAssemblyName(name) : null;
        return CanLoad(own) ? null : $"needs NuGet's client, and that of the .NET SDK in {sdk.Directory} cannot be loaded: repair that SDK, or install a newer one.";
    }

    internal static string WhyMissing(HostTools host)
    {
        string looked = string.Join(", ", DotNetSdk.Roots(host));
        return $"needs the .NET SDK {DotNetSdk.OldestMajor} or later, whose NuGet client reads and writes packages, and there is none {(looked.Length == 0 ? "on this host" : "in " + looked)}: "
            + $"install it (Debian and Ubuntu: the package dotnet-sdk-{Environment.Version.Major}.0), or set DOTNET_ROOT to where it is.";
    }

    private static bool CanLoad(AssemblyLoadContext context)
    {
        try
        {
            context.LoadFromAssemblyName(new AssemblyName("NuGet.Protocol"));
            return true;
        }
        catch (Exception e) when (e is FileNotFoundException or FileLoadException or BadImageFormatException)
        {
            return false;
        }
    }

    /// <summary>
    /// The SDK's assemblies, apart from those of the program: a test project may well have another version of one of them.
    /// </summary>
    private sealed class SdkLoadContext(string directory, Dictionary<string, Version> wanted) : AssemblyLoadContext("NuGet client of the .NET SDK")
    {
        private readonly Dictionary<string, string> _ofProgram = ((string?)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .DistinctBy(Path.GetFileNameWithoutExtension)
            .ToDictionary(p => Path.GetFileNameWithoutExtension(p)!, StringComparer.Ordinal);

        [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "The assemblies are not part of the program: nothing of them can be trimmed, and programs compiled ahead of time do not get here.")]
        protected override Assembly? Load(AssemblyName assemblyName)
        {
            if (assemblyName.Name is not { } name)
                return null;

            // What this library's own code gets from the program, the SDK's assemblies have to get as well: types are the same
            // only within one copy.
            if (_ofProgram.TryGetValue(name, out string? path)
                && GetAssemblyName(path).Version is { } version && version >= (wanted.GetValueOrDefault(name) ?? assemblyName.Version ?? version))
            {
                return Default.LoadFromAssemblyName(new AssemblyName(name));
            }

            string file = Path.Combine(directory, name + ".dll");
            return File.Exists(file) ? LoadFromAssemblyPath(file) : null;
        }
    }
}
