namespace Uml.CI;

/// <summary>Reads KTAP, alone or in a kernel's log, as a report.</summary>
internal static class KtapReportReader
{
    private const int MostComplaints = 100;

    /// <summary>The tests as one run. Where the log itself shows that more went wrong than its tests tell, that is an error of the run.</summary>
    public static Report Read(Stream stream, string name)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var parser = new KtapParser();
        byte[] buffer = new byte[1 << 16];
        while (stream.Read(buffer) is > 0 and var n)
            parser.Push(buffer.AsSpan(0, n));
        KtapResults results = parser.Complete();
        ReportRun run = new() { Name = Path.GetFileNameWithoutExtension(name), Tests = KtapReport.TestsOf(results.Root) };
        if (!results.IsSuccess && run.Succeeded)
            run = run with { Errors = [new ReportError("the log's results are not complete", string.Join('\n', results.Complaints.Take(MostComplaints)))] };
        return new Report { Runs = [run] };
    }
}
