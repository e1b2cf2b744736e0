using System.Text;

namespace Uml.CI.Cli;

/// <summary>Lines of the protocol between autopkgtest and a virtualisation server: words with blanks between them, each as in a URL.</summary>
internal static class ProtocolLine
{
    /// <summary>The words of a line; none for an empty one.</summary>
    public static string[] Decode(string line) =>
        [.. line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Select(Uri.UnescapeDataString)];

    /// <summary>Writes a word so that neither blanks nor commas nor line ends are left in it.</summary>
    public static string Encode(string word)
    {
        var text = new StringBuilder(word.Length);
        foreach (byte b in Encoding.UTF8.GetBytes(word))
        {
            if (char.IsAsciiLetterOrDigit((char)b) || b is (byte)'/' or (byte)'-' or (byte)'_' or (byte)'.' or (byte)'~')
                text.Append((char)b);
            else
                text.Append('%').Append(b.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
        }

        return text.ToString();
    }
}
