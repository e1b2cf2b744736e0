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
        line = Escapes().Replace(line, "");
        foreach (Regex form in (Regex[])[Compiler(), Build(), Assertion(), Expectation()])
        {
            if (form.Match(line) is { Success: true } match)
                return Of(match, match.Groups["level"].Value.Equals("warning", StringComparison.OrdinalIgnoreCase) ? AnnotationLevel.Warning : AnnotationLevel.Error);
        }

        return null;
    }

    /// <summary>The places a failure's text names, the innermost first as stack traces have them.</summary>
    public static IEnumerable<SourceMention> InFailure(string text)
    {
        foreach (string line in text.Split('\n').Where(l => l.Length <= LongestLine))
        {
            Match match = Frame().Match(line);
            if (!match.Success)
                match = Place().Match(line);
            if (match.Success && Of(match, AnnotationLevel.Error) is { } found)
                yield return found;
        }
    }

    private static SourceMention? Of(Match match, AnnotationLevel level) =>
        int.TryParse(match.Groups["line"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int line) && line > 0
            ? new SourceMention(level, match.Groups["file"].Value, line, match.Groups["message"].Value.Trim())
            : null;

    // Colours.
    [GeneratedRegex(@"\e\[[0-9;]*[A-Za-z]", RegexOptions.CultureInvariant, MatchMilliseconds)]
    private static partial Regex Escapes();

    // gcc, clang, go, rustc's short form, shellcheck's gcc form: FILE:LINE[:COLUMN]: error: MESSAGE
    [GeneratedRegex(@"^\s*(?<file>[^\s:][^:]*):(?<line>\d+):(?:\d+:)?\s*(?:fatal )?(?<level>error|warning)\b(?:\[[^\]]*\])?:?\s*(?<message>.+)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture | RegexOptions.IgnoreCase, MatchMilliseconds)]
    private static partial Regex Compiler();

    // MSBuild: FILE(LINE,COLUMN): error CODE: MESSAGE
    [GeneratedRegex(@"^\s*(?<file>[^\s(][^(]*)\((?<line>\d+)(?:,\d+)*\)\s*:\s*(?<level>error|warning)\s+(?<message>.+)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, MatchMilliseconds)]
    private static partial Regex Build();

    // assert(3) of glibc: PROGRAM: FILE:LINE: FUNCTION: Assertion `...' failed.
    [GeneratedRegex(@"^[^:]*:\s*(?<file>[^\s:]+):(?<line>\d+):\s*(?<message>.*Assertion .* failed.*)$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, MatchMilliseconds)]
    private static partial Regex Assertion();

    // KUnit and the harness of kselftest: # NAME: EXPECTATION FAILED at FILE:LINE; # FILE:LINE:NAME:Expected ...
    [GeneratedRegex(@"^\s*#\s*(?:(?<message>\S+: (?:EXPECTATION|ASSERTION) FAILED) at (?<file>[^\s:]+):(?<line>\d+)|(?<file>[^\s:]+\.[ch]):(?<line>\d+):(?<message>\S+:\s*(?:Expected|Test (?:terminated|failed)).*))", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, MatchMilliseconds)]
    private static partial Regex Expectation();

    // A frame of .NET: at METHOD in FILE:line LINE
    [GeneratedRegex(@" in (?<file>[^\s].*?):line (?<line>\d+)", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, MatchMilliseconds)]
    private static partial Regex Frame();

    // WARNING: ... at FILE:LINE, "kernel BUG at FILE:LINE!", FILE(LINE,0), FILE:LINE anywhere else.
    [GeneratedRegex(@"(?:^|[\s('""\[])(?<file>[\w./+@-]*\w\.\w+)(?::|\()(?<line>\d+)", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, MatchMilliseconds)]
    private static partial Regex Place();
}
