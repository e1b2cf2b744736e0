using System.Diagnostics;
using Xunit;

namespace Demo;

/// <summary>Tests that end what they run in: only ever by name, and only in a guest.</summary>
[Trait("Danger", "yes")]
[TestCaseOrderer(typeof(ByName))]
public sealed class DangerousTests
{
    [Fact]
    public void A_passes()
    {
    }

    [Fact]
    public void Panics_the_kernel()
    {
        Guard();
        File.WriteAllText("/proc/sysrq-trigger", "c");
    }

    [Fact]
    public void Switches_the_kernel_off()
    {
        Guard();
        File.WriteAllText("/proc/sysrq-trigger", "o");
        Thread.Sleep(60_000);
    }

    [Fact]
    public void Hangs()
    {
        Guard();
        Thread.Sleep(600_000);
    }

    [Fact]
    public void Exits()
    {
        Guard();
        Console.Error.WriteLine("leaving early");
        Environment.Exit(3);
    }

    [Fact]
    public void Leaves_a_panic_behind()
    {
        Guard();
        // In a session of its own; the kernel panics when this process is gone.
        const string script = """
            setsid sh -c 'while kill -0 "$1"; do sleep 0.02; done; echo c > /proc/sysrq-trigger' sh "$1" </dev/null >/dev/null 2>&1 &
            """;
        using Process child = Process.Start("sh", ["-c", script, "sh", $"{Environment.ProcessId}"]);
        child.WaitForExit();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Console.Error.WriteLine("a panic follows");
    }

    [Fact]
    public void Leaves_a_status_behind()
    {
        Guard();
        AppDomain.CurrentDomain.ProcessExit += (_, _) =>
        {
            Console.Error.WriteLine("not content");
            Environment.ExitCode = 3;
        };
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Never_comes_to_run(int number) => Assert.True(number > 0);

    private static void Guard() => Assert.SkipUnless(File.ReadAllText("/proc/cpuinfo").Contains("User Mode Linux", StringComparison.Ordinal), "not in a guest");
}

/// <summary>One after the other in this order, so that what comes after the end is known.</summary>
public sealed class ByName : Xunit.v3.ITestCaseOrderer
{
    public IReadOnlyCollection<TTestCase> OrderTestCases<TTestCase>(IReadOnlyCollection<TTestCase> testCases)
        where TTestCase : notnull, Xunit.Sdk.ITestCase =>
        [.. testCases.OrderBy(c => c.TestCaseDisplayName, StringComparer.Ordinal)];
}
