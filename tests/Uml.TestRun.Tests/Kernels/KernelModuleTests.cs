using System.Text;

namespace Uml.CI.Tests;

/// <summary>Modules, and the kernels they are for.</summary>
public sealed class KernelModuleTests : IDisposable
{
    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("uml module ");

    public void Dispose() => _scratch.Delete(recursive: true);

    [Fact]
    public void A_module_says_what_it_is()
    {
        KernelModule module = KernelModule.Read(Write("my-mod.ko", "\x7f" + "ELF\0\0license=GPL\0depends=core,crc32\0name=my_mod\0vermagic=7.3.0 SMP mod_unload \0"));
        Assert.Equal(("my_mod", "7.3.0", "7.3.0 SMP mod_unload"), (module.Name, module.Release, module.VersionMagic));
        Assert.Equal(["core", "crc32"], module.Dependencies);
        ArgumentException refused = Assert.Throws<ArgumentException>(() => module.Check(Kernel("7.2.0", "")));
        Assert.Contains("was built for Linux 7.3.0", refused.Message, StringComparison.Ordinal);
        refused = Assert.Throws<ArgumentException>(() => module.Check(Kernel("7.3.0", "\0vermagic\0" + "7.3.0 mod_unload \0")));
        Assert.Contains("another configuration", refused.Message, StringComparison.Ordinal);
        refused = Assert.Throws<ArgumentException>(() => module.Check(Kernel("7.3.0", "")));
        Assert.Contains("CONFIG_MODULES", refused.Message, StringComparison.Ordinal);
        module.Check(Kernel("7.3.0", "\0" + "7.3.0 SMP mod_unload \0"));
    }

    [Theory]
    [InlineData("text", "no kernel module")]
    [InlineData("\x1f\u008b", "compressed")]
    public void What_is_no_module_is_refused(string content, string problem) =>
        Assert.Contains(problem, Assert.Throws<ArgumentException>(() => KernelModule.Read(Write("x.ko", content))).Message, StringComparison.Ordinal);

    private GuestKernel Kernel(string release, string content) => new()
    {
        Reference = "file:linux",
        Release = release,
        Banner = "",
        ExecutablePath = Write("linux", content),
        Sha256 = "",
        ReadPaths = [],
        Version = new Version(7, 3),
        IsSmp = false,
        IsStatic = false,
    };

    private string Write(string name, string content)
    {
        string path = Path.Combine(_scratch.FullName, name);
        File.WriteAllBytes(path, Encoding.Latin1.GetBytes(content));
        return path;
    }
}
