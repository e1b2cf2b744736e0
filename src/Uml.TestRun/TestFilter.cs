using System.Collections.Immutable;
using Xunit.Runner.Common;

namespace Uml.CI;

/// <summary>Which tests of an assembly run; all of them by default. The words are those of xunit's own runners.</summary>
public sealed record TestFilter
{
    /// <summary>Queries of xunit's filter language: <c>/assembly/namespace/class/method[trait=value]</c>. A test runs that meets any. Not together with the others.</summary>
    public ImmutableArray<string> Queries { get; init; } = [];

    /// <summary>Full names of classes, with <c>*</c> at the beginning or the end.</summary>
    public ImmutableArray<string> Classes { get; init; } = [];

    /// <summary>Classes to leave out.</summary>
    public ImmutableArray<string> ExcludedClasses { get; init; } = [];

    /// <summary>Full names of methods, with <c>*</c> at the beginning or the end.</summary>
    public ImmutableArray<string> Methods { get; init; } = [];

    /// <summary>Methods to leave out.</summary>
    public ImmutableArray<string> ExcludedMethods { get; init; } = [];

    /// <summary>Namespaces.</summary>
    public ImmutableArray<string> Namespaces { get; init; } = [];

    /// <summary>Namespaces to leave out.</summary>
    public ImmutableArray<string> ExcludedNamespaces { get; init; } = [];

    /// <summary>Traits: <c>name=value</c>.</summary>
    public ImmutableArray<string> Traits { get; init; } = [];

    /// <summary>Traits to leave out.</summary>
    public ImmutableArray<string> ExcludedTraits { get; init; } = [];

    /// <summary>Whether it lets every test through.</summary>
    public bool IsEmpty => ToXunit().Empty;

    /// <summary>The filter as xunit takes it.</summary>
    /// <exception cref="TestRunException">It makes no sense; the message names what.</exception>
    internal XunitFilters ToXunit()
    {
        var filters = new XunitFilters();
        foreach (string query in Queries)
        {
            try
            {
                filters.AddQueryFilter(query);
            }
            catch (ArgumentException e)
            {
                throw new TestRunException($"\"{query}\" is not a test filter: {Reason(e)}; write /assembly/namespace/class/method[trait=value] with * for anything, or use --filter-class, --filter-method or --filter-trait", e);
            }
        }

        try
        {
            Add(Classes, filters.AddIncludedClassFilter);
            Add(ExcludedClasses, filters.AddExcludedClassFilter);
            Add(Methods, filters.AddIncludedMethodFilter);
            Add(ExcludedMethods, filters.AddExcludedMethodFilter);
            Add(Namespaces, filters.AddIncludedNamespaceFilter);
            Add(ExcludedNamespaces, filters.AddExcludedNamespaceFilter);
            AddTraits(Traits, filters.AddIncludedTraitFilter);
            AddTraits(ExcludedTraits, filters.AddExcludedTraitFilter);
        }
        catch (ArgumentException e)
        {
            throw new TestRunException($"the test filters do not go together: {Reason(e)}", e);
        }

        return filters;
    }

    private static void Add(ImmutableArray<string> texts, Action<string> add)
    {
        foreach (string text in texts)
            add(text);
    }

    private static void AddTraits(ImmutableArray<string> texts, Action<string, string> add)
    {
        foreach (string text in texts)
        {
            int equals = text.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0 || equals == text.Length - 1)
                throw new TestRunException($"\"{text}\" is not a trait: write NAME=VALUE");
            add(text[..equals], text[(equals + 1)..]);
        }
    }

    // "Query filter '/a' is not valid: why (Parameter 'query')"
    private static string Reason(ArgumentException exception)
    {
        const string middle = "is not valid: ";
        string text = exception.Message.Split('\n')[0];
        int start = text.IndexOf(middle, StringComparison.Ordinal);
        int end = text.LastIndexOf(" (Parameter", StringComparison.Ordinal);
        return text[(start < 0 ? 0 : start + middle.Length)..(end < 0 ? text.Length : end)].TrimEnd('.', ' ');
    }
}
