namespace Uml.CI;

/// <summary>Told what happens while it happens; from any thread, several at once.</summary>
public interface ITestRunListener
{
    /// <summary>A guest is being booted.</summary>
    /// <param name="run">What is to run in it.</param>
    /// <param name="tests">The tests found in its assembly, theories as one each.</param>
    void Starting(GuestTestRun run, int tests);

    /// <summary>A test ended.</summary>
    void Ended(GuestTestRun run, TestResult result);

    /// <summary>Something that is no test failed. The first line says it.</summary>
    void Failed(GuestTestRun run, string error);

    /// <summary>The test program wrote a line of its own.</summary>
    void Wrote(GuestTestRun run, string line);

    /// <summary>A guest is gone, its tests done.</summary>
    void Ended(GuestTestRun run);
}
