using System.Text.Json;
using System.Xml.Linq;
using Xunit.Sdk;

namespace Uml.CI.Tests;

public sealed class TestReportTests : IDisposable
{
    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("uml testrun ü ");

    public void Dispose() => _scratch.Delete(recursive: true);

    [Fact]
    public void All_formats_hold_each_test_of_each_kernel_under_a_name_of_its_own()
    {
        TestResult[] results =
        [
            Cases.Result("N.C.Passes"), Cases.Result("N.C.Fails", TestOutcome.Failed) with { Message = "a < b & \"c\"\nsecond ]]> line\u0000\u001b[1m\ud800", StackTrace = "   at N.C.Fails()" },
            Cases.Result("N.D.Is_skipped", TestOutcome.Skipped), Cases.Result("N.D.Explicit", TestOutcome.NotRun),
        ];
        (string[] names, int failed)[] read = [.. Formats([Cases.Run("old", results), Cases.Run("new", results)])];
        Assert.All(read, r =>
        {
            Assert.Equal(8, r.names.Distinct(StringComparer.Ordinal).Count());
            Assert.Contains("N.C.Fails [old]", r.names);
            Assert.Contains("N.C.Fails [new]", r.names);
            Assert.Equal(2, r.failed);
        });
    }

    [Fact]
    public void What_is_no_test_and_failed_is_a_failure_in_every_format() =>
        Assert.All(Formats([Cases.Run("k", Cases.Result("N.C.Passes")) with { Errors = ["the guest was lost\nits log"] }]), r => Assert.Equal((2, 1), (r.Names.Length, r.Failed)));

    [Theory]
    [InlineData(ReportFormat.Trx)]
    [InlineData(ReportFormat.Ctrf)]
    public void Attachments_lie_beside_the_report(ReportFormat format)
    {
        TestResult result = Cases.Result("N.C.Attaches");
        result = result with
        {
            Attachments = result.Attachments
                .Add("../not e", TestAttachment.Create("attached"))
                .Add("bytes", TestAttachment.Create([1, 2], "application/octet-stream")),
        };
        string file = Path.Combine(_scratch.FullName, "deep/er/report.one");
        TestReport.Write(format, file, [Cases.Run("k", Cases.Result("N.C.Passes"), result)]);
        string[] left = Directory.GetFiles(Path.Combine(_scratch.FullName, "deep/er/report.attachments"), "*", SearchOption.AllDirectories);
        Assert.Equal(2, left.Length);
        Assert.Equal(left.Order(StringComparer.Ordinal), AttachedTo(format, file, "N.C.Attaches [k]").Order(StringComparer.Ordinal));
        Assert.Empty(AttachedTo(format, file, "N.C.Passes [k]"));
        Assert.Equal("attached", File.ReadAllText(left.Single(f => f.EndsWith("not_e.txt", StringComparison.Ordinal))));
        Assert.Equal([1, 2], File.ReadAllBytes(left.Single(f => f.EndsWith("bytes", StringComparison.Ordinal))));
    }

    [Fact]
    public void A_report_that_cannot_be_written_is_an_error() =>
        Assert.ThrowsAny<IOException>(() => TestReport.Write(ReportFormat.Trx, "/dev/full", [Cases.Run("k", Cases.Result("N.C.Passes"))]));

    private static string[] AttachedTo(ReportFormat format, string file, string test)
    {
        if (format == ReportFormat.Trx)
        {
            XElement run = XElement.Load(file);
            XElement result = run.Descendants(run.Name.Namespace + "UnitTestResult").Single(r => (string?)r.Attribute("testName") == test);
            return [.. result.Descendants(run.Name.Namespace + "ResultFile").Select(f => (string)f.Attribute("path")!)];
        }

        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(file));
        JsonElement found = json.RootElement.GetProperty("results").GetProperty("tests").EnumerateArray().Single(t => t.GetProperty("name").GetString() == test);
        return found.TryGetProperty("attachments", out JsonElement list) ? [.. list.EnumerateArray().Select(a => a.GetProperty("path").GetString()!)] : [];
    }

    private IEnumerable<(string[] Names, int Failed)> Formats(GuestTestRun[] runs)
    {
        string[] files = [.. ReportFormats.All.Select(f => Path.Combine(_scratch.FullName, f.ToString()))];
        foreach (ReportFormat format in (ReportFormat[])[ReportFormat.Trx, ReportFormat.JUnit, ReportFormat.Ctrf])
            TestReport.Write(format, files[(int)format], runs);
        yield return Reports.ReadTrx(files[0]);
        yield return Reports.ReadJUnit(files[1]);
        yield return Reports.ReadCtrf(files[2]);
    }
}

/// <summary>Reads reports as their readers do.</summary>
internal static class Reports
{
    public static (string[] Names, int Failed) ReadTrx(string file)
    {
        XElement run = XElement.Load(file);
        XNamespace ns = run.Name.Namespace;
        XElement[] results = [.. run.Descendants(ns + "UnitTestResult")];
        XElement counters = run.Descendants(ns + "Counters").Single();
        int failed = results.Count(r => (string?)r.Attribute("outcome") == "Failed");
        Assert.Equal(failed, (int)counters.Attribute("failed")!);
        Assert.Equal(results.Length, (int)counters.Attribute("total")!);
        return ([.. results.Select(r => (string)r.Attribute("testName")!)], failed);
    }

    public static (string[] Names, int Failed) ReadJUnit(string file)
    {
        XElement suites = XElement.Load(file);
        XElement[] cases = [.. suites.Descendants("testcase")];
        int failed = cases.Count(c => c.Element("failure") is not null || c.Element("error") is not null);
        Assert.Equal(failed, (int)suites.Attribute("failures")! + (int)suites.Attribute("errors")!);
        return ([.. cases.Select(c => (string)c.Attribute("name")!)], failed);
    }

    public static (string[] Names, int Failed) ReadCtrf(string file)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(file));
        JsonElement results = json.RootElement.GetProperty("results");
        JsonElement[] tests = [.. results.GetProperty("tests").EnumerateArray()];
        int failed = tests.Count(t => t.GetProperty("status").GetString() == "failed");
        Assert.Equal(failed, results.GetProperty("summary").GetProperty("failed").GetInt32());
        Assert.Equal(tests.Length, results.GetProperty("summary").GetProperty("tests").GetInt32());
        return ([.. tests.Select(t => t.GetProperty("name").GetString()!)], failed);
    }
}
