using System.Collections.Immutable;
using System.Globalization;

namespace Uml.CI;

/// <summary>
/// A condition in Kconfig's language (Documentation/kbuild/kconfig-language.rst): its value is n, m or y, which are 0, 1 and 2
/// here.
/// </summary>
internal abstract record KconfigExpression
{
    private const int No = 0, Module = 1, Yes = 2;

    /// <summary>Its value under a configuration.</summary>
    public abstract int Evaluate(KernelConfiguration configuration);

    /// <summary>The parts, all of which have to hold.</summary>
    public virtual IEnumerable<KconfigExpression> Parts => [this];

    /// <summary>The names of the options in it.</summary>
    public abstract IEnumerable<string> Options { get; }

    /// <summary>Reads an expression; null where the text is none that is understood.</summary>
    public static KconfigExpression? TryParse(string text)
    {
        if (Tokenize(text) is not { } tokens)
            return null;
        Queue<string> queue = new(tokens);
        KconfigExpression? expression = ParseAny(queue);
        return queue.Count == 0 ? expression : null;
    }

    private static KconfigExpression? ParseAny(Queue<string> tokens)
    {
        KconfigExpression? left = ParseAll(tokens);
        while (left is not null && tokens.TryPeek(out string? next) && next == "||")
        {
            tokens.Dequeue();
            left = ParseAll(tokens) is { } right ? new Any(left, right) : null;
        }

        return left;
    }

    private static KconfigExpression? ParseAll(Queue<string> tokens)
    {
        KconfigExpression? left = ParseOne(tokens);
        while (left is not null && tokens.TryPeek(out string? next) && next == "&&")
        {
            tokens.Dequeue();
            left = ParseOne(tokens) is { } right ? new All(left, right) : null;
        }

        return left;
    }

    private static KconfigExpression? ParseOne(Queue<string> tokens)
    {
        if (!tokens.TryDequeue(out string? token))
            return null;
        if (token == "!")
            return ParseOne(tokens) is { } negated ? new Not(negated) : null;
        if (token == "(")
            return ParseAny(tokens) is { } inner && tokens.TryDequeue(out string? close) && close == ")" ? inner : null;
        if (token is ")" or "&&" or "||" || IsComparison(token))
            return null;
        if (!tokens.TryPeek(out string? next) || !IsComparison(next))
            return new Symbol(token);
        tokens.Dequeue();
        return tokens.TryDequeue(out string? other) ? new Comparison(token, next, other) : null;
    }

    private static bool IsComparison(string token) => token is "=" or "!=" or "<" or "<=" or ">" or ">=";

    private static List<string>? Tokenize(string text)
    {
        List<string> tokens = [];
        int i = 0;
        while (i < text.Length)
        {
            char c = text[i];
            int start = i;
            if (char.IsWhiteSpace(c))
            {
                i++;
                continue;
            }

            if (c == '#')
                break;
            if (c is '"' or '\'')
            {
                i = text.IndexOf(c, i + 1) + 1;
                if (i == 0)
                    return null;
            }
            else if (c == '$')
            {
                // A macro, with macros in it.
                int depth = 0;
                do
                {
                    depth += text[i] switch { '(' => 1, ')' => -1, _ => 0 };
                    i++;
                }
                while (i < text.Length && (depth > 0 || i == start + 1));
                if (depth != 0)
                    return null;
            }
            else if (char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.')
            {
                while (i < text.Length && (char.IsAsciiLetterOrDigit(text[i]) || text[i] is '_' or '-' or '.'))
                    i++;
            }
            else
            {
                i += i + 1 < text.Length && text.Substring(i, 2) is "&&" or "||" or "!=" or "<=" or ">=" ? 2 : 1;
            }

            tokens.Add(text[start..i]);
        }

        return tokens;
    }

    private static bool IsOption(string token) => token is not ("y" or "m" or "n") && token[0] is not ('"' or '\'' or '$') && token.Any(char.IsAsciiLetter) && !token.StartsWith("0x", StringComparison.Ordinal);

    private sealed record Symbol(string Name) : KconfigExpression
    {
        public override IEnumerable<string> Options => IsOption(Name) ? [Name] : [];

        // What a macro asks of the compiler is not known here; it is not taken for the culprit.
        public override int Evaluate(KernelConfiguration configuration) => (IsOption(Name) ? configuration.ValueOf(Name) : Name.StartsWith('$') ? "y" : Name) switch
        {
            "y" => Yes,
            "m" => Module,
            _ => No,
        };

        public override string ToString() => Name;
    }

    private sealed record Comparison(string Left, string Operator, string Right) : KconfigExpression
    {
        public override IEnumerable<string> Options => ((string[])[Left, Right]).Where(IsOption);

        public override int Evaluate(KernelConfiguration configuration)
        {
            if (Left.StartsWith('$') || Right.StartsWith('$'))
                return Yes;
            string left = ValueOf(Left, configuration), right = ValueOf(Right, configuration);
            int order = TryNumber(left, out long a) && TryNumber(right, out long b) ? a.CompareTo(b) : string.CompareOrdinal(left, right);
            return Operator switch
            {
                "=" => order == 0,
                "!=" => order != 0,
                "<" => order < 0,
                "<=" => order <= 0,
                ">" => order > 0,
                _ => order >= 0,
            }
            ? Yes
            : No;
        }

        public override string ToString() => $"{Left}{Operator}{Right}";

        private static string ValueOf(string token, KernelConfiguration configuration) =>
            (IsOption(token) ? configuration.ValueOf(token) : token).Trim('"', '\'');

        private static bool TryNumber(string text, out long number) => text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? long.TryParse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out number)
            : long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out number);
    }

    private sealed record Not(KconfigExpression Inner) : KconfigExpression
    {
        public override IEnumerable<string> Options => Inner.Options;

        public override int Evaluate(KernelConfiguration configuration) => Yes - Inner.Evaluate(configuration);

        public override string ToString() => Inner is Any or All ? $"!({Inner})" : $"!{Inner}";
    }

    private sealed record All(KconfigExpression Left, KconfigExpression Right) : KconfigExpression
    {
        public override IEnumerable<string> Options => Left.Options.Concat(Right.Options);

        public override IEnumerable<KconfigExpression> Parts => Left.Parts.Concat(Right.Parts);

        public override int Evaluate(KernelConfiguration configuration) => Math.Min(Left.Evaluate(configuration), Right.Evaluate(configuration));

        public override string ToString() => string.Join(" && ", Parts.Select(p => p is Any ? $"({p})" : p.ToString()));
    }

    private sealed record Any(KconfigExpression Left, KconfigExpression Right) : KconfigExpression
    {
        public override IEnumerable<string> Options => Left.Options.Concat(Right.Options);

        public override int Evaluate(KernelConfiguration configuration) => Math.Max(Left.Evaluate(configuration), Right.Evaluate(configuration));

        public override string ToString() => $"{Left} || {Right}";
    }
}
