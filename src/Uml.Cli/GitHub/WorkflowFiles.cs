using System.Security.Cryptography;
using System.Text;

namespace Uml.CI.Cli;

/// <summary>The files through which a step tells GitHub's runner something. Outside of a runner there are none, and nothing is told.</summary>
internal static class WorkflowFiles
{
    // 1 MiB for each step; what is longer is dropped as a whole.
    public const int SummaryLimit = 1024 * 1024;

    /// <summary>Gives the step an output.</summary>
    public static void SetOutput(string name, string value) => Set("GITHUB_OUTPUT", name, value);

    /// <summary>Gives the steps after this one a variable.</summary>
    public static void SetVariable(string name, string value) => Set("GITHUB_ENV", name, value);

    /// <summary>How much of the step's summary is left, in bytes.</summary>
    public static int SummaryRoom => PathOf("GITHUB_STEP_SUMMARY") is { } path && File.Exists(path) ? (int)Math.Max(0, SummaryLimit - new FileInfo(path).Length) : SummaryLimit;

    /// <summary>Appends to the summary of the job.</summary>
    public static void AddSummary(string markdown) => Append("GITHUB_STEP_SUMMARY", markdown);

    private static void Set(string file, string name, string value)
    {
        // A value of several lines ends with a word that no value can hold by chance or by intention.
        string end = RandomNumberGenerator.GetHexString(32, lowercase: true);
        Append(file, $"{name}<<{end}\n{value}\n{end}\n");
    }

    private static void Append(string variable, string text)
    {
        if (PathOf(variable) is { } path)
            File.AppendAllText(path, text, new UTF8Encoding(false));
    }

    private static string? PathOf(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } path ? path : null;
}
