using System.Collections.Immutable;
using Xunit.Sdk;

namespace Uml.CI;

/// <summary>Runs test assemblies inside guests: each assembly once per kernel, each time in a fresh guest, several at once.</summary>
public static class TestRun
{
    /// <summary>Names the tests of an assembly that a filter lets through, in the order of their names; theories are one each. Nothing is booted.</summary>
    /// <remarks>The assembly's program may take a minute for it.</remarks>
    /// <exception cref="TestRunException">The assembly could not be run, or not in time, or the filter makes no sense.</exception>
    public static Task<ImmutableArray<string>> ListAsync(TestAssembly assembly, TestFilter filter, CancellationToken cancellationToken = default) =>
        ListAsync(assembly, filter, timeout: null, cancellationToken);

    /// <summary>Names the tests of an assembly that a filter lets through, in the order of their names; theories are one each. Nothing is booted.</summary>
    /// <param name="assembly">The assembly.</param>
    /// <param name="filter">The filter.</param>
    /// <param name="timeout">How long the assembly's program may take for it; null for a minute.</param>
    /// <param name="cancellationToken">Ends the program.</param>
    /// <exception cref="TestRunException">The assembly could not be run, or not in time, or the filter makes no sense.</exception>
    public static async Task<ImmutableArray<string>> ListAsync(TestAssembly assembly, TestFilter filter, TimeSpan? timeout, CancellationToken cancellationToken = default) =>
        [.. (await HostDiscovery.FindAsync(assembly, filter, timeout, cancellationToken)).Select(c => c.TestCaseDisplayName).Order(StringComparer.Ordinal)];

    /// <summary>Runs everything, and returns what came of each assembly in each guest: by assembly, then by kernel.</summary>
    /// <param name="options">What runs where.</param>
    /// <param name="listener">Told what happens.</param>
    /// <param name="cancellationToken">Ends all guests at once.</param>
    /// <exception cref="TestRunException">The options make no sense, an assembly could not be run, or not in time, or no test is left to run.</exception>
    /// <exception cref="KernelException">A kernel could not be had.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing of the guests is left.</exception>
    public static async Task<ImmutableArray<GuestTestRun>> RunAsync(TestRunOptions options, ITestRunListener listener, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(listener);
        ImmutableArray<string> kernels = options.KernelNames();
        if (kernels.IsEmpty)
            throw new TestRunException("no kernel was named: --kernel debian:sid is one");
        if (options.Assemblies.IsEmpty)
            throw new TestRunException("no test assembly was named");
        if (options.Assemblies.GroupBy(a => a.Path, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new TestRunException($"the assembly {twice.Key} is there twice: name each once");

        // Nothing is fetched while tests run.
        foreach (GuestOptions guest in options.Guests)
            await new KernelStore().ResolveAsync(guest.Kernel, guest.KernelResolution, cancellationToken);
        var found = new List<(TestAssembly Assembly, ImmutableArray<ITestCaseDiscovered> Cases)>();
        foreach (TestAssembly assembly in options.Assemblies)
        {
            ImmutableArray<ITestCaseDiscovered> cases = await HostDiscovery.FindAsync(assembly, options.Filter, options.Timeout, cancellationToken);
            if (!cases.IsEmpty)
                found.Add((assembly, cases));
            else if (options.Filter.IsEmpty)
                throw new TestRunException($"{assembly.Path} holds no tests");
        }

        if (found.Count == 0)
            throw new TestRunException("no test meets the filter: --list-tests shows what there is");

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var limit = new SemaphoreSlim(options.Jobs ?? Environment.ProcessorCount);
        // All of them before the first one boots: a directory that cannot be made is no reason to leave guests behind.
        TestJob[] jobs = [.. found.SelectMany(f => options.Guests.Select((guest, i) =>
            new TestJob(options, new GuestTestRun { Assembly = f.Assembly, Kernel = kernels[i] }, guest, f.Cases, listener, limit, stop)))];
        GuestTestRun[] ended = await Task.WhenAll(jobs.Select(RunAsync));
        cancellationToken.ThrowIfCancellationRequested();
        return [.. ended];
    }

    private static async Task<GuestTestRun> RunAsync(TestJob job)
    {
        using (job)
            return await job.RunAsync();
    }
}
