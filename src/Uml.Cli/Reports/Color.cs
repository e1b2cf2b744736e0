namespace Uml.CI.Cli;

/// <summary>Colours, on terminals that want them.</summary>
internal static class Color
{
    // See no-color.org.
    private static readonly bool s_on = Descriptor.Output.IsTerminal
        && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")) && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb");

    public static string Bad(string text) => Paint(text, "1;31");

    public static string Good(string text) => Paint(text, "1;32");

    public static string Dubious(string text) => Paint(text, "33");

    public static string Strong(string text) => Paint(text, "1");

    /// <summary>What somebody else wrote, as one line that moves no cursor and changes no colour.</summary>
    public static string Line(string text)
    {
        text = HtmlText.WithoutSequences(text).ReplaceLineEndings(" ");
        return text.Any(IsUnseen) ? string.Concat(text.Select(c => IsUnseen(c) ? '?' : c)) : text;
    }

    private static bool IsUnseen(char c) => char.IsControl(c) && c != '\t' || c is >= '\u202a' and <= '\u202e' or >= '\u2066' and <= '\u2069';

    private static string Paint(string text, string code) => s_on ? $"\u001b[{code}m{text}\u001b[0m" : text;
}
