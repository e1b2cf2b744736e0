namespace Uml.CI;

/// <summary>Programs of the host that tests need.</summary>
internal static class Tools
{
    /// <summary>Finds one; where it is missing the test fails if UML_REQUIRED is set, and else says what is missing.</summary>
    public static string Find(string program)
    {
        if (HostPrograms.Find(HostTools.Default, program) is { } found)
            return found;
        string words = $"the program {program} is not installed";
        if (Environment.GetEnvironmentVariable("UML_REQUIRED") is { Length: > 0 })
            Assert.Fail(words);
        Assert.Skip(words);
        return "";
    }
}
