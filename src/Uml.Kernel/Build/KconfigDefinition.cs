using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>One place where Kconfig defines an option. An option may have several.</summary>
/// <param name="Option">Its name.</param>
internal sealed record KconfigDefinition(string Option)
{
    /// <summary>What it depends on there, its menus' and ifs' conditions included.</summary>
    public ImmutableArray<KconfigExpression> Dependencies { get; init; } = [];

    /// <summary>It can be set by a user there, and not just by other options.</summary>
    public bool HasPrompt { get; init; }

    /// <summary>What must hold for the prompt to be shown, beyond the dependencies.</summary>
    public ImmutableArray<KconfigExpression> PromptConditions { get; init; } = [];

    /// <summary>What it selects, and under which condition.</summary>
    public ImmutableArray<(string Option, KconfigExpression? Condition)> Selects { get; init; } = [];

    /// <summary>It is one of a choice, of which only one can be set.</summary>
    public int? Choice { get; init; }
}
