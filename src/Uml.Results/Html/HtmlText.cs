using System.Globalization;
using System.Text;

namespace Uml.CI;

/// <summary>Text as HTML.</summary>
internal static class HtmlText
{
    private const char Escape = '\u001b';

    /// <summary>
    /// Escapes for content and quoted attributes. What a terminal would take for colours is left out; characters that
    /// cannot be seen, or turn the direction of what follows, are made visible.
    /// </summary>
    public static string Of(string text)
    {
        int plain = 0;
        while (plain < text.Length && IsPlain(text[plain]))
            plain++;
        if (plain == text.Length)
            return text;
        var html = new StringBuilder(text.Length + 32).Append(text, 0, plain);
        for (int i = plain; i < text.Length; i++)
        {
            char c = text[i];
            switch (c)
            {
                case '<':
                    html.Append("&lt;");
                    break;
                case '>':
                    html.Append("&gt;");
                    break;
                case '&':
                    html.Append("&amp;");
                    break;
                case '"':
                    html.Append("&quot;");
                    break;
                case '\'':
                    html.Append("&#39;");
                    break;
                case '\r':
                    break;
                case Escape when SequenceLength(text, i) is > 0 and var length:
                    i += length - 1;
                    break;
                case < ' ' and not ('\n' or '\t'):
                    html.Append((char)('\u2400' + c));
                    break;
                case '\u007f':
                    html.Append('\u2421');
                    break;
                case >= '\u0080' and <= '\u009f' or >= '\u202a' and <= '\u202e' or >= '\u2066' and <= '\u2069':
                    html.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
                    break;
                case >= '\ud800' and <= '\udfff':
                    if (i + 1 < text.Length && char.IsSurrogatePair(c, text[i + 1]))
                        html.Append(c).Append(text[++i]);
                    else
                        html.Append('\ufffd');
                    break;
                default:
                    html.Append(c);
                    break;
            }
        }

        return html.ToString();
    }

    /// <summary>Text without what a terminal would take for colours and movements.</summary>
    public static string WithoutSequences(string text)
    {
        if (!text.Contains(Escape, StringComparison.Ordinal))
            return text;
        var plain = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == Escape && SequenceLength(text, i) is > 0 and var length)
                i += length - 1;
            else
                plain.Append(text[i]);
        }

        return plain.ToString();
    }

    private static bool IsPlain(char c) => c is >= ' ' and < '\u007f' and not ('<' or '>' or '&' or '"' or '\'') or '\n' or '\t';

    // ECMA-48: CSI, parameters, a letter.
    private static int SequenceLength(string text, int start)
    {
        const int Longest = 64;
        if (start + 1 >= text.Length || text[start + 1] != '[')
            return 0;
        for (int i = start + 2; i < text.Length && i < start + Longest; i++)
        {
            if (text[i] is >= '@' and <= '~')
                return i - start + 1;
            if (text[i] is < ' ' or > '?')
                return 0;
        }

        return 0;
    }
}
