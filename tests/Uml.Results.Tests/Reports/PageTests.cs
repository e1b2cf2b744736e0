using System.Text.RegularExpressions;

namespace Uml.CI.Tests;

/// <summary>What people read: the page and the summary. What tests are called and print is nobody's markup.</summary>
public sealed partial class PageTests
{
    private const string Evil = "</script><img src=x onerror=alert(1)>'\"`|<!--&lt;]]>";

    private static Report Hostile { get; } = Report.Of(
    [
        new ReportRun
        {
            Name = Evil,
            Kernel = Evil,
            Release = Evil,
            Environment = Evil,
            Errors = [new ReportError(Evil, Evil)],
            Complaints = [new ReportComplaint { Kind = Evil, Title = Evil, Text = Evil, SourceFile = Evil, AllowedBecause = Evil }, new ReportComplaint { Kind = Evil, Title = Evil + "2", Text = Evil }],
            KernelLog = $"<4>[    0.1] {Evil}\n{Evil}",
            KernelLogFile = Evil,
            Tests =
            [
                .. ReportOutcomes.WorstFirst.Select(o => Samples.Test(o, Evil, Evil + o) with
                {
                    Message = $"{Evil}\n::error::hello\n##[error]hello\n@everyone", Details = $"::warning file=x::{Evil}", Output = $"::stop-commands::x\n{Evil}", ErrorType = Evil, SourceFile = Evil, Duration = TimeSpan.FromSeconds(1),
                    Traits = [(Evil, Evil)], Attachments = [new ReportAttachment { Name = Evil, Text = Evil }], Flaky = true,
                }),
            ],
        },
    ]) with { Tool = Evil, ToolVersion = Evil };

    [Fact]
    public void Nothing_a_test_says_is_markup_in_the_page()
    {
        string page = Samples.Text(Hostile, ReportFormat.Html, new ReportWriteOptions { Title = Evil });
        Assert.DoesNotContain("<img", page, StringComparison.Ordinal);
        Assert.DoesNotContain("onerror=alert(1)>'", page, StringComparison.Ordinal);
        Assert.Equal(1, Regex.Count(page, "<script>"));
        Assert.Equal(1, Regex.Count(page, "</script>"));
        Assert.Contains("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;&#39;&quot;", page, StringComparison.Ordinal);

        // Every tag is one of ours, with attributes of ours.
        Assert.All(Tag().Matches(page[..page.IndexOf("<script>", StringComparison.Ordinal)]), t => Assert.DoesNotMatch(@"\son[a-z]+\s*=", Regex.Replace(t.Value, "\"[^\"]*\"", "\"\"")));
    }

    [Fact]
    public void The_page_loads_nothing_and_runs_no_script_but_its_own()
    {
        string page = Samples.Text(Samples.Everything, ReportFormat.Html);
        string script = page[(page.IndexOf("<script>", StringComparison.Ordinal) + "<script>".Length)..page.IndexOf("</script>", StringComparison.Ordinal)];
        string hash = Convert.ToBase64String(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(script)));
        Assert.Contains($"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'", page, StringComparison.Ordinal);
        Assert.DoesNotMatch("(src|href)=\"(?!#)", page);
        Assert.DoesNotContain("url(", page, StringComparison.Ordinal);
        Assert.DoesNotContain("@import", page, StringComparison.Ordinal);
    }

    [Fact]
    public void The_page_names_each_test_each_kernel_and_what_failed_first()
    {
        Report large = Samples.Large();
        string page = Samples.Text(large, ReportFormat.Html);
        Assert.Equal(2000, Regex.Count(page, "<tr data-o="));
        Assert.Equal(6000, Regex.Count(page, "<td class=\"(passed|failed|skipped|not-run|crashed|timed-out|expected-failure|error)\""));
        Assert.InRange(page.IndexOf("id=\"failures-title\"", StringComparison.Ordinal), 0, page.IndexOf("id=\"tests-title\"", StringComparison.Ordinal));
        Assert.All(large.Kernels, k => Assert.Contains($"<option value=\"{large.Kernels.IndexOf(k)}\">{k}</option>", page, StringComparison.Ordinal));
        int failed = large.Runs.SelectMany(r => r.Tests).Where(t => t.Outcome.IsFailure()).DistinctBy(t => t.FullName).Count();
        Assert.Equal(failed, Regex.Count(page, "<details class=\"item\" id=\"f"));
        foreach (Match link in Regex.Matches(page, "href=\"#([a-z0-9]+)\""))
            Assert.Contains($"id=\"{link.Groups[1].Value}\"", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_element_of_the_page_is_closed()
    {
        Stack<string> open = new();
        string page = Samples.Text(Samples.Everything, ReportFormat.Html);
        page = page.Remove(page.IndexOf("<script>", StringComparison.Ordinal), page.IndexOf("</script>", StringComparison.Ordinal) - page.IndexOf("<script>", StringComparison.Ordinal) + "</script>".Length);
        foreach (Match tag in Tag().Matches(page))
        {
            string name = tag.Groups["name"].Value;
            if (name is "meta" or "input" or "col" or "!DOCTYPE")
                continue;
            if (tag.Groups["end"].Length == 0)
                open.Push(name);
            else
                Assert.Equal(open.Pop(), name);
        }

        Assert.Empty(open);
    }

    [Fact]
    public void Lines_of_a_kernel_log_have_their_levels()
    {
        string page = Samples.Text(Samples.Everything, ReportFormat.Html);
        Assert.Contains("<i>[    0.100000] </i><span class=\"w\">WARNING: CPU: 0 PID: 42 at fs/foo.c:17 foo_bar+0x1/0x2</span>", page, StringComparison.Ordinal);
        Assert.Contains("<i>[    0.200000] </i>&lt;script&gt;alert(1)&lt;/script&gt;", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_a_test_says_is_markup_or_a_command_in_the_summary()
    {
        string text = Samples.Text(Hostile, ReportFormat.Markdown, new ReportWriteOptions { Title = Evil });
        Assert.DoesNotContain("<img", text, StringComparison.Ordinal);
        Assert.DoesNotContain("<!--", text, StringComparison.Ordinal);
        Assert.DoesNotContain("</script", text, StringComparison.Ordinal);
        Assert.DoesNotContain("::", text, StringComparison.Ordinal);
        Assert.DoesNotContain("##[", text, StringComparison.Ordinal);

        // Rows of tables have as many cells as their heads.
        string[] rows = [.. text.Split('\n').Where(l => l.StartsWith("| ", StringComparison.Ordinal))];
        Assert.NotEmpty(rows);
        Assert.All(rows, r => Assert.Contains(r.Count(c => c == '|'), (int[])[3, 13]));
        Assert.All(Tag().Matches(text), t => Assert.Contains(t.Groups["name"].Value, (string[])["details", "summary", "code", "pre"]));
    }

    [Fact]
    public void The_summary_stays_within_its_limit_and_has_the_failures()
    {
        ReportTest[] tests = [.. Enumerable.Range(0, 3000).Select(i => Samples.Test(ReportOutcome.Failed, "suite", $"test {i} ü") with { Message = new string('€', 4000), Details = new string('<', 4000) })];
        Report report = Report.Of([new ReportRun { Name = "r", Kernel = "k", Release = "1", Tests = [.. tests] }]);
        foreach (int limit in (int[])[1024 * 1024, 65535, 8000])
        {
            byte[] file = Samples.Write(report, ReportFormat.Markdown, new ReportWriteOptions { MarkdownLimit = limit });
            Assert.InRange(file.Length, limit / 4, limit);
            string text = System.Text.Encoding.UTF8.GetString(file);
            Assert.Contains("test 0 ü", text, StringComparison.Ordinal);
            Assert.Matches(@"…and \d+ more\.", text);
            Assert.Equal(Regex.Count(text, "<details>"), Regex.Count(text, "</details>"));
        }
    }

    [Fact]
    public void The_summary_of_a_large_run_fits()
    {
        byte[] file = Samples.Write(Samples.Large(), ReportFormat.Markdown);
        Assert.InRange(file.Length, 1000, 1024 * 1024);
    }

    [GeneratedRegex("<(?<end>/?)(?<name>[a-zA-Z!][a-zA-Z0-9]*)(\"[^\"]*\"|[^>\"])*>", RegexOptions.ExplicitCapture)]
    private static partial Regex Tag();
}
