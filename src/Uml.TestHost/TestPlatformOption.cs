namespace Uml.CI;

/// <summary>An option of Microsoft.Testing.Platform, in the forms that System.CommandLine takes.</summary>
internal static class TestPlatformOption
{
    /// <summary>Where the run's results go.</summary>
    public const string ResultsDirectory = "--results-directory";

    /// <summary>The value of an option: <c>--name value</c>, <c>--name=value</c> or <c>--name:value</c>; null where it is missing or has none.</summary>
    public static string? ValueOf(IReadOnlyList<string> arguments, string name)
    {
        for (int i = 0; i < arguments.Count; i++)
        {
            if (arguments[i] == name)
                return i + 1 < arguments.Count ? arguments[i + 1] : null;
            if (arguments[i].Length > name.Length + 1 && arguments[i].StartsWith(name, StringComparison.Ordinal) && arguments[i][name.Length] is '=' or ':')
                return arguments[i][(name.Length + 1)..];
        }

        return null;
    }
}
