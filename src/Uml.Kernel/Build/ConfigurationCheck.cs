namespace Uml.CI;

/// <summary>An option that is not as it was asked for.</summary>
/// <param name="Line">What was asked for.</param>
/// <param name="Actual">What it is.</param>
/// <param name="Reason">Why, as far as Kconfig's files tell.</param>
internal sealed record LostOption(ConfigurationLine Line, string Actual, string Reason)
{
    public override string ToString() => $"CONFIG_{Line.Option}={Line.Value} ({Line.Origin}) is {Actual}: {Reason}";
}

/// <summary>Compares a configuration with what was asked for.</summary>
internal static class ConfigurationCheck
{
    /// <summary>The options that are not as they were asked for, those that may be dropped included.</summary>
    /// <param name="asked">What was asked for.</param>
    /// <param name="actual">What Kconfig made of it.</param>
    /// <param name="kconfig">Reads Kconfig's files; only called when something is lost.</param>
    public static List<LostOption> FindLost(MergedConfiguration asked, KernelConfiguration actual, Func<KconfigFiles> kconfig)
    {
        ConfigurationLine[] lost = [.. asked.Lines.Where(l => !IsAsAsked(l, actual))];
        if (lost.Length == 0)
            return [];
        ILookup<string, KconfigDefinition> definitions = kconfig().Definitions;
        return [.. lost.Select(l => new LostOption(l, (actual[l.Option] is not null) ? actual.ValueOf(l.Option) : "n", Explain(l, actual, definitions)))];
    }

    private static bool IsAsAsked(ConfigurationLine line, KernelConfiguration actual) =>
        actual.ValueOf(line.Option) == line.Value || (line.Value is "\"\"" && !(actual[line.Option] is not null));

    private static string Explain(ConfigurationLine line, KernelConfiguration actual, ILookup<string, KconfigDefinition> definitions)
    {
        KconfigDefinition[] own = [.. definitions[line.Option]];
        if (own.Length == 0)
            return "there is no such option in this kernel for ARCH=um";
        if (line.Value == "n")
            return ExplainSet(line.Option, own, actual, definitions);

        // Several definitions: the one that is closest to being possible.
        (KconfigDefinition Definition, KconfigExpression[] Missing) nearest = own
            .Select(d => (d, Missing: d.Dependencies.Where(e => e.Evaluate(actual) == 0).DistinctBy(e => e.ToString()).ToArray()))
            .MinBy(d => (d.Missing.Length, d.d.HasPrompt ? 0 : 1));
        if (nearest.Missing.Length > 0)
            return "it depends on " + string.Join(" and ", nearest.Missing.Select(e => Describe(e, actual)));
        if (line.Value == "y" && nearest.Definition.Dependencies.FirstOrDefault(e => e.Evaluate(actual) == 1) is { } module)
            return $"it depends on {module}, which is a module";
        if (!own.Any(d => d.HasPrompt))
        {
            string[] selecting = [.. Selecting(line.Option, definitions).Select(s => s.By).Distinct().Take(5)];
            return selecting.Length == 0 ? "it cannot be set, it follows from others" : $"it cannot be set, it is on when one of these asks for it: {string.Join(", ", selecting)}";
        }

        KconfigExpression[] hidden = [.. nearest.Definition.PromptConditions.Where(e => e.Evaluate(actual) == 0)];
        if (hidden.Length > 0)
            return "it can only be set with " + string.Join(" and ", hidden.Select(e => Describe(e, actual)));
        if (nearest.Definition.Choice is { } choice)
        {
            string? taken = definitions.SelectMany(g => g).FirstOrDefault(d => d.Choice == choice && d.Option != line.Option && actual.ValueOf(d.Option) == "y")?.Option;
            return taken is null ? "it is one of a choice" : $"it is one of a choice, of which {taken} is taken";
        }

        return SelectedBy(line.Option, actual, definitions) is { } by ? $"{by} asks for it" : "Kconfig decided otherwise; its range or a default may say why";
    }

    private static string ExplainSet(string option, KconfigDefinition[] own, KernelConfiguration actual, ILookup<string, KconfigDefinition> definitions)
    {
        if (SelectedBy(option, actual, definitions) is { } by)
            return $"{by} asks for it";
        return own.Any(d => d.HasPrompt && d.PromptConditions.All(e => e.Evaluate(actual) > 0))
            ? "Kconfig decided otherwise"
            : $"it cannot be set{(own.Any(d => d.HasPrompt) ? " without " + string.Join(" and ", own.SelectMany(d => d.PromptConditions).Where(e => e.Evaluate(actual) == 0).Select(e => e.ToString()).Distinct()) : "")}, it follows from others";
    }

    private static string? SelectedBy(string option, KernelConfiguration actual, ILookup<string, KconfigDefinition> definitions)
    {
        string[] active = [.. Selecting(option, definitions).Where(s => actual.ValueOf(s.By) is "y" or "m" && (s.Condition is null || s.Condition.Evaluate(actual) > 0)).Select(s => s.By).Distinct().Take(3)];
        return active.Length == 0 ? null : string.Join(", ", active);
    }

    private static IEnumerable<(string By, KconfigExpression? Condition)> Selecting(string option, ILookup<string, KconfigDefinition> definitions) =>
        definitions.SelectMany(g => g).SelectMany(d => d.Selects.Where(s => s.Option == option).Select(s => (d.Option, s.Condition)));

    private static string Describe(KconfigExpression expression, KernelConfiguration actual)
    {
        string[] options = [.. expression.Options.Distinct(StringComparer.Ordinal)];
        return options.Length == 1 && options[0] == expression.ToString()
            ? $"{expression}, which is {actual.ValueOf(options[0])}"
            : $"'{expression}', where {string.Join(", ", options.Select(o => $"{o} is {actual.ValueOf(o)}"))}";
    }
}
