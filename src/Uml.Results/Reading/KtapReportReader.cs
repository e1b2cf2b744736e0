namespace Uml.CI;

/// <summary>Reads KTAP as a report.</summary>
internal static class KtapReportReader
{
    /// <summary>Puts the parser's tree and complaints into a run.</summary>
    public static Report Read(Stream stream, string name)
    {
        ArgumentNullException.ThrowIfNull(stream);
        throw new ReportException(name, "KTAP is not read as a report yet");
    }
}
