using System.Reflection;
using System.Text.RegularExpressions;
using Xunit;

namespace Uml.CI.TestHost;

/// <summary>docs/dotnet.md shows what works: all of it but the first project, which the tests of the packages build and run, is taken from the samples.</summary>
public sealed class DocumentTests
{
    private static readonly string Root = typeof(DocumentTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "Root").Value!;

    private static readonly (string Language, string Text)[] Blocks = [.. Regex
        .Matches(File.ReadAllText(Path.Combine(Root, "docs/dotnet.md")), @"^```(?<language>\w+)\n(?<text>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(10))
        .Select(m => (m.Groups["language"].Value, m.Groups["text"].Value))];

    [Fact]
    public void Every_snippet_is_in_a_sample()
    {
        string[] sources = [.. new[] { "*.cs", "*.csproj" }
            .SelectMany(p => Directory.GetFiles(Path.Combine(Root, "samples"), p, SearchOption.AllDirectories))
            .Select(File.ReadAllText)];
        string[] snippets = [.. Blocks.Where(b => b.Language is "csharp" or "xml" && !b.Text.Contains("\"Uml.TestHost\" Version", StringComparison.Ordinal)).Select(b => b.Text)];

        Assert.True(snippets.Length >= 7, "the document has lost its snippets");
        Assert.All(snippets, s => Assert.True(sources.Any(t => t.Contains(s, StringComparison.Ordinal)), s));
    }
}
