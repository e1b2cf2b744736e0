namespace Uml.CI.TestHost;

/// <summary>
/// Whether this host can run guests, found out by booting the smallest one, once. For tests that boot guests themselves:
/// <c>[Fact(Skip = "no guests here", SkipUnless = nameof(GuestSupport.IsSupported), SkipType = typeof(GuestSupport))]</c>, or
/// <c>Assert.SkipUnless(GuestSupport.IsSupported, GuestSupport.WhyNot)</c>.
/// </summary>
public static class GuestSupport
{
    private const string Variable = "UML_REQUIRED";

    // On the thread pool, because whoever asks may hold a thread with a synchronisation context.
    private static readonly Lazy<string> Problem = new(() => Task.Run(ProbeAsync).GetAwaiter().GetResult());

    /// <summary>Whether UML_REQUIRED is 1: tests that need a guest then fail, not skip, where none can be had. For CI.</summary>
    public static bool IsRequired => Environment.GetEnvironmentVariable(Variable) is "1" or "true";

    /// <summary>Whether guests can be run; true also if they are <see cref="IsRequired"/>, so that the test runs and fails.</summary>
    public static bool IsSupported => IsRequired || Problem.Value.Length == 0;

    /// <summary>Why guests cannot be run, and how to mend it; empty if they can.</summary>
    public static string WhyNot => Problem.Value;

    /// <summary>Why a test is skipped: the problem, and how to make it a failure.</summary>
    internal static string SkipReason(string problem) => $"{problem} (Set {Variable}=1 to make this a failure.)";

    private static async Task<string> ProbeAsync()
    {
        try
        {
            await using Guest guest = await new GuestBuilder().WithRoot(GuestRoot.Empty).StartAsync();
            return "";
        }
        catch (GuestException e)
        {
            return e.Summary;
        }
        catch (KernelException e)
        {
            // A kernel that does not exist is no fault of the host's: the tests are to run, and say so.
            return e.Problem == KernelProblem.Unavailable ? e.Message : "";
        }
    }
}
