using System.Collections.Immutable;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using Xunit;
using Xunit.Runner.Common;

namespace Uml.CI;

/// <summary>A built test assembly.</summary>
public sealed record TestAssembly
{
    // Of v3, whose arguments and messages XunitV2Program understands.
    private static readonly Version AnsweredVersion = new(3, 2, 2);

    private TestAssembly(string path, AssemblyMetadata metadata, Version coreVersion, ImmutableArray<string> command)
    {
        Path = path;
        Metadata = metadata;
        CoreVersion = coreVersion;
        Command = command;
    }

    /// <summary>The <c>dotnet</c> that runs this process, which runs others as well.</summary>
    public static string Dotnet => DotnetHost.Find();

    /// <summary>The assembly's full path.</summary>
    public string Path { get; }

    /// <summary>Its name, without directory and extension.</summary>
    public string Name => System.IO.Path.GetFileNameWithoutExtension(Path);

    /// <summary>What xunit reads from it: the framework it is built for, the generation of xunit.</summary>
    internal AssemblyMetadata Metadata { get; }

    /// <summary>The version of xunit.v3.core it is built with, or behaves as.</summary>
    internal Version CoreVersion { get; }

    /// <summary>The words that run it.</summary>
    internal ImmutableArray<string> Command { get; }

    /// <summary>Looks at an assembly.</summary>
    /// <param name="path">The assembly, or the executable beside it that starts it.</param>
    /// <param name="v2Program">The words of a program that hands its further arguments to <see cref="XunitV2Program"/>, to which tests of xunit v2 are given; none to take only v3.</param>
    /// <exception cref="TestRunException">It cannot be run; the message says why and what to do.</exception>
    public static TestAssembly Open(string path, ImmutableArray<string> v2Program = default)
    {
        if (string.IsNullOrWhiteSpace(path))
            throw new TestRunException("the name of a test assembly is empty");
        string file = System.IO.Path.GetFullPath(path);
        if (Directory.Exists(file))
            throw new TestRunException($"{path} is a directory: name the test assembly in it, such as {System.IO.Path.Combine(path, "My.Tests.dll")}");
        if (!File.Exists(file))
            throw new TestRunException($"there is no {path}: build the test project, and name the assembly it puts out");
        // The executable that starts an assembly has its name without ".dll".
        if (!file.EndsWith(".dll", StringComparison.OrdinalIgnoreCase) && File.Exists(file + ".dll"))
            file += ".dll";

        AssemblyMetadata? metadata;
        Version? core;
        try
        {
            if (!IsAssembly(file, out core))
                throw new TestRunException($"{path} is not a .NET assembly: name the .dll that the test project puts out");
            metadata = AssemblyUtility.GetAssemblyMetadata(file);
        }
        catch (BadImageFormatException e)
        {
            throw new TestRunException($"{path} is not a .NET assembly: name the .dll that the test project puts out", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TestRunException($"{path} cannot be read: {e.Message}", e);
        }

        if (metadata is null || metadata.XunitVersion == 0 || metadata.XunitVersion >= 3 && core is null)
            throw new TestRunException($"{path} is not a test assembly: it has no tests of xunit");
        if (metadata.TargetFrameworkIdentifier == TargetFrameworkIdentifier.DotNetFramework)
            throw new TestRunException($"{path} is built for .NET Framework, which Linux does not run: build it for .NET");
        if (metadata.XunitVersion < 3)
        {
            if (metadata.XunitVersion < 2 || v2Program.IsDefaultOrEmpty)
                throw new TestRunException($"{path} is built with xunit v{metadata.XunitVersion}, whose tests cannot run in a process of their own: move the project to xunit.v3");
            return new TestAssembly(file, metadata, AnsweredVersion, [.. v2Program, file]);
        }

        if (!File.Exists(System.IO.Path.ChangeExtension(file, ".runtimeconfig.json")))
            throw new TestRunException($"{path} has no {System.IO.Path.GetFileNameWithoutExtension(file)}.runtimeconfig.json beside it: it is a library, or was copied without the files it was built with");
        return new TestAssembly(file, metadata, core!, CommandOf(file));
    }

    /// <inheritdoc/>
    public override string ToString() => Path;

    /// <summary>The assembly as xunit's runners describe one: always of v3, which runs in a process of its own.</summary>
    internal XunitProjectAssembly ToXunit() => new(new XunitProject(), Path, new AssemblyMetadata(3, $".NETCoreApp,Version=v{Metadata.TargetFrameworkVersion}"));

    // As xunit itself does: the executable finds the runtime it was built for. Where the build made none, the runtime takes the assembly.
    private static ImmutableArray<string> CommandOf(string file)
    {
        string executable = file[..^".dll".Length];
        return File.Exists(executable) && File.GetUnixFileMode(executable).HasFlag(UnixFileMode.UserExecute)
            ? [executable]
            : [DotnetHost.Find(), "exec", file];
    }

    private static bool IsAssembly(string file, out Version? core)
    {
        core = null;
        using var image = new PEReader(File.OpenRead(file));
        if (!image.HasMetadata)
            return false;
        MetadataReader metadata = image.GetMetadataReader();
        foreach (AssemblyReference reference in metadata.AssemblyReferences.Select(metadata.GetAssemblyReference))
        {
            if (metadata.StringComparer.Equals(reference.Name, "xunit.v3.core"))
                core = reference.Version;
        }

        return true;
    }
}
