using System.Runtime.ExceptionServices;
using Xunit;

namespace Uml.CI.TestHost;

/// <summary>
/// One guest for all tests of a class, collection or assembly: <c>IClassFixture&lt;GuestFixture&gt;</c>,
/// <c>ICollectionFixture&lt;GuestFixture&gt;</c> or <c>[assembly: AssemblyFixture(typeof(GuestFixture))]</c>. Derive from it
/// to say what the guest is.
/// </summary>
/// <remarks>
/// A guest that cannot be started does not fail the fixture. The exception is kept and thrown where a test asks for the
/// <see cref="Guest"/>, so that tests which can do without still run. Put <see cref="KernelLogOnFailureAttribute"/> on the class or
/// the assembly to have the kernel log with every failed test.
/// </remarks>
public class GuestFixture : IAsyncLifetime
{
    private HeldGuest? _guest;
    private ExceptionDispatchInfo? _failure;

    /// <summary>The shared guest.</summary>
    /// <exception cref="GuestException">It could not be started. On a host that cannot run guests, asking for it skips the test.</exception>
    public Guest Guest
    {
        get
        {
            _failure?.Throw();
            Guest guest = _guest?.Guest ?? throw new InvalidOperationException("The guest is not there yet: xunit starts a fixture before the tests that take it.");
            GuestReport.Use(guest);
            return guest;
        }
    }

    /// <summary>Starts the guest.</summary>
    public virtual async ValueTask InitializeAsync()
    {
        try
        {
            _guest = await GuestStart.RunAsync(Configure, requester: null, TestContext.Current.CancellationToken);
        }
#pragma warning disable CA1031 // Whatever it is belongs to the tests that need the guest.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _failure = ExceptionDispatchInfo.Capture(e);
        }
    }

    /// <summary>Ends the guest.</summary>
    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_guest is not null)
            await _guest.DisposeAsync();
    }

    /// <summary>Says what the guest is: kernel, root, memory, artifacts. The default boots the default kernel on the host's file system.</summary>
    /// <param name="builder">A builder with the defaults.</param>
    protected virtual GuestBuilder Configure(GuestBuilder builder) => builder;
}
