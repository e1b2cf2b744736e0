namespace Uml.CI.Cli;

/// <summary>What the verbs that test kernels have in common.</summary>
internal static class KernelTestSession
{
    /// <summary>The exit status of a run that went well enough to say that something is bad.</summary>
    public const int Failed = 1;

    /// <summary>Works until it is done, or until a signal ends it.</summary>
    public static async Task<int> InterruptibleAsync(Func<CancellationToken, Task<int>> work, CancellationToken cancellationToken)
    {
        using var signals = new ForwardedSignals();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, signals.Stopped);
        try
        {
            return await work(stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            Message.Error("interrupted");
            return ExitStatus.OfSignal(signals.Last);
        }
        catch (Exception e) when (e is GuestException and not GuestUnavailableException)
        {
            Message.Error(e.Message);
            return ExitStatus.NotProvided;
        }
    }

    /// <summary>A guest with the host's file system on a kernel.</summary>
    public static GuestOptions Guest(string? kernel)
    {
        var options = new GuestOptions { Environment = GuestOptionSet.Variables([], hostRoot: true, otherUser: false) };
        if (kernel is not null)
            options = options with { Kernel = kernel };
        return options with
        {
            KernelResolution = new KernelResolveOptions { Progress = new ProgressLine(TimeSpan.FromSeconds(1)), LockFile = KernelLock.FindFile(options.Kernel, Directory.GetCurrentDirectory()) },
        };
    }
}
