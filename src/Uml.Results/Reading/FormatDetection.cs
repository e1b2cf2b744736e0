using System.Text;

namespace Uml.CI;

/// <summary>Tells a report's format by how it begins.</summary>
internal static class FormatDetection
{
    private const int Looked = 64 * 1024;

    /// <summary>The format; the stream stands where it stood.</summary>
    /// <exception cref="ReportException">It is none that is read.</exception>
    public static ReportFormat Of(Stream stream, string name)
    {
        byte[] buffer = new byte[Looked];
        int length = stream.ReadAtLeast(buffer, Looked, throwOnEndOfStream: false);
        stream.Position -= length;
        string text = Decode(buffer.AsSpan(0, length)).TrimStart();
        if (text.Length == 0)
            throw new ReportException(name, "the file is empty: whatever was to write a report did not come to it");
        if (text[0] == '<')
        {
            return RootName(text) switch
            {
                "TestRun" => ReportFormat.Trx,
                "testsuites" or "testsuite" => ReportFormat.JUnit,
                "html" or "!DOCTYPE html" => throw new ReportException(name, "pages are written and not read: give the report that it was made from"),
                var root => throw new ReportException(name, $"XML whose first element is <{root}> is no report that is read: TRX begins with <TestRun>, JUnit with <testsuites>"),
            };
        }

        if (text[0] == '{')
        {
            if (text.Contains("\"reportFormat\"", StringComparison.Ordinal) || text.Contains("\"results\"", StringComparison.Ordinal))
                return ReportFormat.Ctrf;
            if (text.Contains("\"checkouts\"", StringComparison.Ordinal) || text.Contains("\"builds\"", StringComparison.Ordinal))
                throw new ReportException(name, "JSON for KernelCI's database is written and not read: give the report that it was made from");
        }

        foreach (ReadOnlySpan<char> raw in text.AsSpan().EnumerateLines())
        {
            ReadOnlySpan<char> line = AfterTimeStamp(raw);
            if (line.StartsWith("KTAP version ", StringComparison.Ordinal) || line.StartsWith("TAP version ", StringComparison.Ordinal)
                || IsResult(line, "ok ") || IsResult(line, "not ok ") || line.StartsWith("1..", StringComparison.Ordinal))
            {
                return ReportFormat.Ktap;
            }
        }

        throw new ReportException(name, "it is no report that is read: TRX, JUnit, CTRF or KTAP");
    }

    private static string Decode(ReadOnlySpan<byte> bytes) => bytes switch
    {
        [0xff, 0xfe, ..] => Encoding.Unicode.GetString(bytes[2..]),
        [0xfe, 0xff, ..] => Encoding.BigEndianUnicode.GetString(bytes[2..]),
        [0xef, 0xbb, 0xbf, ..] => Encoding.UTF8.GetString(bytes[3..]),
        _ => Encoding.UTF8.GetString(bytes),
    };

    // Past the declaration, comments and a document type.
    private static string RootName(string text)
    {
        int place = 0;
        while ((place = text.IndexOf('<', place)) >= 0)
        {
            if (text.AsSpan(place).StartsWith("<!DOCTYPE html", StringComparison.OrdinalIgnoreCase))
                return "html";
            string? end = text.AsSpan(place) switch
            {
                ['<', '?', ..] => "?>",
                ['<', '!', '-', '-', ..] => "-->",
                ['<', '!', ..] => ">",
                _ => null,
            };
            if (end is null)
            {
                int stop = text.AsSpan(place + 1).IndexOfAny(" \t\r\n/>");
                string name = stop < 0 ? text[(place + 1)..] : text.Substring(place + 1, stop);
                return name[(name.IndexOf(':', StringComparison.Ordinal) + 1)..] is var local && local.Length > 40 ? local[..40] : local;
            }

            int next = text.IndexOf(end, place, StringComparison.Ordinal);
            if (next < 0)
                break;
            place = next + end.Length;
        }

        return "?";
    }

    private static bool IsResult(ReadOnlySpan<char> line, string word) => line.StartsWith(word, StringComparison.Ordinal) && line.Length > word.Length && char.IsAsciiDigit(line[word.Length]);

    private static ReadOnlySpan<char> AfterTimeStamp(ReadOnlySpan<char> line)
    {
        line = line.Trim();
        if (line.StartsWith("<") && line.IndexOf('>') is > 0 and < 5 and var level)
            line = line[(level + 1)..];
        if (line.StartsWith("[") && line.IndexOf(']') is > 0 and < 24 and var stamp)
            line = line[(stamp + 1)..].TrimStart();
        return line;
    }
}
