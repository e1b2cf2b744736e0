using System.Collections.Immutable;

namespace Uml.CI;

/// <summary>Tests packages, each on each suite and kernel in a guest of its own, several at once.</summary>
internal static class SmokeTest
{
    /// <summary>What came of it all.</summary>
    /// <param name="Results">In the order of suites, packages and kernels.</param>
    /// <param name="NotRun">Packages that were not begun, because one had failed.</param>
    /// <param name="Notes">What is worth knowing.</param>
    public sealed record Outcome(ImmutableArray<SmokeResult> Results, ImmutableArray<string> NotRun, ImmutableArray<string> Notes)
    {
        /// <summary>Whether all of it was tested and is good.</summary>
        public bool Succeeded => Results.Length > 0 && NotRun.IsEmpty && Results.All(r => r.Succeeded);
    }

    /// <summary>Runs the tests.</summary>
    /// <exception cref="KernelException">Packages, suites or kernels could not be had.</exception>
    /// <exception cref="GuestUnavailableException">This host cannot run guests.</exception>
    public static async Task<Outcome> RunAsync(SmokeOptions options, ISmokeListener listener, CancellationToken cancellationToken)
    {
        PackageSelection selection = await options.Family.SelectAsync(options.Arguments, cancellationToken);
        var suites = new List<PreparedSuite>();
        try
        {
            foreach (GuestOptions guest in options.Guests)
                await new KernelStore().ResolveAsync(guest.Kernel, guest.KernelResolution, cancellationToken);
            foreach (string suite in options.Suites)
                suites.Add(await options.Family.PrepareAsync(selection, suite, options.Recommends, options.Progress, cancellationToken));
            (PreparedSuite Suite, SmokeTarget Target, GuestOptions Guest)[] all = [.. suites.SelectMany(s => s.Targets.SelectMany(t => options.Guests.Select(g => (s, t, g))))];
            var results = new SmokeResult?[all.Length];
            bool stop = false;
            using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            using var room = new SemaphoreSlim(options.Jobs ?? GuestLimit.Shared.MaximumGuests);
            Task[] tasks = [.. all.Select((_, i) => TestAsync(i))];
            try
            {
                await Task.WhenAll(tasks);
            }
            catch
            {
                // Whatever one of them cannot go on with, the others cannot either.
                await end.CancelAsync();
                await Task.WhenAll(tasks.Select(t => t.ContinueWith(static _ => { }, TaskScheduler.Default)));
                throw tasks.Select(t => t.Exception?.InnerException).FirstOrDefault(e => e is not null and not OperationCanceledException) ?? new OperationCanceledException(cancellationToken);
            }

            return new Outcome(
                [.. results.OfType<SmokeResult>()],
                [.. all.Where((_, i) => results[i] is null).Select(a => $"{a.Target.Name} on {a.Suite.Suite} [{a.Guest.Kernel}]")],
                selection.Notes);

            async Task TestAsync(int index)
            {
                await room.WaitAsync(end.Token);
                try
                {
                    using GuestLease lease = await GuestLimit.Shared.AcquireAsync(all[index].Guest.Memory, end.Token);
                    if (Volatile.Read(ref stop))
                        return;
                    (PreparedSuite suite, SmokeTarget target, GuestOptions guest) = all[index];
                    SmokeResult result;
                    try
                    {
                        result = await SmokeRun.RunAsync(options, suite, target, guest, listener, end.Token);
                    }
                    catch
                    {
                        await end.CancelAsync();
                        throw;
                    }

                    results[index] = result;
                    if (!result.Succeeded && !options.KeepGoing)
                        Volatile.Write(ref stop, true);
                    listener.Ended(result);
                }
                finally
                {
                    room.Release();
                }
            }
        }
        finally
        {
            foreach (PreparedSuite suite in suites)
                suite.Dispose();
        }
    }
}
