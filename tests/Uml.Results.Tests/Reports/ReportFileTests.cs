namespace Uml.CI.Tests;

public sealed class ReportFileTests : IDisposable
{
    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("uml reports ü ");

    public static TheoryData<ReportFormat> Formats => [.. ReportFormats.All];

    public void Dispose() => _scratch.Delete(recursive: true);

    [Theory]
    [MemberData(nameof(Formats))]
    public void A_full_disk_is_an_error_that_names_the_file(ReportFormat format)
    {
        var error = Assert.Throws<IOException>(() => ReportFile.Write(Samples.Large(), format, "/dev/full"));
        Assert.Contains("\"/dev/full\"", error.Message, StringComparison.Ordinal);
        Assert.Contains("No space left", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void What_was_there_stays_when_writing_fails(ReportFormat format)
    {
        string file = Path.Combine(_scratch.FullName, "report");
        File.WriteAllText(file, "old");

        // A path that no report can have: it fails in the midst of writing.
        Report broken = Report.Of([.. Samples.Everything.Runs, new ReportRun { Name = "r", Tests = [new ReportTest { Path = default, Outcome = ReportOutcome.Passed }] }]);
        Assert.ThrowsAny<Exception>(() => ReportFile.Write(broken, format, file));
        Assert.Equal("old", File.ReadAllText(file));
        Assert.Equal([file], Directory.GetFileSystemEntries(_scratch.FullName));
    }

    [Fact]
    public void A_directory_or_one_below_a_file_is_an_error()
    {
        Assert.Contains("directory", Assert.Throws<IOException>(() => ReportFile.Write(Samples.Everything, ReportFormat.Ktap, _scratch.FullName)).Message, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(_scratch.FullName, "file"), "");
        Assert.Throws<IOException>(() => ReportFile.Write(Samples.Everything, ReportFormat.Ktap, Path.Combine(_scratch.FullName, "file/below")));
    }

    [Fact]
    public void A_link_stays_a_link_and_its_file_is_replaced()
    {
        string file = Path.Combine(_scratch.FullName, "real");
        string link = Path.Combine(_scratch.FullName, "link");
        File.WriteAllText(file, "old");
        File.CreateSymbolicLink(link, "real");
        ReportFile.Write(Samples.Everything, ReportFormat.Ktap, link);
        Assert.Equal("real", new FileInfo(link).LinkTarget);
        Assert.StartsWith("KTAP version 1\n", File.ReadAllText(file), StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_is_an_error_that_names_it() =>
        Assert.Contains("no such", Assert.Throws<IOException>(() => ReportFile.Read(Path.Combine(_scratch.FullName, "no such"))).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("a.trx", ReportFormat.Trx)]
    [InlineData("a.XML", ReportFormat.JUnit)]
    [InlineData("a.json", ReportFormat.Ctrf)]
    [InlineData("a.kcidb.json", ReportFormat.Kcidb)]
    [InlineData("a.md", ReportFormat.Markdown)]
    [InlineData("a.htm", ReportFormat.Html)]
    [InlineData("a.tap", ReportFormat.Ktap)]
    [InlineData("a", null)]
    [InlineData("a.txt", null)]
    public void A_files_name_says_its_format(string name, ReportFormat? format) => Assert.Equal(format, ReportFormats.OfFile(name));
}
