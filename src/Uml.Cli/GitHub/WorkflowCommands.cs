using System.Globalization;
using System.Text;

namespace Uml.CI.Cli;

/// <summary>
/// What GitHub's runner takes as commands in a step's output: lines <c>::name key=value::text</c>. The escapes are those of
/// the runner (actions/runner, ActionCommand.cs).
/// </summary>
internal static class WorkflowCommands
{
    // GitHub refuses what is longer; the message may have 64 KiB, and nobody reads as much.
    private const int LongestTitle = 255;

    /// <summary>Opens a group, which is shown folded.</summary>
    public static string Group(string title) => $"::group::{Data(title)}";

    public const string EndGroup = "::endgroup::";

    /// <summary>An annotation: its level, and where it belongs.</summary>
    public static string Annotate(Annotation annotation)
    {
        var text = new StringBuilder("::").Append(annotation.Level == AnnotationLevel.Error ? "error" : "warning").Append(' ');
        if (annotation.File is { } file)
        {
            text.Append("file=").Append(Property(file)).Append(',');
            if (annotation.Line is { } line)
                text.Append(CultureInfo.InvariantCulture, $"line={line},");
        }

        return text.Append("title=").Append(Property(Head(Visible(annotation.Title).ReplaceLineEndings(" "), LongestTitle))).Append("::").Append(Data(Visible(annotation.Message))).ToString();
    }

    /// <summary>
    /// Text that may hold words of a guest, as one line that is no command: the runner takes the older form, "##[name]",
    /// for one wherever it stands in a line.
    /// </summary>
    public static string Line(string text)
    {
        string line = Visible(text).ReplaceLineEndings(" ").Replace("##[", "## [", StringComparison.Ordinal);
        return line.TrimStart().StartsWith("::", StringComparison.Ordinal) ? ". " + line : line;
    }

    /// <summary>The beginning of a text, with no character cut in two.</summary>
    public static string Head(string text, int length) =>
        text.Length <= length ? text : text[..(char.IsHighSurrogate(text[length - 1]) ? length - 1 : length)];

    // Without colours, and what a terminal would obey shown instead.
    private static string Visible(string text) => TestStyle.Safe(SourceMentions.Plain(text).Replace("\r\n", "\n", StringComparison.Ordinal));

    /// <summary>From here on the runner takes no line for a command, until one is <see cref="Resume"/> with the same word.</summary>
    public static string Stop(string token) => $"::stop-commands::{token}";

    public static string Resume(string token) => $"::{token}::";

    private static string Data(string text) =>
        text.Replace("%", "%25", StringComparison.Ordinal).Replace("\r", "%0D", StringComparison.Ordinal).Replace("\n", "%0A", StringComparison.Ordinal);

    private static string Property(string text) =>
        Data(text).Replace(":", "%3A", StringComparison.Ordinal).Replace(",", "%2C", StringComparison.Ordinal);
}
