using System.Text;
using System.Text.RegularExpressions;

namespace Uml.CI.Cli.Tests;

/// <summary>Runs what docs/cli.md, distro.md, github.md, kernels.md, kunit.md, reports.md and smoke.md show: in "console" blocks, lines that begin with "$ " are commands, the others what they print.</summary>
public sealed partial class DocumentTests : ToolTests
{
    private static readonly string[] s_documents = ["cli.md", "distro.md", "github.md", "kernels.md", "kunit.md", "reports.md", "smoke.md"];

    public static IEnumerable<TheoryDataRow<string, string>> Blocks() => s_documents.SelectMany(Blocks);

    private static IEnumerable<TheoryDataRow<string, string>> Blocks(string document)
    {
        string heading = "";
        StringBuilder? block = null;
        int number = 0;
        foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, document)))
        {
            if (line.StartsWith('#'))
                heading = line.TrimStart('#', ' ');
            if (line == "```console")
            {
                block = new StringBuilder();
            }
            else if (line == "```" && block is not null)
            {
                yield return new TheoryDataRow<string, string>($"{document} {++number} {heading}", block.ToString());
                block = null;
            }
            else
            {
                block?.Append(line).Append('\n');
            }
        }
    }

    [Theory]
    [MemberData(nameof(Blocks), DisableDiscoveryEnumeration = true)]
    public async Task Examples_do_what_they_show(string heading, string block)
    {
        if (heading.StartsWith("distro.md", StringComparison.Ordinal) && Environment.GetEnvironmentVariable("UML_REQUIRED") is null or "")
            Assert.SkipUnless(((string[])["mmdebstrap", "sqfstar"]).All(p => File.Exists("/usr/bin/" + p)), "the packages mmdebstrap and squashfs-tools are not installed");
        System.IO.Directory.CreateDirectory(this["data"]);
        File.WriteAllText(this["data/numbers"], "1\n2\n3\n");
        File.WriteAllText(this["test.sh"], "#!/bin/sh\necho tested > /tmp/result\n");
        File.SetUnixFileMode(this["test.sh"], (UnixFileMode)0x1ed);
        File.CreateSymbolicLink(this["bin"], Path.GetDirectoryName(TestCommandTests.Assembly)!);
        foreach ((string command, string expected) in Steps(block))
        {
            Run run = await ShellAsync($"{{ {command}\n}} 2>&1");
            string output = ProgressLines().Replace(run.Output, "");
            Assert.True(Pattern(expected).IsMatch(output), $"{heading}: {command}\nshould print\n{expected}\nand printed\n{run.Output}");
        }
    }

    [Fact]
    public void Every_option_is_in_a_document()
    {
        string text = string.Concat(s_documents.Select(d => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, d))));
        Assert.All(
            CommandLine.Create().Subcommands.SelectMany(c => c.Subcommands.Prepend(c)).SelectMany(c => c.Options).Where(o => !o.Hidden),
            o => Assert.Matches($"`{o.Name}[` ]", text));
        Assert.All(ExitStatus.Table.Split('\n').Skip(1), line => Assert.Contains($"| {line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[0]} |", text, StringComparison.Ordinal));
    }

    private static IEnumerable<(string Command, string Expected)> Steps(string block)
    {
        foreach (string step in Regex.Split(block, @"^\$ ", RegexOptions.Multiline).Where(s => s.Length > 0))
        {
            int end = step.IndexOf('\n', StringComparison.Ordinal);
            while (step[end - 1] == '\\')
                end = step.IndexOf('\n', end + 1);
            yield return (step[..end], step[(end + 1)..]);
        }
    }

    // What the tool says only when something takes long.
    [GeneratedRegex("^uml: (booting, .*|waiting for another process .*)\n", RegexOptions.Multiline | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture)]
    private static partial Regex ProgressLines();

    // "..." stands for anything, within a line or for whole lines.
    private static Regex Pattern(string expected) =>
        new("^" + Regex.Escape(expected).Replace(@"\.\.\.\n", @"[^$]*\n", StringComparison.Ordinal).Replace(@"\.\.\.", ".*", StringComparison.Ordinal) + "$", RegexOptions.None, TimeSpan.FromSeconds(5));
}
