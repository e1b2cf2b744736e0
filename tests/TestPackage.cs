using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Uml.CI;

/// <summary>A package with a kernel in it, or with something that only looks like one.</summary>
internal sealed class TestPackage(string version, byte[] linux, string id = "Uml.Kernel.Image")
{
    private readonly List<(string Name, byte[] Content, int Mode)> _more = [];
    private readonly Dictionary<string, byte[]> _files = new(StringComparer.Ordinal) { ["linux"] = linux, ["config"] = "CONFIG_UML=y\n"u8.ToArray() };

    public string Id { get; } = id;

    public string Version => version;

    /// <summary>What the manifest says beside what is true.</summary>
    public Dictionary<string, string?> Manifest { get; } = new(StringComparer.Ordinal);

    public string? ManifestText { get; set; }

    /// <summary>The ID that the package itself says.</summary>
    public string NuspecId { get; set; } = id;

    /// <summary>A file below <c>kernel/</c>, listed in the manifest; null takes one away.</summary>
    public TestPackage With(string name, byte[]? content)
    {
        if (content is null)
            _files.Remove(name);
        else
            _files[name] = content;
        return this;
    }

    /// <summary>An entry of the zip file as it is, which the manifest does not list.</summary>
    public TestPackage WithEntry(string name, byte[] content, int mode = 0)
    {
        _more.Add((name, content, mode));
        return this;
    }

    public byte[] Build()
    {
        using var stream = new MemoryStream();
        using (ZipArchive archive = new(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            Add(archive, $"{NuspecId}.nuspec", Encoding.UTF8.GetBytes($"""
                <?xml version="1.0" encoding="utf-8"?>
                <package xmlns="http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd">
                  <metadata>
                    <id>{NuspecId}</id>
                    <version>{version}</version>
                    <authors>Tests</authors>
                    <description>A kernel for tests</description>
                    <tags>linux kernel uml</tags>
                  </metadata>
                </package>
                """));
            foreach ((string name, byte[] content) in _files)
                Add(archive, "kernel/" + name, content);
            Dictionary<string, string> hashes = _files.ToDictionary(f => f.Key, f => Convert.ToHexStringLower(SHA256.HashData(f.Value)), StringComparer.Ordinal);
            foreach ((string name, string? hash) in Manifest)
            {
                if (hash is null)
                    hashes.Remove(name);
                else
                    hashes[name] = hash;
            }

            if (ManifestText != "")
                Add(archive, "kernel/manifest.json", Encoding.UTF8.GetBytes(ManifestText ?? JsonSerializer.Serialize(new { files = hashes })));
            foreach ((string name, byte[] content, int mode) in _more)
                Add(archive, name, content, mode);
        }

        return stream.ToArray();
    }

    /// <summary>Puts it into a folder feed of the flat form.</summary>
    public string PutInto(string folder) => Put(Path.Combine(folder, $"{Id}.{version}.nupkg"), Build());

    /// <summary>Puts it into a folder of NuGet's hierarchical form, which is also that of the global packages folder.</summary>
    public string PutIntoHierarchy(string folder)
    {
        byte[] package = Build();
        string hash = Convert.ToBase64String(SHA512.HashData(package));
        string directory = Path.Combine(folder, Id.ToLowerInvariant(), version);
        string file = Put(Path.Combine(directory, $"{Id.ToLowerInvariant()}.{version}.nupkg"), package);
        File.WriteAllText(file + ".sha512", hash);
        File.WriteAllText(Path.Combine(directory, ".nupkg.metadata"), JsonSerializer.Serialize(new { version = 2, contentHash = hash, source = folder }));
        using var archive = new ZipArchive(new MemoryStream(package));
        archive.GetEntry($"{NuspecId}.nuspec")!.ExtractToFile(Path.Combine(directory, $"{Id.ToLowerInvariant()}.nuspec"));
        return file;
    }

    private static string Put(string path, byte[] content)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, content);
        return path;
    }

    private static void Add(ZipArchive archive, string name, byte[] content, int mode = 0)
    {
        ZipArchiveEntry entry = archive.CreateEntry(name, CompressionLevel.Optimal);
        if (mode != 0)
            entry.ExternalAttributes = mode << 16;
        using Stream stream = entry.Open();
        stream.Write(content);
    }
}
