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

    [Fact]
    public void Attachments_lie_beside_the_report()
    {
        TestResult result = Cases.Result("N.C.Attaches");
        result = result with { Attachments = result.Attachments.Add("note.txt", TestAttachment.Create("attached")).Add("bytes", TestAttachment.Create([1, 2], "application/octet-stream")) };
        string temporary = Path.GetTempPath();
        string file = Path.Combine(_scratch.FullName, "deep/er/report.json");
        TestReport.Write(TestReportFormat.Ctrf, file, [Cases.Run("k", result)]);
        Assert.Equal(temporary, Path.GetTempPath());
        string[] left = Directory.GetFiles(Path.Combine(_scratch.FullName, "deep/er/report.attachments"), "*", SearchOption.AllDirectories);
        Assert.Equal(2, left.Length);
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(file));
        string?[] named = [.. json.RootElement.GetProperty("results").GetProperty("tests")[0].GetProperty("attachments").EnumerateArray().Select(a => a.GetProperty("path").GetString())];
        Assert.Equal(left.Order(StringComparer.Ordinal), named.Order(StringComparer.Ordinal));
        Assert.Contains("attached", left.Select(File.ReadAllText));
    }

    [Fact]
    public void A_report_that_cannot_be_written_is_an_error() =>
        Assert.ThrowsAny<IOException>(() => TestReport.Write(TestReportFormat.Trx, "/dev/full", [Cases.Run("k", Cases.Result("N.C.Passes"))]));

    private IEnumerable<(string[] Names, int Failed)> Formats(GuestTestRun[] runs)
    {
        string[] files = [.. Enum.GetValues<TestReportFormat>().Select(f => Path.Combine(_scratch.FullName, f.ToString()))];
        foreach (TestReportFormat format in Enum.GetValues<TestReportFormat>())
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
        int failed = cases.Count(c => c.Element("failure") is not null);
        Assert.Equal(failed, (int)suites.Attribute("failures")!);
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
