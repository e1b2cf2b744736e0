using Xunit;
using Xunit.v3;

namespace Uml.CI.TestHost;

/// <summary>Starts guests for tests.</summary>
internal static class GuestStart
{
    /// <summary>Starts a guest; skips the test if this host cannot run one and none is required.</summary>
    public static async Task<Guest> RunAsync(Func<GuestBuilder, GuestBuilder> configure, CancellationToken cancellationToken)
    {
        var diagnostics = new Diagnostics(TestContext.Current);
        GuestBuilder builder = configure(new GuestBuilder(new GuestOptions { KernelResolution = new KernelResolveOptions { Progress = diagnostics } }));
        try
        {
            return await builder.StartAsync(cancellationToken);
        }
        catch (GuestUnavailableException e) when (!GuestSupport.IsRequired)
        {
            throw new GuestSkipException(e.Summary, e);
        }
        // A file is the test's own; a package is something the host can fetch or cannot.
        catch (KernelException e) when (!GuestSupport.IsRequired && builder.Options.Kernel.Source != KernelSource.File)
        {
            throw new GuestSkipException(e.Message, e);
        }
        catch (GuestException e) when (e.KernelLogFile is { } file)
        {
            GuestReport.AttachLog(await File.ReadAllTextAsync(file, CancellationToken.None));
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
