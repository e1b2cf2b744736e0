using System.IO.Enumeration;

namespace Uml.CI.Tests;

/// <summary>Patterns that pick some tests of a kernel and no others.</summary>
public sealed class KunitSelectionTests
{
    private static readonly string[] Suites = ["a", "ab", "abc", "list-kunit-test", "list_sort", "time_test_cases", "z"];
    private static readonly KunitTestName[] All = [.. Suites.SelectMany(s => (KunitTestName[])[new(s, "one"), new(s, "one_more"), new(s, "two")])];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Every_rest_of_a_run_is_picked_once_and_nothing_else(bool exact)
    {
        for (int lost = 0; lost <= All.Length; lost++)
        {
            KunitTestName[] wanted = [.. All.Skip(lost)];
            var picked = KunitSelection.Pick(wanted, All, exact);
            Assert.Equal(wanted.Order(Comparer), picked.SelectMany(p => p.Tests).Order(Comparer));
            foreach (KunitSelection selection in picked)
                Assert.Equal(selection.Tests.Order(Comparer), All.Where(t => Matches(selection.Glob, t)).Order(Comparer));
        }
    }

    [Fact]
    public void Suites_that_were_not_begun_share_a_kernel()
    {
        string[] names = ["first", .. Enumerable.Range(0, 80).Select(i => $"suite{i}")];
        KunitTestName[] all = [.. names.Select(n => new KunitTestName(n, "test"))];
        KunitSelection only = Assert.Single(KunitSelection.Pick(all[1..], all, exact: false));
        Assert.Equal("s*", only.Glob);
    }

    [Theory]
    [InlineData("plain_name", "plain_name")]
    [InlineData("rust.doc[0]*", "rust?doc?0??")]
    public void Names_are_patterns_that_match_them(string name, string pattern) => Assert.Equal(pattern, KunitSelection.Escape(name));

    [Theory]
    [InlineData("suite.test", "suite", "test")]
    [InlineData("util_macros.h.test_find", "util_macros.h", "test_find")]
    public void Names_of_tests_are_read(string line, string suite, string test) => Assert.Equal(new KunitTestName(suite, test), KunitTestName.Parse(line));

    [Theory]
    [InlineData("reboot: System halted")]
    [InlineData("suite")]
    [InlineData(".test")]
    [InlineData("suite.")]
    [InlineData("# suite.test.speed: slow")]
    public void Other_lines_are_none(string line) => Assert.Null(KunitTestName.Parse(line));

    private static Comparer<KunitTestName> Comparer { get; } = Comparer<KunitTestName>.Create((a, b) => string.CompareOrdinal(a.ToString(), b.ToString()));

    private static bool Matches(string glob, KunitTestName test)
    {
        string[] parts = glob.Split('.', 2);
        return FileSystemName.MatchesSimpleExpression(parts[0], test.Suite, ignoreCase: false) && (parts.Length == 1 || FileSystemName.MatchesSimpleExpression(parts[1], test.Test, ignoreCase: false));
    }
}
