using System.Net.Sockets;

namespace Uml.CI;

/// <summary>
/// A kernel that runs for itself: no agent, no user space, nothing but what is built into it, such as its own unit tests. Its log is
/// all it says, and it ends by itself, or is ended. Dispose it to take it down; nothing of it stays.
/// </summary>
public sealed class KernelRun : IAsyncDisposable
{
    // Longer than any answer of a kernel that can still answer.
    private static readonly TimeSpan InspectionTimeout = TimeSpan.FromMilliseconds(800);

    private readonly SupervisorClient _supervisor;
    private readonly Socket _console;
    private readonly Lock _lock = new();
    private Task<GuestExit?> _end = Task.FromResult<GuestExit?>(null);
    private Task? _disposal;

    private KernelRun(GuestKernel kernel, SupervisorClient supervisor, Socket console)
    {
        Kernel = kernel;
        _supervisor = supervisor;
        _console = console;
    }

    /// <summary>The kernel that runs.</summary>
    public GuestKernel Kernel { get; }

    /// <summary>The kernel's log, whole when <see cref="WaitForExitAsync"/> has ended.</summary>
    public KernelLog KernelLog { get; private set; } = null!;

    /// <summary>What confines the kernel on this host, for people; empty for nothing.</summary>
    public string Confinement { get; private set; } = "";

    /// <summary>The kernel's main process on the host.</summary>
    public int ProcessId { get; private set; }

    /// <summary>
    /// Ends when the kernel has ended and its log has been read to the end: 0 for a halt, signal 6 for a panic
    /// (arch/um/kernel/um_arch.c, panic_exit); null if how it ended could not be learned.
    /// </summary>
    public Task<GuestExit?> WaitForExitAsync(CancellationToken cancellationToken = default) => _end.WaitAsync(cancellationToken);

    /// <summary>
    /// Has the kernel write a text to its log, which also brings out what it has printed and not ended with a line break yet: that
    /// waits for whatever is printed next (printk's continuation lines). Interrupts must get through to the kernel for this.
    /// </summary>
    /// <returns>Whether it answered.</returns>
    public async Task<bool> LogAsync(string text) => !_end.IsCompleted && (await _supervisor.MconsoleAsync("log " + text, InspectionTimeout)).Status == 0;

    /// <summary>Has the kernel write to its log which of its tasks are blocked, and where. Whether it can is for it to say.</summary>
    /// <returns>Whether it answered.</returns>
    public async Task<bool> LogBlockedTasksAsync() => !_end.IsCompleted && (await _supervisor.MconsoleAsync("sysrq w", InspectionTimeout)).Status == 0;

    /// <summary>Ends the kernel at once if it still runs, and waits until nothing of it is left.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_lock)
            _disposal ??= EndAsync();
        return new ValueTask(_disposal);
    }

    /// <summary>Starts a kernel.</summary>
    /// <param name="options">What to start; what is about user space must not be asked for.</param>
    /// <param name="cancellationToken">Stops starting it.</param>
    internal static async Task<KernelRun> StartAsync(GuestOptions options, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        HostRequirements.Check();
        GuestKernel kernel = await new KernelStore().ResolveAsync(options.Kernel, options.KernelResolution, cancellationToken);
        string agent = AgentBinary.Find();
        BootPlan plan = BootPlan.CreateKernelOnly(options, kernel, new BootPlan.HostFacts(
            MemoryDirectory.Find(options.Memory), "", options.Name ?? $"uml-{Guid.NewGuid().ToString("N")[20..]}", Directory.GetCurrentDirectory()));

        (SupervisorClient supervisor, Socket console) = SupervisorClient.Spawn(agent, "kernel");
        var run = new KernelRun(kernel, supervisor, console);
        try
        {
            await run.BeginAsync(plan, options, cancellationToken);
            return run;
        }
        catch
        {
            await run.DisposeAsync();
            throw;
        }
    }

    private async Task BeginAsync(BootPlan plan, GuestOptions options, CancellationToken cancellationToken)
    {
        Wire.GuestStartedMessage started;
        try
        {
            started = await _supervisor.StartAsync(plan.Start).WaitAsync(options.BootTimeout, cancellationToken);
        }
        catch (TimeoutException e)
        {
            throw new GuestBootException($"The supervisor did not start the kernel within {GuestProcess.Format(options.BootTimeout)}.", e) { DeadlinePassed = true };
        }

        ProcessId = (int)started.ProcessId;
        Confinement = started.Confinement;
        KernelLog = new KernelLog(started.KernelLog, options.KernelLogFile is { } file ? Path.GetFullPath(file) : null, options.KernelLogListener);
        _supervisor.Opened();
        _end = WatchAsync();
    }

    private async Task<GuestExit?> WatchAsync()
    {
        Wire.GuestExitedMessage? exit = await _supervisor.Exited;
        await KernelLog.EndAsync();
        return exit is null ? null : exit.Signal == 0 ? new GuestExit((int)exit.Code, null) : new GuestExit(128 + (int)exit.Signal, (int)exit.Signal);
    }

    private async Task EndAsync()
    {
        if (!_supervisor.Exited.IsCompleted)
            _supervisor.Stop(TimeSpan.Zero, halt: false);
        await _supervisor.DisposeAsync();
        await _end;
        _console.Dispose();
    }
}
