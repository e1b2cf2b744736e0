using System.Text.Json;
using System.Xml;

namespace Uml.CI;

/// <summary>Reports as files.</summary>
public static class ReportFile
{
    /// <summary>Writes a report in one step: what was there stays until the new file is whole. A device is written to as it is.</summary>
    /// <param name="report">The report.</param>
    /// <param name="format">Its format.</param>
    /// <param name="path">The file; its directory is made. Attachments that the format refers to go to <c>NAME.attachments</c> beside it.</param>
    /// <param name="options">How to write it.</param>
    /// <exception cref="IOException">It could not be written; the message is one line and names the file.</exception>
    public static void Write(Report report, ReportFormat format, string path, ReportWriteOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(report);
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            string full = Path.GetFullPath(path);
            string directory = Path.GetDirectoryName(full) ?? throw new IOException("it is a directory");
            string attachments = Path.Combine(directory, Path.GetFileNameWithoutExtension(full) + ".attachments");
            Directory.CreateDirectory(directory);
            using var file = new WholeFile(full);
            Write(report, format, new ReportTarget(file.Stream, options ?? new ReportWriteOptions(), file.IsSpecial ? null : attachments));
            file.Complete();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw new IOException($"the report \"{path}\" cannot be written: {OneLine(e)}", e);
        }
    }

    /// <summary>Writes a report to a stream, which stays open. Attachments are left out unless they are files.</summary>
    /// <exception cref="IOException">It could not be written.</exception>
    public static void Write(Report report, ReportFormat format, Stream stream, ReportWriteOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(report);
        ArgumentNullException.ThrowIfNull(stream);
        Write(report, format, new ReportTarget(stream, options ?? new ReportWriteOptions(), null));
        stream.Flush();
    }

    /// <summary>Reads a report, of whatever tool, whose format is told by its content.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ReportException">It is no report, or a broken one.</exception>
    /// <exception cref="IOException">It cannot be read; the message is one line and names the file.</exception>
    public static Report Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return Read(file, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new IOException($"the report \"{path}\" cannot be read: {OneLine(e)}", e);
        }
    }

    /// <summary>Reads a report from a stream.</summary>
    /// <param name="stream">The stream, which stays open.</param>
    /// <param name="name">What to call it in messages, and what it reports on where it does not say.</param>
    /// <exception cref="ReportException">It is no report, or a broken one.</exception>
    public static Report Read(Stream stream, string name)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentException.ThrowIfNullOrEmpty(name);
        using MemoryStream? kept = stream.CanSeek ? null : new MemoryStream();
        if (kept is not null)
        {
            stream.CopyTo(kept);
            kept.Position = 0;
            stream = kept;
        }

        try
        {
            string title = Path.GetFileNameWithoutExtension(name) is { Length: > 0 } file ? file : name;
            return FormatDetection.Of(stream, name) switch
            {
                ReportFormat.Trx => TrxReader.Read(stream, title),
                ReportFormat.JUnit => JUnitReader.Read(stream, title),
                ReportFormat.Ctrf => CtrfReader.Read(stream, name),
                _ => KtapReportReader.Read(stream, name),
            };
        }
        catch (XmlException e)
        {
            string where = e.LineNumber > 0 ? $"line {e.LineNumber}, column {e.LinePosition}: " : "";

            // The system's sentence ends with the place.
            int place = e.Message.IndexOf(" Line ", StringComparison.Ordinal);
            throw new ReportException(name, $"{where}{(place > 0 ? e.Message[..place] : OneLine(e)).TrimEnd('.')}", e);
        }
        catch (InvalidOperationException e)
        {
            // A text in JSON that is no Unicode.
            throw new ReportException(name, $"it holds text that is none: {OneLine(e)}", e);
        }
        catch (JsonException e)
        {
            int place = e.Message.IndexOf(" LineNumber:", StringComparison.Ordinal);
            throw new ReportException(name, $"line {(e.LineNumber ?? 0) + 1}, column {(e.BytePositionInLine ?? 0) + 1}: {(place > 0 ? e.Message[..place] : OneLine(e)).TrimEnd('.')}", e);
        }
    }

    internal static string OneLine(Exception e) =>
        string.Join(' ', e.Message.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)).TrimEnd('.');

    private static void Write(Report report, ReportFormat format, ReportTarget target)
    {
        switch (format)
        {
            case ReportFormat.Trx:
                TrxWriter.Write(report, target);
                break;
            case ReportFormat.JUnit:
                JUnitWriter.Write(report, target);
                break;
            case ReportFormat.Ctrf:
                CtrfWriter.Write(report, target);
                break;
            case ReportFormat.Html:
                HtmlWriter.Write(report, target);
                break;
            case ReportFormat.Markdown:
                MarkdownWriter.Write(report, target);
                break;
            case ReportFormat.Ktap:
                KtapReportWriter.Write(report, target);
                break;
            case ReportFormat.Kcidb:
                KcidbWriter.Write(report, target);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(format), format, "not a format of reports");
        }
    }
}
