using System.Text;

namespace Uml.CI;

/// <summary>Puts lines together out of pieces of text or UTF-8, cut anywhere. A line longer than the bound is cut there; memory is that of one line.</summary>
/// <param name="longest">How many characters of a line are kept.</param>
/// <param name="take">Told of each line, without its line feed, and of how many of its characters were dropped.</param>
internal sealed class LineSplitter(int longest, LineSplitter.Taker take)
{
    private readonly StringBuilder _partial = new();
    private readonly Decoder _decoder = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false).GetDecoder();
    private int _dropped;

    /// <summary>Takes a line.</summary>
    public delegate void Taker(ReadOnlySpan<char> line, int dropped);

    /// <summary>The work done so far on lines that came in pieces, in characters looked at.</summary>
    public long Work { get; private set; }

    /// <summary>Takes the next piece; what is not valid is replaced.</summary>
    public void Push(ReadOnlySpan<byte> utf8)
    {
        Span<char> chars = stackalloc char[1024];
        while (utf8.Length > 0)
        {
            _decoder.Convert(utf8, chars, flush: false, out int used, out int written, out _);
            Push(chars[..written]);
            utf8 = utf8[used..];
        }
    }

    /// <summary>Takes the next piece.</summary>
    public void Push(ReadOnlySpan<char> text)
    {
        while (text.IndexOf('\n') is int end and >= 0)
        {
            if (_partial.Length == 0 && end <= longest)
            {
                take(text[..end], 0);
            }
            else
            {
                Append(text[..end]);
                EndLine();
            }

            text = text[(end + 1)..];
        }

        Append(text);
    }

    /// <summary>Gives the last line, where no line feed ended it.</summary>
    public void Complete()
    {
        if (_partial.Length > 0)
            EndLine();
    }

    private void Append(ReadOnlySpan<char> text)
    {
        int room = longest - _partial.Length;
        if (text.Length > room)
        {
            _dropped += text.Length - room;
            text = text[..room];
        }

        _partial.Append(text);
        Work += text.Length;
    }

    private void EndLine()
    {
        string line = _partial.ToString();
        int dropped = _dropped;
        _partial.Clear();
        _dropped = 0;
        take(line, dropped);
    }
}
