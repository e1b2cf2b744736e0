using System.Text;
using Xunit;

namespace Uml.CI;

public sealed class ElfImageTests
{
    private const string Program = "/bin/true";

    private static ElfImage Read(string path)
    {
        using FileStream file = File.OpenRead(path);
        return ElfImage.Read(file);
    }

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public void A_dynamic_executable_names_its_loader_libraries_and_glibc()
    {
        ElfImage image = Read(Program);
        Assert.StartsWith("/lib64/ld-", image.Interpreter, StringComparison.Ordinal);
        Assert.Contains("libc.so.6", image.Needed);
        Assert.True(image.RequiredGlibc >= new Version(2, 2, 5) && image.RequiredGlibc <= HostLibraries.Glibc);
        Assert.Null(HostLibraries.WhyNot(image.Interpreter, image.RequiredGlibc, image.Needed));
        Assert.Contains("glibc 9.9", HostLibraries.WhyNot(image.Interpreter, new Version(9, 9), image.Needed), StringComparison.Ordinal);
        Assert.Contains("libnone.so", HostLibraries.WhyNot(image.Interpreter, image.RequiredGlibc, ["libnone.so"]), StringComparison.Ordinal);
        Assert.Contains("/no/loader", HostLibraries.WhyNot("/no/loader", image.RequiredGlibc, image.Needed), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_copy_runs_with_the_loader_it_was_given()
    {
        using Scratch scratch = new("uml kernel tests ü");
        ElfImage image = Read(Program);
        string loader = scratch[new string('d', 100) + "/loader"];
        Directory.CreateDirectory(Path.GetDirectoryName(loader)!);
        File.Copy(HostLibraries.RealPath(image.Interpreter!), loader);

        string copy = scratch["copy"];
        ElfImage.CopyWithInterpreter(Program, copy, loader);
        Assert.Equal(loader, Read(copy).Interpreter);
        Assert.Equal(image.Needed, Read(copy).Needed);
        Assert.Equal(0, (await new ExternalProgram(copy).RunAsync(Cancelled)).ExitCode);

        // It really is that loader: without it the copy cannot start.
        File.Delete(loader);
        await Assert.ThrowsAnyAsync<Exception>(() => new ExternalProgram(copy).RunAsync(Cancelled));

        // A copy of the copy, back to the old one.
        ElfImage.CopyWithInterpreter(copy, scratch["back"], image.Interpreter!);
        Assert.Equal(0, (await new ExternalProgram(scratch["back"]).RunAsync(Cancelled)).ExitCode);
    }

    [Fact]
    public void Impossible_loaders_are_refused()
    {
        using Scratch scratch = new();
        Assert.Throws<ElfException>(() => ElfImage.CopyWithInterpreter(Program, scratch["a"], "relative/ld.so"));
        Assert.Throws<ElfException>(() => ElfImage.CopyWithInterpreter(Program, scratch["a"], "/with\0nul"));
        Assert.Throws<ElfException>(() => ElfImage.CopyWithInterpreter(Program, scratch["a"], "/" + new string('x', 4095)));
        string still = scratch.Write("static", TinyKernel.Build());
        Assert.Contains("static", Assert.Throws<ElfException>(() => ElfImage.CopyWithInterpreter(still, scratch["a"], "/ld.so")).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(scratch["a"]));
        ElfImage.CopyWithInterpreter(Program, scratch["a"], "/" + new string('x', 4094));
    }

    [Fact]
    public void A_file_cut_off_or_damaged_anywhere_is_an_error_and_nothing_else()
    {
        using Scratch scratch = new();
        byte[] whole = File.ReadAllBytes(Program);
        Random random = new(4711);
        int refused = 0;
        for (int i = 0; i < 1500; i++)
        {
            byte[] broken = whole.AsSpan(0, i % 3 == 0 ? random.Next(whole.Length) : whole.Length).ToArray();
            for (int j = 0; j < 4 && i % 3 != 0 && broken.Length > 0; j++)
                broken[random.Next(Math.Min(broken.Length, i % 3 == 1 ? 900 : broken.Length))] = (byte)random.Next(256);
            string path = scratch.Write("broken", broken);
            try
            {
                Read(path);
            }
            catch (ElfException)
            {
                refused++;
            }
        }

        Assert.True(refused > 400, $"{refused} were refused");
    }

    [Theory]
    [InlineData("MZ\0\0", "bzImage")]
    [InlineData("#!/bin/sh\n", "a script")]
    [InlineData("hello", "not an ELF executable")]
    [InlineData("", "not an ELF executable")]
    [InlineData("\u007fELF", "cut off")]
    public void Other_files_are_told_apart(string content, string problem)
    {
        using Scratch scratch = new();
        string path = scratch.Write("file", Encoding.Latin1.GetBytes(content));
        Assert.Contains(problem, Assert.Throws<ElfException>(() => KernelImage.Read(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kernel_says_its_release_and_options()
    {
        using Scratch scratch = new();
        KernelImage image = KernelImage.Read(scratch.Write("k", TinyKernel.Build()));
        Assert.Equal("7.9.3-tiny", image.Release);
        Assert.Equal(TinyKernel.Banner, image.Banner);
        Assert.True(image.IsSmp);
        Assert.True(image.IsStatic);
        Assert.Equal(new Version(7, 9), KernelImage.VersionOf(image.Release));

        Assert.False(KernelImage.Read(scratch.Write("k", TinyKernel.Build("Linux version 6.1.0 (SMP@host) (gcc) #1 Mon Jan 1"))).IsSmp);
        string template = "Linux version 6.1.0 (a@b) (gcc) # \0Linux version 6.1.0 (a@b) (gcc) #1 SMP Mon Jan 1";
        Assert.True(KernelImage.Read(scratch.Write("k", TinyKernel.Build(template))).IsSmp);
    }

    [Fact]
    public void A_version_line_across_a_read_boundary_is_found()
    {
        using Scratch scratch = new();
        for (int before = (1 << 20) - 400; before < (1 << 20) + 40; before += 20)
        {
            byte[] kernel = TinyKernel.Build(new string('x', before) + "\0" + TinyKernel.Banner);
            Assert.Equal(TinyKernel.Banner, KernelImage.Read(scratch.Write("k", kernel)).Banner);
        }
    }
}
