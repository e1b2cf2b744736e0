namespace Uml.CI.Cli;

/// <summary>What the tool says itself, on standard error, one line at a time.</summary>
internal static class Message
{
    /// <summary>Something failed.</summary>
    public static void Error(string text) => Descriptor.Error.WriteLine("uml: " + Decapitalize(text));

    /// <summary>Something is not as it should be.</summary>
    public static void Warning(string text) => Descriptor.Error.WriteLine("uml: warning: " + Decapitalize(text));

    /// <summary>For those who asked for more.</summary>
    public static void Note(string text) => Descriptor.Error.WriteLine("uml: " + text);

    /// <summary>Sentences of the libraries stand alone; here they follow "uml: ". A file's name in front stays what it is.</summary>
    private static string Decapitalize(string text) =>
        text.Length > 1 && char.IsUpper(text[0]) && char.IsLower(text[1]) && text.Split(' ', 2)[0].AsSpan().IndexOfAny('.', '/') < 0 ? char.ToLowerInvariant(text[0]) + text[1..] : text;
}
