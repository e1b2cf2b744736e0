using Xunit;

namespace Uml.CI.TestHost;

/// <summary>
/// Base class of tests that each get a guest of their own: booted before the test, gone after it. On a host that cannot run
/// guests the test is skipped with the reason, or fails when <see cref="GuestSupport.IsRequired"/>.
/// </summary>
/// <remarks>
/// When the test fails, the kernel log is attached as <c>kernel.log</c>, the commands that ran and what they wrote as
/// <c>transcript.txt</c>, what the guest was doing as <c>guest-state.txt</c>; the last lines of the first two are in the test's
/// message. What the kernel complained about is added as warnings, whether the test fails or not. Cancelling the test, or the
/// run, ends the guest, and with it whatever the test waits for.
/// </remarks>
public abstract class GuestTest : IAsyncLifetime
{
    private readonly Lock _lock = new();
    private readonly List<HeldGuest> _guests = [];
    private CancellationTokenRegistration _cancellation;
    private bool _cancelled;

    /// <summary>The guest of this test. It is there from <see cref="InitializeAsync"/> on, so not yet in the constructor.</summary>
    public Guest Guest
    {
        get
        {
            lock (_lock)
            {
                return _guests.Count > 0
                    ? _guests[0].Guest
                    : throw new InvalidOperationException("The guest is not there yet: it is started after the constructor. Use it in the test, or in InitializeAsync after the base class's.");
            }
        }
    }

    /// <summary>
    /// Whether the test may get a guest that was booted while the test before it ran; true unless overridden. Such a guest has been
    /// up for a moment; otherwise it is the same. The variable UML_WARM=0 boots every guest when it is asked for.
    /// </summary>
    protected virtual bool UsesWarmGuests => true;

    /// <summary>Starts the guest, as soon as the machine has room for one. A test's <c>Timeout</c> has begun by then.</summary>
    public virtual async ValueTask InitializeAsync()
    {
        _cancellation = TestContext.Current.CancellationToken.Register(Cancel);
        await StartGuestAsync();
    }

    /// <summary>Ends the guests, and reports what their kernels had to say.</summary>
    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await _cancellation.DisposeAsync();
        if (_cancelled)
        {
            await Task.WhenAll(Held().Select(h => h.DisposeAsync().AsTask()));
            return;
        }

        GuestUse[] uses = [.. Held().Select(h => h.Use)];
        string[] states = TestContext.Current.TestState?.Result == TestResult.Failed ? GuestReport.States(uses) : [];
        // Before the report: only then are the logs whole.
        await Task.WhenAll(Held().Select(h => h.DisposeAsync().AsTask()));
        GuestReport.Write(uses, states);
    }

    /// <summary>Says what the guest is: kernel, root, memory, artifacts. The default boots the default kernel on the host's file system.</summary>
    /// <param name="builder">A builder with the defaults.</param>
    protected virtual GuestBuilder Configure(GuestBuilder builder) => builder;

    /// <summary>Starts a further guest, which ends with the test and is reported on like the first.</summary>
    /// <param name="configure">What is different from what <see cref="Configure"/> says; null for nothing.</param>
    protected async Task<Guest> StartGuestAsync(Func<GuestBuilder, GuestBuilder>? configure = null)
    {
        HeldGuest held = await GuestStart.RunAsync(
            builder => (configure ?? (b => b))(Configure(KernelOfTest.Apply(builder))),
            UsesWarmGuests ? GetType() : null,
            TestContext.Current.CancellationToken);
        bool late;
        lock (_lock)
        {
            late = _cancelled;
            _guests.Add(held);
        }

        if (late)
        {
            await held.DisposeAsync();
            TestContext.Current.CancellationToken.ThrowIfCancellationRequested();
        }

        return held.Guest;
    }

    private HeldGuest[] Held()
    {
        lock (_lock)
            return [.. _guests];
    }

    // The run was cancelled, or the test has run into its timeout. Then xunit makes up the result as soon as this returns, so
    // what is to be in it is added here. And a test that did not pass its token on waits for the guest: ending it ends the test.
    private void Cancel()
    {
        lock (_lock)
            _cancelled = true;
        GuestReport.WriteCancelled([.. Held().Select(h => h.Use)]);
        foreach (HeldGuest held in Held())
            _ = held.DisposeAsync().AsTask();
    }
}
