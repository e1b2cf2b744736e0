using System.Collections.Immutable;

namespace Uml.CI.Cli;

/// <summary>A report to write.</summary>
/// <param name="Format">Its format.</param>
/// <param name="Option">The option that asked for it.</param>
/// <param name="Path">The file.</param>
internal sealed record ReportRequest(ReportFormat Format, string Option, string Path)
{
    /// <summary>Empties the files: a run is not spent on a report that cannot be written, and that of an earlier run does not pass for this one's.</summary>
    /// <exception cref="IOException">One cannot be written; the message names the option.</exception>
    public static void Prepare(ImmutableArray<ReportRequest> reports)
    {
        foreach (ReportRequest report in reports)
            OutputFile.Create(report.Path, report.Option).Dispose();
    }

    /// <summary>Writes all that can be written, and says what cannot.</summary>
    /// <returns>Whether all were.</returns>
    public static bool WriteAll(ImmutableArray<ReportRequest> reports, Report report)
    {
        bool written = true;
        foreach (ReportRequest request in reports)
        {
            try
            {
                ReportFile.Write(report, request.Format, request.Path);
            }
            catch (IOException e)
            {
                Message.Error($"{request.Option}: {e.Message}");
                written = false;
            }
        }

        return written;
    }
}
