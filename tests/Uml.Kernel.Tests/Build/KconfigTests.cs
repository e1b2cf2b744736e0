using Xunit;

namespace Uml.CI;

public sealed class KconfigTests
{
    private const string Definitions = """
        mainmenu "x"
        config A
        	bool "A"
        	depends on B && (C || D) \
        		&& !E
        	help
        	  Depends on nothing.
        	  config NOT_ONE

        	  config NOR_THIS
        config HIDDEN
        	bool
        config SELECTS
        	tristate "S" if EXPERT
        	select HIDDEN if C
        	select TAKEN
        config TAKEN
        	bool "taken"
        menu "m"
        	depends on NET
        config IN_MENU
        	bool "in menu"
        if OUTER
        config IN_IF
        	bool "in if"
        	depends on $(cc-option,-fx) && NUMBER >= 30
        endif
        endmenu
        config AFTER
        	def_bool y
        choice
        	prompt "one"
        config ONE
        	bool "one"
        config TWO
        	bool "two"
        endchoice
        config NUMBER
        	int "n"
        	range 0 10
        """;

    private static readonly Func<KconfigFiles> s_files = () => KconfigFiles.Parse(Definitions);

    [Theory]
    [InlineData("A", true)]
    [InlineData("M", true)]
    [InlineData("N", false)]
    [InlineData("A && N", false)]
    [InlineData("N || A", true)]
    [InlineData("!N && !(A && N)", true)]
    [InlineData("A=y", true)]
    [InlineData("M=y", false)]
    [InlineData("M!=n", true)]
    [InlineData("V >= 120200", true)]
    [InlineData("V<120200", false)]
    [InlineData("S = \"text\"", true)]
    [InlineData("$(success,test -n \"$(A)\") && A", true)]
    [InlineData("y && !n", true)]
    public void Expressions_are_evaluated(string text, bool expected)
    {
        KernelConfiguration configuration = KernelConfiguration.Parse("CONFIG_A=y\nCONFIG_M=m\n# CONFIG_N is not set\nCONFIG_V=120200\nCONFIG_S=\"text\"\n");
        Assert.Equal(expected, KconfigExpression.TryParse(text)!.Evaluate(configuration) > 0);
    }

    [Theory]
    [InlineData("A &&")]
    [InlineData("(A")]
    [InlineData("A B")]
    [InlineData("")]
    public void What_is_no_expression_is_none(string text) => Assert.Null(KconfigExpression.TryParse(text));

    [Theory]
    [InlineData("A=y", "", "it depends on B, which is n and 'C || D', where C is n, D is n")]
    [InlineData("A=y", "CONFIG_B=y\nCONFIG_D=y\nCONFIG_E=y\n", "it depends on '!E', where E is y")]
    [InlineData("NOT_ONE=y", "", "there is no such option in this kernel for ARCH=um")]
    [InlineData("HIDDEN=y", "", "it cannot be set, it is on when one of these asks for it: SELECTS")]
    [InlineData("TAKEN=n", "CONFIG_TAKEN=y\nCONFIG_SELECTS=m\n", "SELECTS asks for it")]
    [InlineData("SELECTS=y", "", "it can only be set with EXPERT, which is n")]
    [InlineData("IN_MENU=y", "", "it depends on NET, which is n")]
    [InlineData("IN_IF=y", "CONFIG_NET=y\nCONFIG_NUMBER=5\n", "it depends on OUTER, which is n and 'NUMBER>=30', where NUMBER is 5")]
    [InlineData("AFTER=n", "CONFIG_AFTER=y\n", "it cannot be set, it follows from others")]
    [InlineData("TWO=y", "CONFIG_ONE=y\n", "it is one of a choice, of which ONE is taken")]
    [InlineData("NUMBER=99", "CONFIG_NUMBER=10\n", "Kconfig decided otherwise; its range or a default may say why")]
    public void What_was_dropped_is_explained(string asked, string configuration, string reason)
    {
        MergedConfiguration merged = MergedConfiguration.Merge([ConfigurationFragment.Parse("x.config", "\nCONFIG_" + asked)], [], new Version(7, 3));
        LostOption lost = Assert.Single(ConfigurationCheck.FindLost(merged, KernelConfiguration.Parse(configuration), s_files));
        Assert.Equal(reason, lost.Reason);
        Assert.StartsWith($"CONFIG_{asked} (x.config:2) is ", lost.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_as_asked_costs_no_reading()
    {
        MergedConfiguration merged = MergedConfiguration.Merge([ConfigurationFragment.Parse("x.config", "CONFIG_A=y\nCONFIG_B=n\nCONFIG_C=\"\"\nCONFIG_D=5")], [], new Version(7, 3));
        Assert.Empty(ConfigurationCheck.FindLost(merged, KernelConfiguration.Parse("CONFIG_A=y\nCONFIG_D=5\n"), () => throw new InvalidOperationException("not to be read")));
    }
}
