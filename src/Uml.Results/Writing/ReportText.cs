using System.Globalization;
using System.Text;
using System.Xml;

namespace Uml.CI;

/// <summary>Text as reports can hold it.</summary>
internal static class ReportText
{
    /// <summary>Text without what XML cannot hold: each such character is written out, as in <c>\x1b</c>.</summary>
    public static string CleanXml(string text)
    {
        int good = FirstBad(text);
        if (good == text.Length)
            return text;
        var clean = new StringBuilder(text.Length + 16).Append(text, 0, good);
        for (int i = good; i < text.Length; i++)
        {
            if (XmlConvert.IsXmlChar(text[i]))
                clean.Append(text[i]);
            else if (i + 1 < text.Length && XmlConvert.IsXmlSurrogatePair(text[i + 1], text[i]))
                clean.Append(text[i]).Append(text[++i]);
            else
                clean.Append(CultureInfo.InvariantCulture, $"\\x{(int)text[i]:x2}");
        }

        return clean.ToString();
    }

    /// <summary>The beginning of a text, and how much is left out.</summary>
    public static string Head(string text, int most) =>
        text.Length <= most ? text : $"{text.AsSpan(0, Whole(text, most))}\n[{Size(text.Length - most)} more are left out of this report]";

    /// <summary>The end of a text, and how much is left out before it.</summary>
    public static string Tail(string text, int most) =>
        text.Length <= most ? text : $"[{Size(text.Length - most)} before this are left out of this report]\n{text.AsSpan(Whole(text, text.Length - most))}";

    /// <summary>The first line that says anything.</summary>
    public static string FirstLine(string text)
    {
        foreach (ReadOnlySpan<char> line in text.AsSpan().EnumerateLines())
        {
            if (line.Trim() is { IsEmpty: false } said)
                return said.ToString();
        }

        return "";
    }

    /// <summary>A duration for people: <c>12 ms</c>, <c>3.4 s</c>, <c>2 min 5 s</c>.</summary>
    public static string Duration(TimeSpan time) => time.TotalSeconds switch
    {
        <= 0 => "0 ms",
        < 0.001 => "<1 ms",
        < 0.9995 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0} ms"),
        < 9.95 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.0} s"),
        < 99.5 => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0} s"),
        < 5400 => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalMinutes} min {time.Seconds} s"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(long)time.TotalHours} h {time.Minutes} min"),
    };

    /// <summary>A size for people.</summary>
    public static string Size(long size) => size switch
    {
        < 10_000 => string.Create(CultureInfo.InvariantCulture, $"{size} characters"),
        < 10_000_000 => string.Create(CultureInfo.InvariantCulture, $"{size / 1000} thousand characters"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{size / 1_000_000} million characters"),
    };

    /// <summary>A number of things.</summary>
    public static string Count(long n, string one, string? many = null) =>
        n == 1 ? $"1 {one}" : string.Create(CultureInfo.InvariantCulture, $"{n} {many ?? one + "s"}");

    private static int FirstBad(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (XmlConvert.IsXmlChar(text[i]))
                continue;
            if (i + 1 >= text.Length || !XmlConvert.IsXmlSurrogatePair(text[i + 1], text[i]))
                return i;
            i++;
        }

        return text.Length;
    }

    // Not between the halves of a pair.
    private static int Whole(string text, int place) =>
        place > 0 && place < text.Length && char.IsLowSurrogate(text[place]) ? place - 1 : place;
}
