using System.Collections.Immutable;
using System.IO.Compression;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Uml.CI.Packages.Tests;

/// <summary>What is in the packages.</summary>
public sealed class ContentTests(Feed feed)
{
    private const string Agent = "uml-agent";
    private const string Notices = "THIRD-PARTY-NOTICES.txt";
    private static readonly string[] LicenceTexts = ["TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION", "The above copyright notice and this permission notice", "GNU LESSER GENERAL PUBLIC LICENSE"];
    private static readonly string[] Ids = ["Uml.Cli", "Uml.Guest", "Uml.Image", "Uml.Kernel", "Uml.MSBuild", "Uml.Results", "Uml.TestHost", "Uml.Wire"];

    public static TheoryData<string> Packages => [.. Ids];

    [Fact]
    public void Packing_the_solution_makes_every_package_and_nothing_else()
    {
        Assert.Equal(Ids.Select(i => $"{i}.{Feed.Version}.nupkg"), Directory.GetFiles(feed.Packages).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal));
        Assert.DoesNotContain("warning", feed.Output, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [MemberData(nameof(Packages))]
    public void Every_package_says_what_it_is(string id)
    {
        (XElement metadata, ImmutableSortedSet<string> files) = feed.Read(id);

        Assert.Equal(id, Value(metadata, "id"));
        Assert.Equal(Feed.Version, Value(metadata, "version"));
        Assert.Equal("MIT", Value(metadata, "license"));
        Assert.Equal("README.md", Value(metadata, "readme"));
        Assert.Contains("README.md", files);
        Assert.NotEqual("Package Description", Value(metadata, "description"));
        Assert.NotEmpty(Value(metadata, "authors"));
        Assert.NotEmpty(Value(metadata, "tags"));
        // A path of the machine it was packed on is nobody's business.
        Assert.StartsWith("https://", Element(metadata, "repository")?.Attribute("url")?.Value ?? "https://", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Uml.Guest", "net10.0")]
    [InlineData("Uml.Image", "net10.0")]
    [InlineData("Uml.Kernel", "net10.0")]
    [InlineData("Uml.TestHost", "net10.0")]
    [InlineData("Uml.Wire", "net10.0", "net9.0")]
    public void A_library_has_its_documents_and_its_symbols(string id, params string[] frameworks)
    {
        ImmutableSortedSet<string> files = feed.Read(id).Files;

        Assert.Equal(frameworks.SelectMany(f => (string[])[$"lib/{f}/{id}.dll", $"lib/{f}/{id}.xml"]), files.Where(f => f.StartsWith("lib/", StringComparison.Ordinal)));
        Assert.All(frameworks, f => AssertHasSymbols(id, $"lib/{f}/{id}.dll"));
    }

    [Fact]
    public void The_agent_is_among_the_native_files_of_the_guest()
    {
        using ZipArchive package = ZipFile.OpenRead(Path.Combine(feed.Packages, $"Uml.Guest.{Feed.Version}.nupkg"));
        AssertIsAgent(package.GetEntry("runtimes/linux-x64/native/uml-agent"));
        Assert.Equal(["Microsoft.Extensions.Logging.Abstractions", "Uml.Image", "Uml.Kernel", "Uml.Results", "Uml.Wire"], Dependencies("Uml.Guest").Select(d => d.Id));
    }

    [Fact]
    public void The_tasks_have_a_folder_of_their_own_without_anything_of_MSBuilds()
    {
        (XElement metadata, ImmutableSortedSet<string> files) = feed.Read("Uml.MSBuild");

        Assert.DoesNotContain(files, f => f.StartsWith("lib/", StringComparison.Ordinal) || f.StartsWith("ref/", StringComparison.Ordinal));
        string[] tasks = [.. files.Where(f => f.StartsWith("tasks/", StringComparison.Ordinal) && f.EndsWith(".dll", StringComparison.Ordinal)).Select(f => Path.GetFileName(f))];
        Assert.Equal(
            ["Microsoft.Extensions.DependencyInjection.Abstractions.dll", "Microsoft.Extensions.Logging.Abstractions.dll", "Uml.Guest.dll", "Uml.Image.dll", "Uml.Kernel.dll", "Uml.MSBuild.dll", "Uml.Results.dll", "Uml.Wire.dll"],
            tasks);
        Assert.All(tasks, t => Assert.Contains($"tasks/net10.0/{t}", files));
        Assert.Contains("tasks/net10.0/Uml.MSBuild.deps.json", files);
        foreach (string folder in (string[])["build", "buildTransitive"])
        {
            Assert.Contains($"{folder}/Uml.MSBuild.props", files);
            Assert.Contains($"{folder}/Uml.MSBuild.targets", files);
            Assert.Contains($"{folder}/Uml.MSBuild.Run.targets", files);
        }

        AssertHasSymbols("Uml.MSBuild", "tasks/net10.0/Uml.MSBuild.dll");
        using ZipArchive package = ZipFile.OpenRead(Path.Combine(feed.Packages, $"Uml.MSBuild.{Feed.Version}.nupkg"));
        AssertIsAgent(package.GetEntry("tasks/net10.0/uml-agent"));
        AssertIsAgent(package.GetEntry("tools/net10.0/uml-agent"));
        Assert.All((string[])["uml.dll", "uml.runtimeconfig.json", "uml.deps.json"], f => Assert.Contains($"tools/net10.0/{f}", files));
        Assert.DoesNotContain("tools/net10.0/uml", files);
        Assert.Equal("true", Value(metadata, "developmentDependency"));
        Assert.Empty(Dependencies("Uml.MSBuild"));
    }

    [Fact]
    public void Fixtures_bring_the_targets_but_not_the_tasks_assembly()
    {
        (string Id, string? Excluded) targets = Dependencies("Uml.TestHost").Single(d => d.Id == "Uml.MSBuild");

        Assert.Contains("Compile", targets.Excluded, StringComparison.Ordinal);
        Assert.DoesNotContain("Build", targets.Excluded, StringComparison.Ordinal);
        Assert.Contains("buildTransitive/Uml.TestHost.props", feed.Read("Uml.TestHost").Files);
    }

    [Fact]
    public void The_tool_is_one()
    {
        (XElement metadata, ImmutableSortedSet<string> files) = feed.Read("Uml.Cli");

        Assert.Equal("DotnetTool", Element(metadata, "packageTypes")!.Elements().Single().Attribute("name")!.Value);
        Assert.Contains("tools/net10.0/linux-x64/DotnetToolSettings.xml", files);
        using ZipArchive package = ZipFile.OpenRead(Path.Combine(feed.Packages, $"Uml.Cli.{Feed.Version}.nupkg"));
        AssertIsAgent(package.GetEntry("tools/net10.0/linux-x64/uml-agent"));
    }

    [Theory]
    [MemberData(nameof(Packages))]
    public void A_package_says_whose_code_it_carries(string id)
    {
        ImmutableSortedSet<string> files = feed.Read(id).Files;
        string[] others = [.. files.Select(f => Path.GetFileName(f)).Where(IsOfOthers).Distinct(StringComparer.Ordinal)];

        Assert.Equal(others.Length > 0, files.Contains(Notices));
        Assert.All(others, f => Assert.Contains(f, ReadText(id, Notices), StringComparison.Ordinal));
        // Apache, MIT and LGPL ask for their text.
        Assert.All(others.Length > 0 ? LicenceTexts : [], t => Assert.Contains(t, ReadText(id, Notices), StringComparison.Ordinal));
    }

    [Fact]
    public void The_notices_name_what_the_tool_carries_by_its_version_and_nothing_else()
    {
        string notices = ReadText("Uml.Cli", Notices);
        string[] named = [.. Regex.Matches(notices, @"^  (?<file>\S+\.dll)$", RegexOptions.Multiline | RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(10)).Select(m => m.Groups["file"].Value)];
        using JsonDocument dependencies = JsonDocument.Parse(ReadText("Uml.Cli", "tools/net10.0/linux-x64/uml.deps.json"));
        string[] packages = [.. dependencies.RootElement.GetProperty("libraries").EnumerateObject().Where(l => l.Value.GetProperty("type").GetString() == "package").Select(l => l.Name.Replace('/', ' '))];

        Assert.Equal(
            feed.Read("Uml.Cli").Files.Select(f => Path.GetFileName(f)).Where(f => IsOfOthers(f) && f != Agent).Order(StringComparer.Ordinal),
            named.Order(StringComparer.Ordinal));
        Assert.NotEmpty(packages);
        Assert.All(packages, p => Assert.Contains($"      {p}, https://", notices, StringComparison.Ordinal));
    }

    // The agent has the runtime and the C library in it.
    private static bool IsOfOthers(string file) =>
        file == Agent || (file.EndsWith(".dll", StringComparison.Ordinal) && file != "uml.dll" && !file.StartsWith("Uml.", StringComparison.Ordinal));

    private static XElement? Element(XElement metadata, string name) => metadata.Elements().SingleOrDefault(e => e.Name.LocalName == name);

    private static string Value(XElement metadata, string name) => Element(metadata, name)?.Value ?? throw new KeyNotFoundException(name);

    /// <summary>An executable that asks for no loader: an ELF file without a PT_INTERP.</summary>
    private static void AssertIsAgent(ZipArchiveEntry? entry)
    {
        Assert.NotNull(entry);
        using var content = new MemoryStream();
        using (Stream file = entry.Open())
            file.CopyTo(content);
        byte[] bytes = content.ToArray();
        Assert.Equal("\u007FELF"u8, bytes.AsSpan(0, 4));
        long headers = BitConverter.ToInt64(bytes, 32);
        int size = BitConverter.ToUInt16(bytes, 54), count = BitConverter.ToUInt16(bytes, 56);
        Assert.DoesNotContain(3u, Enumerable.Range(0, count).Select(i => BitConverter.ToUInt32(bytes, (int)headers + (i * size))));
    }

    private (string Id, string? Excluded)[] Dependencies(string id) =>
        [.. feed.Read(id).Metadata.Descendants().Where(e => e.Name.LocalName == "dependency").Select(e => (e.Attribute("id")!.Value, e.Attribute("exclude")?.Value)).OrderBy(d => d.Item1, StringComparer.Ordinal)];

    private string ReadText(string id, string file)
    {
        using ZipArchive package = ZipFile.OpenRead(Path.Combine(feed.Packages, $"{id}.{Feed.Version}.nupkg"));
        using var reader = new StreamReader(package.GetEntry(file)!.Open());
        return reader.ReadToEnd();
    }

    private void AssertHasSymbols(string id, string file)
    {
        using ZipArchive package = ZipFile.OpenRead(Path.Combine(feed.Packages, $"{id}.{Feed.Version}.nupkg"));
        using var content = new MemoryStream();
        using (Stream assembly = package.GetEntry(file)!.Open())
            assembly.CopyTo(content);
        content.Position = 0;
        using var image = new PEReader(content);
        DebugDirectoryEntry symbols = image.ReadDebugDirectory().Single(e => e.Type == DebugDirectoryEntryType.EmbeddedPortablePdb);
        using MetadataReaderProvider provider = image.ReadEmbeddedPortablePdbDebugDirectoryData(symbols);
        Assert.NotEmpty(provider.GetMetadataReader().Documents);
    }
}
