using System.Text;

namespace Uml.CI;

/// <summary>
/// Takes apart what a test program writes to standard output: the test framework's messages, one JSON object a line, and
/// everything else. A message may follow a text that had no end of line.
/// </summary>
/// <param name="message">Called with what looks like a message; says whether it is one.</param>
/// <param name="own">Called with each line that is the program's own.</param>
internal sealed class MessageLines(Func<string, bool> message, Action<string> own)
{
    /// <summary>How every message begins.</summary>
    public const string Beginning = "{\"$type\":\"";

    // A program's own text without an end is handed on in pieces. A message may be long: it carries attachments.
    private const int LongestText = 64 * 1024;
    private const int LongestMessage = 256 * 1024 * 1024;

    private readonly StringBuilder _line = new();
    private bool _isMessage;

    /// <summary>Takes the next characters.</summary>
    /// <returns>How many lines ended that may have been messages.</returns>
    public int Feed(ReadOnlySpan<char> text)
    {
        int messages = 0;
        while (!text.IsEmpty)
        {
            int end = text.IndexOf('\n');
            _line.Append(end < 0 ? text : text[..end]);
            if (end < 0)
            {
                LimitLine();
                break;
            }

            text = text[(end + 1)..];
            if (EndLine())
                messages++;
        }

        return messages;
    }

    /// <summary>There is no more: what is left is a line too.</summary>
    public void End()
    {
        if (_line.Length > 0)
            EndLine();
    }

    private bool EndLine()
    {
        string line = _line.ToString().TrimEnd('\r');
        _line.Clear();
        _isMessage = false;
        int first = line.IndexOf(Beginning, StringComparison.Ordinal);
        for (int at = first; at >= 0; at = line.IndexOf(Beginning, at + 1, StringComparison.Ordinal))
        {
            if (!message(line[at..]))
                continue;
            if (at > 0)
                own(line[..at]);
            return true;
        }

        own(line);
        return first >= 0;
    }

    private void LimitLine()
    {
        if (_line.Length <= LongestText)
            return;
        _isMessage = _isMessage || _line.ToString().Contains(Beginning, StringComparison.Ordinal);
        if (_isMessage && _line.Length <= LongestMessage)
            return;
        own(_line.ToString());
        _line.Clear();
        _isMessage = false;
    }
}
