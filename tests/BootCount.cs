namespace Uml.CI;

/// <summary>Notes which tests booted a guest, a file for each test below the directory that the variable UML_TEST_BOOTS names.</summary>
internal static class BootCount
{
    /// <summary>Says that the current test has a guest of its own or uses one it shares.</summary>
    public static void Record()
    {
        if (Environment.GetEnvironmentVariable("UML_TEST_BOOTS") is not { Length: > 0 } directory || Xunit.TestContext.Current.Test is not { } test)
            return;
        Directory.CreateDirectory(directory);
        File.WriteAllText(Path.Combine(directory, test.UniqueID), test.TestDisplayName);
    }
}
