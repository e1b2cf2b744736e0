using Xunit;

namespace Uml.CI.TestHost;

/// <summary>
/// Base class of tests that each get a guest of their own: booted before the test, gone after it. On a host that cannot run
/// guests the test is skipped with the reason, or fails when <see cref="GuestSupport.IsRequired"/>.
/// </summary>
/// <remarks>
/// When the test fails, the kernel log is attached as <c>kernel.log</c> and its end is in the test's output; what the kernel
/// complained about is added as warnings, whether the test fails or not. Cancelling the test, or the run, ends the guest, and
/// with it whatever the test waits for; what the guest was doing is attached as <c>guest-state.txt</c>.
/// </remarks>
public abstract class GuestTest : IAsyncLifetime
{
    private CancellationTokenRegistration _cancellation;
    private Guest? _guest;
    private int _bootLines;
    private bool _cancelled;

    /// <summary>The guest of this test. It is there from <see cref="InitializeAsync"/> on, so not yet in the constructor.</summary>
    public Guest Guest => _guest
        ?? throw new InvalidOperationException("The guest is not there yet: it is started after the constructor. Use it in the test, or in InitializeAsync after the base class's.");

    /// <summary>Starts the guest.</summary>
    public virtual async ValueTask InitializeAsync()
    {
        Guest guest = await GuestStart.RunAsync(Configure, TestContext.Current.CancellationToken);
        _guest = guest;
        _bootLines = guest.KernelLog.Lines.Count;
        _cancellation = TestContext.Current.CancellationToken.Register(Cancel);
    }

    /// <summary>Ends the guest, and reports what its kernel had to say.</summary>
    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_guest is null)
            return;
        await _cancellation.DisposeAsync();
        // Before the report: only then is the log whole.
        await _guest.DisposeAsync();
        if (!_cancelled)
            GuestReport.Write(_guest.KernelLog, _bootLines, firstReport: 0);
    }

    /// <summary>Says what the guest is: kernel, root, memory, artifacts. The default boots the default kernel on the host's file system.</summary>
    /// <param name="builder">A builder with the defaults.</param>
    protected virtual GuestBuilder Configure(GuestBuilder builder) => builder;

    // The run was cancelled, or the test has run into its timeout. Then xunit makes up the result as soon as this returns, so
    // what is to be in it is added here. And a test that did not pass its token on waits for the guest: ending it ends the test.
    private void Cancel()
    {
        _cancelled = true;
        GuestReport.WriteCancelled(_guest!, _bootLines);
        _ = _guest!.DisposeAsync().AsTask();
    }
}
