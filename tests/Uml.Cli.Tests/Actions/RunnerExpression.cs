using System.Text.RegularExpressions;

namespace Uml.CI.Cli.Tests;

/// <summary>The few expressions that the action and the sample workflows use: contexts, texts, == and !=, &amp;&amp; and ||, and the status functions.</summary>
internal static partial class RunnerExpression
{
    /// <summary>Replaces all of <c>${{ }}</c> in a text.</summary>
    public static string Expand(string text, Func<string, string> context, bool failed) =>
        Braces().Replace(text, m => Evaluate(m.Groups["text"].Value, context, failed));

    /// <summary>The value of a condition; without a status function, nothing runs after a failure.</summary>
    public static bool Condition(string? text, Func<string, string> context, bool failed)
    {
        if (text is null)
            return !failed;
        text = Braces().Replace(text, m => m.Groups["text"].Value);
        bool status = text.Contains("always()", StringComparison.Ordinal) || text.Contains("cancelled()", StringComparison.Ordinal) || text.Contains("failure()", StringComparison.Ordinal);
        return (status || !failed) && Evaluate(text, context, failed) is not ("" or "false" or "0");
    }

    private static string Evaluate(string text, Func<string, string> context, bool failed)
    {
        text = text.Trim();
        if (text.Split("||") is { Length: > 1 } alternatives)
            return alternatives.Select(a => Evaluate(a, context, failed)).FirstOrDefault(v => v is not ("" or "false")) ?? Evaluate(alternatives[^1], context, failed);
        if (text.Split("&&") is { Length: > 1 } parts)
            return parts.Select(a => Evaluate(a, context, failed)).FirstOrDefault(v => v is "" or "false") ?? Evaluate(parts[^1], context, failed);
        if (Comparison().Match(text) is { Success: true } match)
            return Evaluate(match.Groups["left"].Value, context, failed).Equals(Evaluate(match.Groups["right"].Value, context, failed), StringComparison.OrdinalIgnoreCase) == (match.Groups["operator"].Value == "==") ? "true" : "false";
        if (text.StartsWith('!'))
            return Evaluate(text[1..], context, failed) is "" or "false" ? "true" : "false";
        if (text.StartsWith('\''))
            return text.Trim('\'');
        return text switch
        {
            "always()" or "true" => "true",
            "cancelled()" or "false" => "false",
            "failure()" => failed ? "true" : "false",
            "success()" => failed ? "false" : "true",
            _ when Name().IsMatch(text) => context(text),
            _ => throw new NotSupportedException($"the expression \"{text}\""),
        };
    }

    [GeneratedRegex(@"\$\{\{(?<text>.*?)\}\}", RegexOptions.CultureInvariant | RegexOptions.Singleline, 1000)]
    private static partial Regex Braces();

    [GeneratedRegex(@"^(?<left>.+?)\s*(?<operator>==|!=)\s*(?<right>.+)$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Comparison();

    [GeneratedRegex(@"^[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)+$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Name();
}
