using System.Reflection;
using System.Text.RegularExpressions;
using Xunit;

namespace Uml.CI.MSBuild;

public sealed class DocumentTests
{
    [Fact]
    public void Every_code_is_documented_and_nothing_else_is()
    {
        string document = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "dotnet.md"));
        string[] documented = [.. Regex.Matches(document, "(?m)^\\| <a id=\"(?<anchor>uml\\d+)\"></a>(?<code>UML\\d{4}) \\| ", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(10))
            .Where(m => string.Equals(m.Groups["anchor"].Value, m.Groups["code"].Value, StringComparison.OrdinalIgnoreCase))
            .Select(m => m.Groups["code"].Value)];
        string[] codes = [.. Assembly.LoadFrom(Build.Metadata("TaskAssembly")).GetType("Uml.CI.MSBuild.ErrorCode", throwOnError: true)!
            .GetFields(BindingFlags.Public | BindingFlags.Static).Where(f => f.IsLiteral).Select(f => (string)f.GetRawConstantValue()!)];

        string[] ofTargets = [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "build")).SelectMany(f => Regex.Matches(File.ReadAllText(f), "Code=\"(?<code>UML\\d{4})\"", RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(10)))
            .Select(m => m.Groups["code"].Value)];

        Assert.True(codes.Length >= 11);
        Assert.NotEmpty(ofTargets);
        Assert.Equal(codes.Concat(ofTargets).Order(StringComparer.Ordinal), documented);
    }
}
