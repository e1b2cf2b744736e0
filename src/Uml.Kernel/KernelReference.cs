using System.Diagnostics.CodeAnalysis;

namespace Uml.CI;

/// <summary>Where the kernel of a <see cref="KernelReference"/> comes from.</summary>
public enum KernelSource
{
    /// <summary>The <c>user-mode-linux</c> package of a Debian suite.</summary>
    Debian,

    /// <summary>A kernel executable on this machine.</summary>
    File,
}

/// <summary>
/// Names a kernel: <c>debian:SUITE</c>, <c>file:PATH</c>, or a plain path, which is anything with a slash in it or the
/// name of an existing file.
/// </summary>
public sealed record KernelReference
{
    private const string Forms = "write debian:SUITE (such as debian:sid), file:PATH, or a path with a slash in it";

    private KernelReference(KernelSource source, string value)
    {
        Source = source;
        Value = value;
    }

    /// <summary>Where the kernel comes from.</summary>
    public KernelSource Source { get; }

    /// <summary>The suite, or the path as it was written.</summary>
    public string Value { get; }

    /// <summary>A Debian suite or codename: <c>sid</c>, <c>trixie</c>, <c>stable</c>.</summary>
    public static KernelReference Debian(string suite) => Parse("debian:" + suite);

    /// <summary>A kernel executable on this machine.</summary>
    public static KernelReference File(string path) => Parse("file:" + path);

    /// <summary>Reads a reference.</summary>
    /// <exception cref="KernelException">The text is no reference; the message says why.</exception>
    public static KernelReference Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Read(text, out KernelReference? reference) is { } problem ? throw new KernelException(problem) { Problem = KernelProblem.InvalidReference } : reference!;
    }

    /// <summary>Reads a reference; false when the text is none.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out KernelReference? reference)
    {
        reference = null;
        return text is not null && Read(text, out reference) is null;
    }

    /// <summary>The same as <see cref="Parse"/>.</summary>
    public static implicit operator KernelReference(string text) => Parse(text);

    /// <summary>The same as <see cref="Parse"/>.</summary>
    public static KernelReference FromString(string text) => Parse(text);

    /// <summary>The reference in its full form, which parses back to an equal one.</summary>
    public override string ToString() => (Source == KernelSource.Debian ? "debian:" : "file:") + Value;

    /// <summary>Returns what is wrong with the text, or null and the reference.</summary>
    private static string? Read(string text, out KernelReference? reference)
    {
        reference = null;
        if (string.IsNullOrWhiteSpace(text))
            return $"The kernel reference is empty: {Forms}.";
        if (text.Contains('\0', StringComparison.Ordinal) || text.Contains('\n', StringComparison.Ordinal))
            return $"The kernel reference '{text.Replace('\0', '?').Replace('\n', ' ')}' has a control character in it: {Forms}.";

        if (text.StartsWith("file:", StringComparison.Ordinal))
        {
            // file:///boot/linux is what a URI-minded person writes.
            string path = text["file:".Length..];
            if (path.StartsWith("///", StringComparison.Ordinal))
                path = path[2..];
            if (path.Length == 0)
                return "The kernel reference 'file:' names no file: write file:PATH.";
            reference = new KernelReference(KernelSource.File, path);
            return null;
        }

        if (text.StartsWith("debian:", StringComparison.Ordinal))
        {
            string suite = text["debian:".Length..];
            if (suite.Length == 0)
                return "The kernel reference 'debian:' names no suite: write debian:sid, debian:trixie or debian:bookworm.";
            if (!IsSuite(suite))
                return $"The kernel reference '{text}' has no valid Debian suite: suites are lower-case names such as sid, trixie or bookworm.";
            reference = new KernelReference(KernelSource.Debian, suite);
            return null;
        }

        // A scheme of another tool is told apart from a path before the file system is asked.
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        if (colon > 0 && (slash < 0 || colon < slash) && !System.IO.File.Exists(text))
            return $"The kernel reference '{text}' begins with an unknown scheme '{text[..colon]}:': {Forms}.";
        if (slash >= 0 || System.IO.File.Exists(text))
        {
            reference = new KernelReference(KernelSource.File, text);
            return null;
        }

        return IsSuite(text)
            ? $"The kernel reference '{text}' is neither a file nor a reference: write debian:{text} for a Debian suite, or ./{text} for a file."
            : $"The kernel reference '{text}' is not understood: {Forms}.";
    }

    private static bool IsSuite(string text) =>
        char.IsAsciiLetterLower(text[0]) && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.' or '+' or '_')
        && !text.Contains("..", StringComparison.Ordinal) && text.Length <= 64;
}
