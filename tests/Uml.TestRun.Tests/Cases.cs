using System.Collections.Concurrent;
using System.Collections.Immutable;

namespace Uml.CI.Tests;

/// <summary>The test assembly that the tests here run.</summary>
internal static class Cases
{
    /// <summary>Everything that harms nobody.</summary>
    public static readonly TestFilter Harmless = new() { ExcludedTraits = ["Danger=yes"] };

    public static string Directory { get; } = AppContext.BaseDirectory.Replace("Uml.TestRun.Tests", "Uml.TestRun.Cases", StringComparison.Ordinal);

    public static string Path { get; } = System.IO.Path.Combine(Directory, "Demo.Tests.dll");

    public static TestAssembly Assembly => TestAssembly.Open(Path);

    /// <summary>Some tests of the class that ends what it runs in.</summary>
    public static TestFilter Dangerous(params string[] methods) => new() { Methods = [.. methods.Select(m => $"Demo.DangerousTests.{m}")] };

    public static TestRunOptions Options(TestFilter filter, params string[] kernels) => new()
    {
        Assemblies = [Assembly],
        Guests = [.. kernels.Select(k => new GuestOptions { Kernel = k, Memory = 1L << 30 })],
        Filter = filter,
    };

    /// <summary>Made up, for what needs no guest.</summary>
    public static GuestTestRun Run(string kernel, params TestResult[] results) => new()
    {
        Assembly = Assembly,
        Kernel = kernel,
        Release = "1.2.3",
        Environment = "64-bit",
        Framework = "xunit",
        Results = [.. results],
        Started = DateTimeOffset.UnixEpoch,
        Duration = TimeSpan.FromSeconds(1.5),
    };

    public static TestResult Result(string name, TestOutcome outcome = TestOutcome.Passed) => new()
    {
        Name = name,
        ClassName = name[..name.LastIndexOf('.')],
        MethodName = name[(name.LastIndexOf('.') + 1)..],
        Outcome = outcome,
        Message = outcome == TestOutcome.Passed ? "" : "because",
    };
}

/// <summary>Keeps what it is told.</summary>
internal sealed class Notes : ITestRunListener
{
    public ConcurrentQueue<string> Lines { get; } = new();

    public ConcurrentQueue<string> Errors { get; } = new();

    public ConcurrentQueue<TestResult> Results { get; } = new();

    public TaskCompletionSource FirstTest { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Called with each line of a test program; its run goes on when this returns.</summary>
    public Action<string> Hold { get; set; } = _ => { };

    public void Starting(GuestTestRun run, int tests) => BootCount.Record();

    public void Ended(GuestTestRun run, TestResult result)
    {
        Results.Enqueue(result);
        FirstTest.TrySetResult();
    }

    public void Failed(GuestTestRun run, string error) => Errors.Enqueue(error);

    public void Wrote(GuestTestRun run, string line)
    {
        Lines.Enqueue(line);
        Hold(line);
    }

    public void Ended(GuestTestRun run)
    {
    }
}
