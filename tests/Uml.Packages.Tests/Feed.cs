using System.Collections.Immutable;
using System.IO.Compression;
using System.Reflection;
using System.Xml.Linq;

[assembly: AssemblyFixture(typeof(Uml.CI.Packages.Tests.Feed))]

namespace Uml.CI.Packages.Tests;

/// <summary>The packages of this repository in a folder, packed once for all tests, and a package cache that has seen no others of their names.</summary>
public sealed class Feed : IAsyncLifetime
{
    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("uml-packages-tests-");

    /// <summary>The repository.</summary>
    public static string Root { get; } = Metadata("Root");

    /// <summary>The version of every package.</summary>
    public static string Version { get; } = Metadata("Version");

    public string Packages => Path.Combine(_scratch.FullName, "feed");

    /// <summary>Where packages are unpacked to.</summary>
    public string Cache => Path.Combine(_scratch.FullName, "packages");

    /// <summary>What "dotnet pack" said.</summary>
    public string Output { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        // Built already, with the tests; what is packed from the command line differs in the configuration only.
        Output = await Dotnet.RunAsync(this, Root, "pack", "Uml.CI.sln", "--no-build", "-c", Metadata("Configuration"), "-o", Packages, "-nologo", "-tl:off");
    }

    public ValueTask DisposeAsync()
    {
        _scratch.Delete(recursive: true);
        return ValueTask.CompletedTask;
    }

    /// <summary>An empty folder whose projects find the packages, besides those of this host's own sources.</summary>
    public Folder CreateFolder()
    {
        var folder = new Folder(this);
        folder.Write("NuGet.Config", $"""
            <configuration>
              <packageSources>
                <add key="uml-packages-tests" value="{Packages}" />
              </packageSources>
            </configuration>
            """);
        return folder;
    }

    /// <summary>A package's description and the names of its files.</summary>
    public (XElement Metadata, ImmutableSortedSet<string> Files) Read(string id)
    {
        using ZipArchive package = ZipFile.OpenRead(Path.Combine(Packages, $"{id}.{Version}.nupkg"));
        using Stream description = package.GetEntry($"{id}.nuspec")!.Open();
        XElement metadata = XDocument.Load(description).Root!.Elements().Single(e => e.Name.LocalName == "metadata");
        return (metadata, [.. package.Entries.Select(e => e.FullName).Where(n => !n.StartsWith("_rels/", StringComparison.Ordinal) && !n.StartsWith("package/", StringComparison.Ordinal))]);
    }

    private static string Metadata(string key) =>
        typeof(Feed).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == key).Value!;
}
