using System.Collections;
using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>What a test program's environment needs to be, on the host and in a guest.</summary>
internal static class TestEnvironment
{
    /// <summary>
    /// Settings of .NET that cost a guest, where a page fault takes 20 us and each change of a mapping 10, more than they bring: the
    /// second mapping through which compiled code is written, and compiling once more with what was learned from running.
    /// </summary>
    public static ImmutableSortedDictionary<string, string> Runtime { get; } =
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal).Add("DOTNET_EnableWriteXorExecute", "0").Add("DOTNET_TieredPGO", "0");

    /// <summary>The variables of a test program in a guest.</summary>
    /// <param name="guest">The guest's own.</param>
    public static ImmutableSortedDictionary<string, string> InGuest(ImmutableSortedDictionary<string, string> guest)
    {
        ImmutableSortedDictionary<string, string>.Builder variables = guest.ToBuilder();
        foreach (string name in guest.Keys.Where(IsOfAnotherRun))
            variables.Remove(name);
        foreach ((string name, string value) in Runtime)
            variables.TryAdd(name, value);
        if (DotnetHost.RootToName() is { } root)
            variables.TryAdd("DOTNET_ROOT", root);
        return variables.ToImmutable();
    }

    /// <summary>What differs from this process's environment for a test program on the host.</summary>
    public static ImmutableDictionary<string, string?> OnHost()
    {
        ImmutableDictionary<string, string?> changes = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .Select(e => (string)e.Key).Where(IsOfAnotherRun).ToImmutableDictionary(n => n, _ => (string?)null);
        return DotnetHost.RootToName() is { } root ? changes.SetItem("DOTNET_ROOT", root) : changes;
    }

    // A run of the test platform tells its children so; the tests here are run by somebody else.
    private static bool IsOfAnotherRun(string name) => name.StartsWith("TESTINGPLATFORM_", StringComparison.Ordinal);
}
