using System.IO.Compression;
using System.Text;
using Xunit;

namespace Uml.CI;

public sealed class KernelConfigurationTests
{
    private const string Text = "#\n# Automatically generated\n#\nCONFIG_X=y\n# CONFIG_KASAN is not set\nCONFIG_NR_CPUS=4\nCONFIG_NAME=\"a=b\"\nnonsense\n=\nCONFIG_M=m\r\n";

    [Fact]
    public void Options_are_read()
    {
        KernelConfiguration configuration = KernelConfiguration.Parse(Text);
        Assert.Equal("y", configuration["CONFIG_X"]);
        Assert.Equal("y", configuration["x"]);
        Assert.Equal("4", configuration["nr_cpus"]);
        Assert.Equal("\"a=b\"", configuration["CONFIG_NAME"]);
        Assert.Equal("m", configuration["M"]);
        Assert.Null(configuration["KASAN"]);
        Assert.Equal(4, configuration.Options.Count);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\0\u0001")]
    [InlineData("CONFIG_")]
    public void What_is_none_has_no_options(string text) => Assert.Empty(KernelConfiguration.Parse(text).Options);

    [Fact]
    public void The_file_beside_the_executable_comes_first_and_the_embedded_one_second()
    {
        using Scratch scratch = new();
        using MemoryStream zipped = new();
        using (GZipStream zip = new(zipped, CompressionLevel.Fastest, leaveOpen: true))
            zip.Write(Encoding.ASCII.GetBytes(Text));

        // The marker also stands where the kernel's own code names it.
        string kernel = scratch.Write("linux", [.. "..IKCFG_ST no IKCFG_ST"u8, .. zipped.ToArray(), .. "IKCFG_ED...."u8]);
        Assert.Equal("4", KernelConfiguration.Find(kernel)!["NR_CPUS"]);
        scratch.Write("config", "CONFIG_NR_CPUS=8\n");
        Assert.Equal("8", KernelConfiguration.Find(kernel)!["NR_CPUS"]);
    }

    [Fact]
    public void A_kernel_without_one_has_none()
    {
        using Scratch scratch = new();
        Assert.Null(KernelConfiguration.Find(scratch.Write("linux", "IKCFG_ST"u8.ToArray())));
        Assert.Null(KernelConfiguration.Find(scratch.Write("other", [.. "IKCFG_ST"u8, 0x1f, 0x8b, 1, 2, 3])));
    }
}
