using Xunit.Sdk;

namespace Uml.CI.TestHost;

/// <summary>
/// The directory of the run's results. xunit leaves attachments in the temporary directory; here they stay with the reports,
/// where CI collects them.
/// </summary>
internal static class ResultsDirectory
{
    private const int LongestName = 120;

    /// <summary>Writes a file of a test; null if the run has no results directory or it cannot be written.</summary>
    public static string? Write(ITest test, string name, string text)
    {
        if (Find(Environment.GetEnvironmentVariable("UML_RESULTS_DIRECTORY"), Environment.GetCommandLineArgs()) is not { } directory)
            return null;
        try
        {
            string path = Path.Combine(directory, "guests", NameOf(test), name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, text);
            return path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The attachment has it all the same.
            return null;
        }
    }

    /// <summary>The directory named in the environment, else the test platform's option on the command line.</summary>
    internal static string? Find(string? variable, string[] arguments)
    {
        if (!string.IsNullOrEmpty(variable))
            return Path.GetFullPath(variable);
        return TestPlatformOption.ValueOf(arguments, TestPlatformOption.ResultsDirectory) is { } named ? Path.GetFullPath(named) : null;
    }

    // Rows of a theory may differ only in characters that no file name holds, hence the tail of the test's unique ID.
    private static string NameOf(ITest test)
    {
        string name = string.Concat(test.TestDisplayName.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' ? c : '_'));
        return (name.Length > LongestName ? name[..LongestName] : name).TrimEnd('.') + "-" + test.UniqueID[..Math.Min(8, test.UniqueID.Length)];
    }
}
