using System.Buffers;

namespace Uml.CI.Cli;

/// <summary>Words as a shell takes them.</summary>
internal static class ShellText
{
    private static readonly SearchValues<char> Plain =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%^#");

    /// <summary>Quotes a word when it needs to be.</summary>
    public static string Quote(string word) =>
        word.Length > 0 && word[0] != '#' && word.AsSpan().IndexOfAnyExcept(Plain) < 0 ? word : "'" + word.Replace("'", "'\\''", StringComparison.Ordinal) + "'";

    /// <summary>Quotes words and puts them on one line.</summary>
    public static string Join(IEnumerable<string> words) => string.Join(' ', words.Select(Quote));
}
