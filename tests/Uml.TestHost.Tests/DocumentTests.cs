using System.Diagnostics;
using System.Reflection;
using System.Text.RegularExpressions;
using Xunit;

namespace Uml.CI.TestHost;

/// <summary>docs/dotnet.md shows what works: its first project is built and run, the rest is taken from the samples.</summary>
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
        string[] snippets = [.. Blocks.Where(b => b.Language is "csharp" or "xml" && !b.Text.Contains("path/to/the/clone", StringComparison.Ordinal)).Select(b => b.Text)];

        Assert.True(snippets.Length >= 7, "the document has lost its snippets");
        Assert.All(snippets, s => Assert.True(sources.Any(t => t.Contains(s, StringComparison.Ordinal)), s));
    }

    [Fact]
    public async Task The_first_test_passes_in_an_empty_folder()
    {
        CancellationToken cancelled = TestContext.Current.CancellationToken;
        DirectoryInfo folder = Directory.CreateTempSubdirectory("uml-testhost-first-");
        try
        {
            await WriteAsync("GuestTests.csproj", Blocks.First(b => b.Language == "xml").Text.Replace("path/to/the/clone", Root, StringComparison.Ordinal));
            await WriteAsync("global.json", Blocks.Single(b => b.Language == "json").Text);
            await WriteAsync("HelloTests.cs", Blocks.First(b => b.Language == "csharp").Text);
            string[] command = Blocks.Single(b => b.Language == "sh").Text.Trim().Split(' ');

            // The clone is built already, and others may be using what was built.
            var start = new ProcessStartInfo(command[0], [.. command[1..], "-p:BuildProjectReferences=false"])
            {
                WorkingDirectory = folder.FullName,
                UseShellExecute = false,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            foreach (string variable in start.Environment.Keys.Where(k => k.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase) || k.StartsWith("TESTINGPLATFORM", StringComparison.Ordinal)).ToArray())
                start.Environment.Remove(variable);
            start.Environment["UML_REQUIRED"] = "1";
            start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
            using Process process = Process.Start(start)!;
            string[] output = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(cancelled), process.StandardError.ReadToEndAsync(cancelled));
            await process.WaitForExitAsync(cancelled);

            Assert.True(process.ExitCode == 0, string.Concat(output));
            Assert.Matches(@"succeeded: 1\b", output[0]);
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        Task WriteAsync(string name, string text) => File.WriteAllTextAsync(Path.Combine(folder.FullName, name), text, cancelled);
    }
}
