using Xunit;
using Xunit.v3;

namespace Uml.CI.TestHost;

/// <summary>Starts guests for tests.</summary>
internal static class GuestStart
{
    /// <summary>
    /// Starts a guest, as soon as there is room for one; skips the test if this host cannot run one and none is required.
    /// </summary>
    /// <param name="configure">Says what the guest is.</param>
    /// <param name="requester">The class of the test, if a guest that was booted ahead will do; else null.</param>
    /// <param name="cancellationToken">Stops waiting and starting.</param>
    public static async Task<HeldGuest> RunAsync(Func<GuestBuilder, GuestBuilder> configure, Type? requester, CancellationToken cancellationToken)
    {
        GuestOptions options = configure(new GuestBuilder()).Options;
        // The build leaves the lock file beside the tests, and that is below the project, wherever they are started from.
        options = options with
        {
            KernelResolution = options.KernelResolution ?? new KernelResolveOptions
            {
                LockFile = KernelLock.FindFile(options.Kernel, AppContext.BaseDirectory),
                SettingsDirectory = AppContext.BaseDirectory,
            },
        };
        try
        {
            ITestContext context = TestContext.Current;
            var request = new GuestRequest(options);
            if (requester is null || !WarmPool.CanHold(options) || WarmPool.Shared is not { } pool)
                return await BootAsync(request, context, () => { }, cancellationToken);

            HeldGuest held = await TakeAsync(pool, request, context, cancellationToken);
            pool.BootAhead(request, requester);
            return held;
        }
        catch (GuestUnavailableException e) when (!GuestSupport.IsRequired)
        {
            throw new GuestSkipException(e.Summary, e);
        }
        // A reference that names nothing is the test's own mistake: skipping would hide it.
        catch (KernelException e) when (!GuestSupport.IsRequired && e.Problem == KernelProblem.Unavailable)
        {
            throw new GuestSkipException(e.Message, e);
        }
        catch (GuestException e) when (e.KernelLogFile is { } file)
        {
            GuestReport.AttachLog(await File.ReadAllTextAsync(file, CancellationToken.None));
            throw;
        }
    }

    private static async Task<HeldGuest> TakeAsync(WarmPool pool, GuestRequest request, ITestContext context, CancellationToken cancellationToken)
    {
        if (await pool.TakeAsync(request, cancellationToken) is { } warm)
            return new HeldGuest(warm.Guest, warm.Lease, GuestHolders.Add(context), () => pool.Ended(request));
        try
        {
            return await BootAsync(request, context, () => pool.Ended(request), cancellationToken);
        }
        catch
        {
            pool.Ended(request);
            throw;
        }
    }

    private static async Task<HeldGuest> BootAsync(GuestRequest request, ITestContext context, Action ended, CancellationToken cancellationToken)
    {
        GuestOptions options = request.Options;
        GuestLimit limit = GuestLimit.Shared;
        GuestLease lease = GuestHolders.Includes(context) ? limit.Acquire(options.Memory) : await limit.AcquireAsync(options.Memory, cancellationToken);
        try
        {
            KernelResolveOptions resolution = options.KernelResolution!;
            Guest guest = await Guest.StartAsync(
                options with { KernelResolution = resolution.Progress is null ? resolution with { Progress = new Diagnostics(context) } : resolution },
                request.CurrentDirectory,
                cancellationToken);
            return new HeldGuest(guest, lease, GuestHolders.Add(context), ended);
        }
        catch
        {
            lease.Dispose();
            throw;
        }
    }

    // A first run downloads a kernel: who listens to diagnostic messages sees why the test takes its time.
    private sealed class Diagnostics(ITestContext context) : IProgress<KernelProgress>
    {
        private string _stage = "";

        public void Report(KernelProgress value)
        {
            if (Interlocked.Exchange(ref _stage, value.Stage) != value.Stage)
                context.SendDiagnosticMessage(value.Stage);
        }
    }
}

/// <summary>Skips a test: xunit takes any exception with this message as a skip.</summary>
internal sealed class GuestSkipException(string problem, Exception cause)
    : Exception(DynamicSkipToken.Value + GuestSupport.SkipReason(problem), cause);
