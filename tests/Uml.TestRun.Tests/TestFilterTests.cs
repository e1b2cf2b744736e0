namespace Uml.CI.Tests;

public sealed class TestFilterTests
{
    [Fact]
    public void The_words_of_a_filter_reach_the_framework()
    {
        var filter = new TestFilter { Classes = ["A"], ExcludedClasses = ["B"], Methods = ["C.D"], ExcludedMethods = ["*.E"], Namespaces = ["N"], ExcludedNamespaces = ["O"], Traits = ["p=q=r"], ExcludedTraits = ["s=t"] };
        string arguments = string.Join(' ', filter.ToXunit().ToXunit3Arguments());
        foreach (string part in (string[])["-class A", "-class- B", "-method C.D", "-method- *.E", "-namespace N", "-namespace- O", "-trait p=q=r", "-trait- s=t"])
            Assert.Contains(part, arguments, StringComparison.Ordinal);
        Assert.False(filter.IsEmpty);
        Assert.Contains("/*/*/*/x", new TestFilter { Queries = ["/*/*/*/x"] }.ToXunit().ToXunit3Arguments());
        Assert.True(new TestFilter().IsEmpty);
    }

    [Theory]
    [InlineData("x")]
    [InlineData("/a/b/c/d/e")]
    [InlineData("")]
    public void What_is_no_query_is_named(string query) =>
        Assert.Contains($"\"{query}\" is not a test filter", Assert.Throws<TestRunException>(() => new TestFilter { Queries = [query] }.ToXunit()).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("x")]
    [InlineData("=x")]
    [InlineData("x=")]
    public void What_is_no_trait_is_named(string trait) =>
        Assert.Contains($"\"{trait}\" is not a trait", Assert.Throws<TestRunException>(() => new TestFilter { Traits = [trait] }.ToXunit()).Message, StringComparison.Ordinal);

    [Fact]
    public void A_query_and_a_class_do_not_go_together() =>
        Assert.Contains("do not go together", Assert.Throws<TestRunException>(() => new TestFilter { Queries = ["/a"], Classes = ["b"] }.ToXunit()).Message, StringComparison.Ordinal);
}
