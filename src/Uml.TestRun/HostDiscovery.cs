using System.Collections.Immutable;
using System.Globalization;
using Xunit.Runner.Common;
using Xunit.Runner.v3;
using Xunit.Sdk;

namespace Uml.CI;

/// <summary>Finds an assembly's tests on the host: no guest is needed for that, and what a lost guest did not come to is known.</summary>
internal static class HostDiscovery
{
    private static readonly TimeSpan UsualTimeout = TimeSpan.FromMinutes(1);

    /// <summary>The test cases of an assembly that a filter lets through.</summary>
    /// <param name="assembly">The assembly.</param>
    /// <param name="filter">The filter.</param>
    /// <param name="timeout">How long its program may take; null for a minute.</param>
    /// <param name="cancellationToken">Ends the program.</param>
    /// <exception cref="TestRunException">The assembly could not be run, or not in time; the message says why.</exception>
    public static async Task<ImmutableArray<ITestCaseDiscovered>> FindAsync(TestAssembly assembly, TestFilter filter, TimeSpan? timeout, CancellationToken cancellationToken)
    {
        XunitProjectAssembly project = assembly.ToXunit();
        List<string> arguments = Xunit3ArgumentFactory.ForFind(
            assembly.CoreVersion, TestFrameworkOptions.ForDiscovery(project.Configuration), filter.ToXunit(), null, ListOption.Discovery);
        ImmutableArray<ITestCaseDiscovered>.Builder found = ImmutableArray.CreateBuilder<ITestCaseDiscovered>();
        var own = new List<string>();
        var lines = new MessageLines(Take, own.Add);
        var program = new ExternalProgram(assembly.Command[0])
        {
            Arguments = [.. assembly.Command[1..], .. arguments],
            Environment = TestEnvironment.OnHost(),
            EndsWithParent = true,
            ThrowsOnFailure = false,
        };
        ExternalResult result = await RunAsync(program, assembly, timeout ?? UsualTimeout, cancellationToken);
        lines.Feed(result.StandardOutput);
        lines.End();
        if (result.ExitCode != 0)
            throw new TestRunException($"the tests of {assembly.Path} cannot be found: {Explain(result, own)}");
        return found.ToImmutable();

        bool Take(string text)
        {
            IMessageSinkMessage? message = TestMessages.Read(text);
            if (message is ITestCaseDiscovered test)
                found.Add(test);
            else if (message is IErrorMetadata error)
                own.Add(ExceptionUtility.CombineMessages(error));
            return message is not null;
        }
    }

    // Finding tests runs code of the assembly, which may wait for what never comes.
    private static async Task<ExternalResult> RunAsync(ExternalProgram program, TestAssembly assembly, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(timeout);
        try
        {
            return await program.RunAsync(deadline.Token);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TestRunException(
                string.Create(CultureInfo.InvariantCulture, $"the tests of {assembly.Path} were not found on this host within {timeout.TotalSeconds:0.###} s: see what their data or their discoverers wait for, or give more time with --timeout"), e);
        }
    }

    // The runtime explains at length that it is missing; one of its lines says which.
    private static string Explain(ExternalResult result, List<string> own)
    {
        string[] complaints = [.. own.Concat(result.StandardError.Split('\n')).Select(l => l.Trim()).Where(l => l.Length > 0)];
        return complaints.FirstOrDefault(l => l.StartsWith("Framework: '", StringComparison.Ordinal)) is { } framework
            ? $"it needs the framework {framework["Framework: ".Length..]}, which is not installed here: install it, or build for one that \"dotnet --list-runtimes\" shows"
            : $"its program ended with status {result.ExitCode}{(complaints.Length > 0 ? ": " + string.Join(" | ", complaints.TakeLast(3)) : "")}";
    }
}
