using Xunit;

namespace Uml.CI;

public sealed class ConfigurationTests
{
    private static readonly Version s_old = new(6, 1), s_new = new(7, 3);

    [Fact]
    public void A_fragment_is_read()
    {
        ConfigurationFragment fragment = ConfigurationFragment.Parse("x.config", """
            # x: what it is for
            # and more.
            #: since 6.4
            #: not-with smp,other

            CONFIG_A=y
            CONFIG_B=m   # since 6.19
            CONFIG_C="te xt"	# before 6.5 optional
            CONFIG_D=0x1f
            CONFIG_E=-3
            # CONFIG_F is not set
            # CONFIG_G is not set   # before 7.0
            """);
        Assert.Equal("what it is for", fragment.Summary);
        Assert.Equal(("since", new Version(6, 4)), ("since", fragment.Versions.Since));
        Assert.Equal(["smp", "other"], fragment.NotWith);
        Assert.Equal(
            ["A=y", "B=m", "C=\"te xt\"", "D=0x1f", "E=-3", "F=n", "G=n"],
            fragment.Lines.Select(l => $"{l.Option}={l.Value}"));
        Assert.Equal("x.config:7", fragment.Lines[1].Origin);
        Assert.True(fragment.Lines[2].IsOptional);
        Assert.Equal(["A", "B", "D", "E", "F"], fragment.Lines.Where(l => l.Versions.Contains(s_new)).Select(l => l.Option));
        Assert.Equal(["A", "C", "D", "E", "F", "G"], fragment.Lines.Where(l => l.Versions.Contains(s_old)).Select(l => l.Option));
    }

    [Theory]
    [InlineData("CONFIG_A")]
    [InlineData("A=y")]
    [InlineData("CONFIG_A=maybe")]
    [InlineData("CONFIG_A=y # when I like it")]
    [InlineData("CONFIG_A=y # since")]
    [InlineData("CONFIG_A=\"open")]
    [InlineData("#: sometimes")]
    public void What_is_no_fragment_is_refused_with_its_line(string line)
    {
        KernelException e = Assert.Throws<KernelException>(() => ConfigurationFragment.Parse("mine.config", "CONFIG_OK=y\n" + line));
        Assert.Contains("mine.config:2", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("CONFIG_A=y", "CONFIG_A=y")]
    [InlineData("A=n", "# CONFIG_A is not set")]
    [InlineData("CONFIG_A=7", "CONFIG_A=7")]
    [InlineData("CONFIG_A=a text", "CONFIG_A=\"a text\"")]
    [InlineData("CONFIG_A=\"a text\"", "CONFIG_A=\"a text\"")]
    public void A_setting_is_read(string text, string expected) => Assert.Equal(expected, ConfigurationFragment.ParseSetting(text).Text);

    [Theory]
    [InlineData("")]
    [InlineData("CONFIG_")]
    [InlineData("CONFIG_A")]
    [InlineData("A-B=y")]
    [InlineData("A=x\nCONFIG_B=y")]
    public void What_is_no_setting_is_refused(string text) => Assert.Throws<KernelException>(() => ConfigurationFragment.ParseSetting(text));

    [Fact]
    public void The_last_word_on_an_option_holds()
    {
        ConfigurationFragment one = ConfigurationFragment.Parse("one.config", "CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=1\n");
        ConfigurationFragment two = ConfigurationFragment.Parse("two.config", "CONFIG_B=n\nCONFIG_C=2 # since 7.0\nCONFIG_D=y\n");
        ConfigurationLine setting = ConfigurationFragment.ParseSetting("A=m");
        Assert.Equal("CONFIG_A=m\n# CONFIG_B is not set\nCONFIG_C=2\nCONFIG_D=y\n", MergedConfiguration.Merge([one, two], [setting], s_new).Text);
        Assert.Equal("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=1\nCONFIG_D=y\n", MergedConfiguration.Merge([one, two], [], s_old).Text);
    }

    [Fact]
    public void Every_profile_there_is_can_be_read()
    {
        Assert.Equal(["base", "coverage", "debug", "distro", "fast", "kunit", "smp", "timetravel"], KernelProfile.All.Select(p => p.Name));
        Assert.All(KernelProfile.All, p => Assert.NotEmpty(p.Summary));
        Assert.All(KernelProfile.All, p => Assert.NotEmpty(p.Fragment.Lines));
    }

    [Fact]
    public void Profiles_that_do_not_go_together_are_refused()
    {
        Assert.Equal(["base", "debug", "kunit"], MergedConfiguration.FragmentsOf(["debug", "kunit", "base"], s_new).Select(f => f.Name));
        Assert.Contains("'timetravel'", Assert.Throws<KernelException>(() => MergedConfiguration.FragmentsOf(["smp", "timetravel"], s_new)).Message, StringComparison.Ordinal);
        Assert.Contains("6.19", Assert.Throws<KernelException>(() => MergedConfiguration.FragmentsOf(["smp"], s_old)).Message, StringComparison.Ordinal);
        KernelException unknown = Assert.Throws<KernelException>(() => MergedConfiguration.FragmentsOf(["fastest"], s_new));
        Assert.Contains("fast, kunit", unknown.Message, StringComparison.Ordinal);
        Assert.Equal(KernelProblem.InvalidReference, unknown.Problem);
    }

    [Fact]
    public void Patches_say_what_they_are_for()
    {
        KernelPatch patch = KernelPatch.Parse("x.patch", "Why.\n#: since 6.4\n#: profile coverage\n--- a/x\n+++ b/arch/x\n#: nonsense\n");
        Assert.True(patch.IsFor(s_new, ["fast", "coverage"]));
        Assert.False(patch.IsFor(s_new, ["fast"]));
        Assert.False(patch.IsFor(s_old, ["coverage"]));
        Assert.Equal(["arch/x"], PatchedFiles.Targets(patch.Text));
        Assert.Throws<KernelException>(() => KernelPatch.Parse("x.patch", "#: until 6.4\n--- a/x\n"));
    }
}
