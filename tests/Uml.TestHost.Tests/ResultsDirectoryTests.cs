using Xunit;

namespace Uml.CI.TestHost;

public sealed class ResultsDirectoryTests
{
    [Theory]
    [InlineData(null)]
    [InlineData(null, "tests.dll", "--results-directory")]
    [InlineData(null, "tests.dll", "--results-directory-of-another", "/a")]
    [InlineData("/a", "tests.dll", "--results-directory", "/a", "--report-trx")]
    [InlineData("/a", "tests.dll", "--results-directory=/a")]
    [InlineData("/a", "tests.dll", "--results-directory:/a")]
    public void The_command_line_names_it(string? expected, params string[] arguments) =>
        Assert.Equal(expected, ResultsDirectory.Find(null, arguments));

    [Fact]
    public void The_environment_wins() =>
        Assert.Equal("/b", ResultsDirectory.Find("/b", ["--results-directory", "/a"]));
}
