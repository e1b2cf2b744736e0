namespace Uml.CI.Cli.Tests;

/// <summary>What <c>uml kernel build</c> makes of its words; that it builds is shown by Uml.Kernel.Tests and Uml.Profiles.Tests.</summary>
public sealed class KernelBuildCommandTests : ToolTests
{
    [Theory]
    [InlineData("debian-source:7.3", null, "debian-source:7.3#fast")]
    [InlineData("debian-source:7.3@sid", "debug,kunit", "debian-source:7.3@sid#debug,kunit")]
    [InlineData("debian-source:7.3#smp", null, "debian-source:7.3#smp")]
    [InlineData("/a b/linux", "smp", "source:/a b/linux#smp")]
    [InlineData("/a#b", null, "source:/a#b#fast")]
    [InlineData("source:/linux#smp", null, "source:/linux#smp")]
    public void A_source_is_a_reference(string source, string? profiles, string expected) =>
        Assert.Equal(expected, KernelBuildCommand.Reference(source, profiles).ToString());

    [Fact]
    public void A_path_is_taken_from_here() =>
        Assert.Equal($"source:{Path.GetFullPath("linux")}#fast", KernelBuildCommand.Reference("linux", null).ToString());

    [Fact]
    public void Profiles_are_named_once() =>
        Assert.Throws<ArgumentException>(() => KernelBuildCommand.Reference("debian-source:7.3#smp", "fast"));

    [Theory]
    [InlineData("no kernel profile 'quick'", "debian-source:7.3", "--profile", "quick")]
    [InlineData("cannot be combined", "debian-source:7.3", "--profile", "smp,timetravel")]
    [InlineData("is for kernels 6.19 and later", "debian-source:6.1", "-p", "smp")]
    [InlineData("no valid version", "debian-source:new")]
    [InlineData("does not exist", "./nothing")]
    [InlineData("'x' is no option of a kernel", "debian-source:7.3", "--set", "x")]
    [InlineData("is not a number of files", "debian-source:7.3", "-j", "0")]
    [InlineData("no-such-compiler is missing", "debian-source:7.3", "--cc", "no-such-compiler")]
    [InlineData("is there already and not empty", "debian-source:7.3", "-o", "/usr")]
    [InlineData("cannot be read", "debian-source:7.3", "--config", "none.config")]
    public async Task What_makes_no_sense_is_said_in_one_line(string message, params string[] arguments)
    {
        Run run = await RunAsync(["kernel", "build", .. arguments]);
        Assert.Equal(125, run.ExitCode);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries), l => !l.StartsWith("uml: see ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Profiles_are_completed()
    {
        Run run = await ShellAsync("line='uml kernel build x --profile debug,ku'; uml \"[suggest:${#line}]\" \"$line\"");
        Assert.Equal("debug,kunit\n", run.Output);
    }
}
