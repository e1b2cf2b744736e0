using System.Text.RegularExpressions;

namespace Uml.CI.Tests;

public sealed class KernelTaintTests
{
    [Fact]
    public void Numbers_become_letters_and_words()
    {
        // The example of Documentation/admin-guide/tainted-kernels.rst.
        Assert.Equal([(0, 'P'), (9, 'W'), (12, 'O')], KernelTaint.Parse(4609).Select(taint => (taint.Bit, taint.Letter)));
        Assert.StartsWith("P        W  O     ", KernelTaint.Letters(4609), StringComparison.Ordinal);
        Assert.Empty(KernelTaint.Parse(0));
        Assert.Equal("", KernelTaint.Letters(0));
        Assert.Equal(["the kernel issued a warning"], KernelTaint.Added(1 << 18, (1 << 18) | (1 << 9)).Select(taint => taint.Reason));
        Assert.False(KernelTaint.Parse(1 << 18)[0].IsComplaint);
        Assert.True(KernelTaint.Parse(1UL << 40)[0].IsComplaint);
    }

    [Fact]
    public void The_letters_are_the_kernels()
    {
        Assert.SkipWhen(KernelTrees.All.Count == 0, KernelTrees.Reason);
        string table = File.ReadAllText(Path.Combine(KernelTrees.All[^1], "Documentation/admin-guide/tainted-kernels.rst"));
        MatchCollection rows = Regex.Matches(table, @"^ {1,2}(?<bit>\d+)  ./(?<letter>.) +\d+  \S", RegexOptions.Multiline | RegexOptions.ExplicitCapture);
        Assert.True(rows.Count >= 18, $"{rows.Count} rows");
        Assert.All(rows, row => Assert.Equal(row.Groups["letter"].Value[0], KernelTaint.Known[int.Parse(row.Groups["bit"].ValueSpan)].Letter));
    }
}
