using System.IO.Compression;
using System.Text.Json;
using System.Xml.Linq;
using Xunit;

namespace Uml.CI;

/// <summary>Packages of kernels, as they are written.</summary>
public sealed class KernelPackageTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_kernel_is_packed_with_what_it_was_built_with()
    {
        using Scratch scratch = new();
        string kernel = BuiltKernelDirectory.Write(scratch);
        string[] packages = [.. await KernelPackageWriter.WriteAsync(kernel, new KernelPackOptions { OutputDirectory = scratch["feed"] }, Cancelled)];
        Assert.Equal([scratch["feed/Uml.Kernel.Image.Debug.7.9.3.nupkg"], scratch["feed/Uml.Kernel.Image.Debug.Symbols.7.9.3.nupkg"]], packages);
        Assert.Equal(packages.Length, Directory.GetFileSystemEntries(scratch["feed"]).Length);

        using ZipArchive package = ZipFile.OpenRead(packages[0]);
        string[] inside = [.. package.Entries.Select(e => e.FullName).Where(n => n.StartsWith("kernel/", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        Assert.Equal(
            ["kernel/COPYING", "kernel/System.map", "kernel/build.json", "kernel/config", "kernel/fragments/debug.config", "kernel/linux", "kernel/manifest.json", "kernel/modules/7.9.3-tiny/x.ko"],
            inside);
        using JsonDocument manifest = JsonDocument.Parse(Read(package, "kernel/manifest.json"));
        foreach (JsonProperty file in manifest.RootElement.GetProperty("files").EnumerateObject())
            Assert.Equal(KernelStore.HashOf(Path.Combine(kernel, file.Name)), file.Value.GetString());
        Assert.Equal(inside.Length - 1, manifest.RootElement.GetProperty("files").EnumerateObject().Count());

        XElement metadata = XDocument.Parse(Read(package, "Uml.Kernel.Image.Debug.nuspec")).Root!.Elements().Single();
        string? Value(string name) => metadata.Elements().SingleOrDefault(e => e.Name.LocalName == name)?.Value;
        Assert.Equal("GPL-2.0-only WITH Linux-syscall-note", Value("license"));
        Assert.Equal("7.9.3", Value("version"));
        Assert.Contains("uml-profile-debug", Value("tags"), StringComparison.Ordinal);
        Assert.Contains("linux-source-7.9 7.9.3-1", Read(package, "README.md"), StringComparison.Ordinal);
        Assert.Contains("uml run --kernel 7.9.3#debug", Read(package, "README.md"), StringComparison.Ordinal);

        using ZipArchive symbols = ZipFile.OpenRead(packages[1]);
        Assert.Equal(["kernel/COPYING", "kernel/linux.debug", "kernel/manifest.json"], symbols.Entries.Select(e => e.FullName).Where(n => n.StartsWith("kernel/", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task The_same_kernel_makes_the_same_packages()
    {
        using Scratch scratch = new();
        string kernel = BuiltKernelDirectory.Write(scratch);
        foreach (string feed in (string[])["one", "two"])
        {
            await KernelPackageWriter.WriteAsync(kernel, new KernelPackOptions { OutputDirectory = scratch[feed] }, Cancelled);
            foreach (string file in Directory.EnumerateFiles(kernel, "*", SearchOption.AllDirectories))
                File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddDays(-3));
        }

        foreach (string package in Directory.EnumerateFiles(scratch["one"]))
            Assert.Equal(KernelStore.HashOf(package), KernelStore.HashOf(Path.Combine(scratch["two"], Path.GetFileName(package))));
    }

    [Fact]
    public async Task Id_and_revision_are_the_users()
    {
        using Scratch scratch = new();
        string kernel = BuiltKernelDirectory.Write(scratch, version: "7.9.0-rc3");
        KernelPackOptions options = new() { OutputDirectory = scratch["feed"], Id = "My.Kernel", Revision = 2, Symbols = false };
        Assert.Equal([scratch["feed/My.Kernel.7.9.0-rc3.2.nupkg"]], await KernelPackageWriter.WriteAsync(kernel, options, Cancelled));
    }

    [Theory]
    [InlineData("linux", "it has no executable \"linux\"")]
    [InlineData("build.json", "the record of its build")]
    [InlineData("config", "config is missing")]
    [InlineData("COPYING", "COPYING is missing")]
    [InlineData("System.map", "System.map is missing")]
    public async Task What_lacks_a_part_is_refused(string part, string problem)
    {
        using Scratch scratch = new();
        string kernel = BuiltKernelDirectory.Write(scratch);
        File.Delete(Path.Combine(kernel, part));
        KernelException e = await Fails(kernel, new KernelPackOptions { OutputDirectory = scratch["feed"] });
        Assert.Contains(problem, e.Message, StringComparison.Ordinal);
        Assert.Contains(kernel, e.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(scratch["feed"]) && Directory.EnumerateFileSystemEntries(scratch["feed"]).Any());
    }

    [Fact]
    public async Task What_does_not_fit_together_is_refused()
    {
        using Scratch scratch = new();
        string kernel = BuiltKernelDirectory.Write(scratch);
        KernelPackOptions options = new() { OutputDirectory = scratch["feed"] };
        Assert.Contains("'a b' is no valid package ID", (await Fails(kernel, options with { Id = "a b" })).Message, StringComparison.Ordinal);
        scratch.Write("feedfile", "");
        Assert.Contains("cannot be packed into", (await Fails(kernel, options with { OutputDirectory = scratch["feedfile"] })).Message, StringComparison.Ordinal);
        scratch.Write("built/build.json", "{");
        Assert.Contains("cannot be read", (await Fails(kernel, options)).Message, StringComparison.Ordinal);
        BuiltKernelDirectory.Write(scratch, release: "7.9.9");
        Assert.Contains("its executable is Linux 7.9.3-tiny, and build.json says 7.9.9", (await Fails(kernel, options)).Message, StringComparison.Ordinal);
        BuiltKernelDirectory.Write(scratch, version: "seven");
        Assert.Contains("its version 'seven'", (await Fails(kernel, options)).Message, StringComparison.Ordinal);
    }

    private static Task<KernelException> Fails(string kernel, KernelPackOptions options) =>
        Assert.ThrowsAsync<KernelException>(() => KernelPackageWriter.WriteAsync(kernel, options, Cancelled));

    private static string Read(ZipArchive archive, string name)
    {
        using StreamReader reader = new(archive.GetEntry(name)!.Open());
        return reader.ReadToEnd();
    }
}

/// <summary>The directory of a built kernel, with the tiny one for its executable.</summary>
internal static class BuiltKernelDirectory
{
    public static string Write(Scratch scratch, string directory = "built", string version = "7.9.3", string release = "7.9.3-tiny", byte[]? executable = null, params string[] profiles)
    {
        scratch.Write(directory + "/linux", executable ?? TinyKernel.Build());
        scratch.Write(directory + "/linux.debug", "debug");
        scratch.Write(directory + "/config", "CONFIG_X=y\n");
        scratch.Write(directory + "/System.map", "0 T _start\n");
        scratch.Write(directory + "/COPYING", "GPL\n");
        scratch.Write(directory + "/modules/7.9.3-tiny/x.ko", "module");
        scratch.Write(directory + "/fragments/debug.config", "CONFIG_X=y\n");
        KernelRecord record = new()
        {
            Release = release,
            Version = version,
            Source = new KernelRecordSource { Name = "linux-source-7.9 7.9.3-1", Reference = "debian-source:7.9", Sha256 = new string('a', 64) },
            Profiles = profiles.Length == 0 ? ["debug"] : profiles,
            Fragments = [new KernelRecordFile("debug.config", new string('b', 64))],
            Compiler = "gcc 12",
            Linker = "ld 2",
            SourceDateEpoch = 1,
            Inputs = new string('c', 64),
        };
        scratch.Write(directory + "/build.json", JsonSerializer.Serialize(record, KernelJson.Default.KernelRecord));
        return scratch[directory];
    }
}
