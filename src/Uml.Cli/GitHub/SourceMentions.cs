using System.Globalization;
using System.Text.RegularExpressions;

namespace Uml.CI.Cli;

/// <summary>Finds places in sources that a line of output is about: of compilers, assertions, test frameworks and kernels.</summary>
internal static partial class SourceMentions
{
    // No diagnostic is as long; a line of data may be.
    private const int LongestLine = 4096;
    private const int MatchMilliseconds = 1000;

    /// <summary>What a line of a command's output complains of; null if it is no complaint with a place.</summary>
    public static SourceMention? InOutput(string line)
    {
        if (line.Length > LongestLine)
            return null;
        foreach (Regex form in (Regex[])[Expectation(), Compiler(), Build(), Assertion(), OtherAssertion(), Panic()])
        {
            if (First(form, line) is { } match)
                return Of(match, match.Groups["level"].Value.Equals("warning", StringComparison.OrdinalIgnoreCase) ? AnnotationLevel.Warning : AnnotationLevel.Error);
        }

        return null;
    }

    /// <summary>The place a frame of .NET's stack traces names; null if the line is none, or names none.</summary>
    public static SourceMention? InFrame(string line) => line.Length <= LongestLine && First(Frame(), line) is { } match ? Of(match, AnnotationLevel.Error) : null;

    /// <summary>Whether a line is a frame of a stack trace, with a place or without.</summary>
    public static bool IsFrame(string line) => line.AsSpan().TrimStart().StartsWith("at ", StringComparison.Ordinal) || line.AsSpan().TrimStart().StartsWith("--- End of ", StringComparison.Ordinal);

    /// <summary>Text without colours.</summary>
    public static string Plain(string text) => text.Contains('\e', StringComparison.Ordinal) ? Escapes().Replace(text, "") : text;

    /// <summary>The places a failure's text names, the innermost first as stack traces have them; a line may be read in several ways.</summary>
    public static IEnumerable<SourceMention> InFailure(string text)
    {
        foreach (string line in text.Split('\n').Where(l => l.Length <= LongestLine).Select(Plain))
        {
            foreach (Regex form in (Regex[])[Frame(), Expectation(), Assertion(), Start(), Place()])
            {
                if (First(form, line) is { } match && Of(match, AnnotationLevel.Error) is { } found)
                    yield return found;
            }
        }
    }

    // What takes too long is no line that a program wrote about its sources.
    private static Match? First(Regex form, string line)
    {
        try
        {
            return form.Match(line) is { Success: true } match ? match : null;
        }
        catch (RegexMatchTimeoutException)
        {
            return null;
        }
    }

    private static SourceMention? Of(Match match, AnnotationLevel level) =>
        int.TryParse(match.Groups["line"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int line) && line > 0
            ? new SourceMention(level, match.Groups["file"].Value, line, match.Groups["message"].Value.Trim())
            : null;

    // Colours.
    [GeneratedRegex(@"\e\[[0-9;]*[A-Za-z]", RegexOptions.CultureInvariant, MatchMilliseconds)]
    private static partial Regex Escapes();

    // gcc, clang, go, rustc's short form, shellcheck's gcc form: FILE:LINE[:COLUMN]: error: MESSAGE; googletest: FILE:LINE: Failure
    [GeneratedRegex(@"^\s*(?<file>[^\s:][^:]*):(?<line>\d+):(?:\d+:)?\s*(?:(?:fatal )?(?<level>error|warning)\b(?:\[[^\]]*\])?:?\s*(?<message>.+)|(?<message>Failure))$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.IgnoreCase, MatchMilliseconds)]
    private static partial Regex Compiler();

    // MSBuild: FILE(LINE,COLUMN): error CODE: MESSAGE
    [GeneratedRegex(@"^\s*(?<file>[^\s(][^(]*)\((?<line>\d+)(?:,\d+)*\)\s*:\s*(?<level>error|warning)\s+(?<message>.+)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, MatchMilliseconds)]
    private static partial Regex Build();

    // assert(3) of glibc: PROGRAM: FILE:LINE: FUNCTION: Assertion `...' failed. Some programs leave their name out.
    [GeneratedRegex(@"^(?:[^:]*:\s*)?(?<file>[^\s:][^:]*):(?<line>\d+):\s*(?<message>.*Assertion .* failed.*)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, MatchMilliseconds)]
    private static partial Regex Assertion();

    // assert(3) of musl: Assertion failed: EXPRESSION (FILE: FUNCTION: LINE)
    [GeneratedRegex(@"^(?<message>Assertion failed: .*) \((?<file>[^():]+): [^():]+: (?<line>\d+)\)\s*$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, MatchMilliseconds)]
    private static partial Regex OtherAssertion();

    // Rust: thread 'main' panicked at FILE:LINE:COLUMN:
    [GeneratedRegex(@"^(?<message>thread '.*' (?:\(\d+\) )?panicked) at (?<file>[^\s:'][^:]*):(?<line>\d+):\d+:?\s*$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, MatchMilliseconds)]
    private static partial Regex Panic();

    // KUnit and the harness of kselftest: # NAME: EXPECTATION FAILED at FILE:LINE; # FILE:LINE:NAME:Expected ... As dmesg has it, too.
    [GeneratedRegex(@"^(?:<\d+>)?(?:\[\s*[\d.]+\]\s?(?:\[[^\]]*\])?)?\s*#\s*(?:(?<message>\S+: (?:EXPECTATION|ASSERTION) FAILED) at (?<file>[^\s:][^:]*):(?<line>\d+)|(?<file>[^\s:][^:]*\.[ch]):(?<line>\d+):(?<message>\S+:\s*(?:Expected|Test (?:terminated|failed)).*))", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, MatchMilliseconds)]
    private static partial Regex Expectation();

    // A frame of .NET: at METHOD in FILE:line LINE; Microsoft.Testing.Platform's terminal leaves the word out.
    [GeneratedRegex(@"^\s*at .*? in (?<file>[^\s].*?):(?:line )?(?<line>\d+)\s*$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, MatchMilliseconds)]
    private static partial Regex Frame();

    // FILE:LINE, FILE(LINE at the start of a line, where a name may have spaces.
    [GeneratedRegex(@"^\s*(?<file>[^\s:(][^:(]*\.\w+)(?::|\()(?<line>\d+)\b", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, MatchMilliseconds)]
    private static partial Regex Start();

    // WARNING: ... at FILE:LINE, "kernel BUG at FILE:LINE!", FILE(LINE,0), FILE:LINE anywhere else.
    [GeneratedRegex(@"(?:^|[\s('""\[])(?<file>[\w./+@-]*\w\.\w+)(?::|\()(?<line>\d+)", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, MatchMilliseconds)]
    private static partial Regex Place();
}
