using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Uml.CI.Wire;

namespace Uml.CI;

/// <summary>A running guest: a Linux kernel of its own, as a process of this host. Dispose it to take it down; nothing of it stays.</summary>
public sealed class Guest : IAsyncDisposable
{
    // A kernel that counts writes a thousand files when it exits.
    private static readonly TimeSpan CoveragePatience = TimeSpan.FromSeconds(30);

    // Longer than any answer of a guest that can still answer, shorter than people's patience with an error message.
    private static readonly TimeSpan InspectionTimeout = TimeSpan.FromMilliseconds(800);

    private static readonly TimeSpan AgentCheckInterval = TimeSpan.FromSeconds(2), AgentPatience = TimeSpan.FromSeconds(3);

    private readonly ConcurrentDictionary<uint, ChannelStream> _streams = new();
    private readonly ConcurrentDictionary<uint, TaskCompletionSource<string>> _inspections = new();
    private readonly TaskCompletionSource<HelloMessage> _hello = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<ReadyMessage> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SupervisorClient _supervisor;
    private readonly GuestChannel _channel;
    private readonly string? _callerDirectory;
    private SafeFileHandle? _spool;
    private Task<GuestException?> _death = Task.FromResult<GuestException?>(null);
    private WireException? _violation;
    private int _lastStream;
    private readonly Lock _timeLock = new();
    private bool _agentLost;
    private bool _booted;
    private bool _timeHeld;
    private bool _stopping;
    private Task? _disposal;

    // A version 4 UUID is random but for six bits, of which none is among the last twelve digits. The cryptography of the
    // framework would load OpenSSL, which takes a process's first guest several milliseconds.
    private static string MakeName() => $"uml-{Guid.NewGuid().ToString("N")[20..]}";

    private Guest(GuestOptions options, GuestKernel kernel, SupervisorClient supervisor, GuestChannel channel, string? callerDirectory)
    {
        Options = options;
        Kernel = kernel;
        _supervisor = supervisor;
        _channel = channel;
        _callerDirectory = callerDirectory;
        if (options.VirtualTime)
            channel.Sent = PassTime;
        _ = _hello.Task.ContinueWith(t => t.Exception, TaskScheduler.Default);
        _ = _ready.Task.ContinueWith(t => t.Exception, TaskScheduler.Default);
    }

    /// <summary>What was asked for.</summary>
    public GuestOptions Options { get; private set; }

    /// <summary>The kernel that runs.</summary>
    public GuestKernel Kernel { get; }

    /// <summary>The image the root is made of; null where it is made of none.</summary>
    public RootImage? Image { get; private set; }

    /// <summary>The kernel's own log.</summary>
    public KernelLog KernelLog { get; private set; } = null!;

    /// <summary>Where the time until the guest was ready went.</summary>
    public BootTimings Timings { get; private set; } = new();

    /// <summary>What confines the guest's kernel on this host, for people: <c>landlock:7 metadata-filter</c>; empty for nothing.</summary>
    public string Confinement { get; private set; } = "";

    /// <summary>The guest's own release, as its <c>uname -r</c> prints it.</summary>
    public string Release { get; private set; } = "";

    /// <summary>What did not work during set-up and did not stop the guest, a line each.</summary>
    public IReadOnlyList<string> Warnings { get; private set; } = [];

    /// <summary>How the guest's own system came up; null for a guest without an init of its own.</summary>
    public SystemState? SystemState { get; private set; }

    /// <summary>The kernel's main process on the host.</summary>
    public int ProcessId { get; private set; }

    /// <summary>The supervisor's process on the host.</summary>
    public int SupervisorProcessId => _supervisor.ProcessId;

    /// <summary>The guest's own directory on the host while it runs.</summary>
    public string Directory { get; private set; } = "";

    /// <summary>Ends when the guest has ended, with how the kernel's process ended; null if that could not be learned.</summary>
    public async Task<GuestExit?> WaitForExitAsync(CancellationToken cancellationToken = default)
    {
        GuestExitedMessage? exit = await _supervisor.Exited.WaitAsync(cancellationToken);
        return exit is null ? null : exit.Signal == 0 ? new GuestExit((int)exit.Code, null) : new GuestExit(128 + (int)exit.Signal, (int)exit.Signal);
    }

    internal static Task<Guest> StartAsync(GuestOptions options, CancellationToken cancellationToken) =>
        StartAsync(options, System.IO.Directory.GetCurrentDirectory(), cancellationToken);

    /// <summary>Starts a guest as if the current directory were another one.</summary>
    internal static async Task<Guest> StartAsync(GuestOptions options, string currentDirectory, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        cancellationToken.ThrowIfCancellationRequested();
        HostRequirements.Check();
        var store = new KernelStore();
        GuestKernel kernel = await store.ResolveAsync(options.Kernel, options.KernelResolution, cancellationToken);
        options.Trace?.Mark(BootMoment.KernelFound);
        RootImage? image = options.Root.Reference is { } reference
            ? await new ImageStore().ResolveAsync(reference, new ImageResolveOptions { Offline = options.KernelResolution?.Offline == true, Progress = options.KernelResolution?.Progress }, cancellationToken)
            : null;
        using ScratchFile? scratch = image is not null && options.KeptScratch is null && options.Scratch is { } size ? await ScratchFile.CreateAsync(Path.Combine(store.Root, "scratch"), size, cancellationToken) : null;
        string agent = AgentBinary.Find();
        var host = new BootPlan.HostFacts(
            MemoryDirectory.Find(options.Memory),
            Initramfs.Ensure(agent, store.Root),
            options.Name ?? MakeName(),
            currentDirectory,
            image,
            (options.KeptScratch ?? scratch)?.FilePath);
        BootPlan plan = BootPlan.Create(options, kernel, host);
        if (options.CoverageDirectory is { } coverage)
            System.IO.Directory.CreateDirectory(Path.GetFullPath(coverage, currentDirectory));
        TimeSpan planned = clock.Elapsed;
        options.Trace?.Planned(kernel, plan);

        (SupervisorClient supervisor, Socket console) = SupervisorClient.Spawn(agent, "guest");
        options.Trace?.Mark(BootMoment.SupervisorSpawned);
        bool hostRoot = options.Root == GuestRoot.Host;
        var guest = new Guest(options, kernel, supervisor, new GuestChannel(console), hostRoot ? host.CurrentDirectory : null);
        try
        {
            guest.Image = image;
            await guest.BootAsync(plan, image, clock, planned, cancellationToken);
            return guest;
        }
        catch
        {
            await guest.KillAsync();
            throw;
        }
    }

    /// <summary>Runs a command and returns what it did.</summary>
    /// <param name="arguments">Program and arguments. No shell is involved: <c>["sh", "-c", "..."]</c> is one.</param>
    /// <param name="cancellationToken">Cancelling kills the command, not the guest.</param>
    /// <exception cref="ExecException">The command could not be started.</exception>
    /// <exception cref="GuestTimeoutException">The command's deadline passed.</exception>
    /// <exception cref="KernelPanicException">The guest's kernel panicked.</exception>
    /// <exception cref="GuestConnectionException">The guest was lost.</exception>
    public Task<ExecResult> ExecAsync(IEnumerable<string> arguments, CancellationToken cancellationToken = default) =>
        ExecAsync(new ExecOptions(arguments), cancellationToken);

    /// <inheritdoc cref="ExecAsync(IEnumerable{string}, CancellationToken)"/>
    public async Task<ExecResult> ExecAsync(ExecOptions options, CancellationToken cancellationToken = default)
    {
        GuestProcess process = Open(options);
        using var output = new MemoryStream();
        using var error = new MemoryStream();
        Task reading = Task.WhenAll(
            process.StandardOutput.CopyToAsync(output, CancellationToken.None),
            process.StandardError.CopyToAsync(error, CancellationToken.None));
        // A stream's error is the process's error; it is reported once, by the wait.
        _ = reading.ContinueWith(t => t.Exception, TaskScheduler.Default);
        GuestExit exit = await process.WaitAsync(cancellationToken);
        await reading;
        return new ExecResult(exit, output.GetBuffer().AsMemory(0, (int)output.Length), error.GetBuffer().AsMemory(0, (int)error.Length), process.Age);
    }

    /// <summary>Starts a command and returns while it runs.</summary>
    /// <exception cref="ExecException">The command could not be started.</exception>
    public async Task<GuestProcess> StartProcessAsync(ExecOptions options, CancellationToken cancellationToken = default)
    {
        GuestProcess process = Open(options);
        process.ProcessId = await process.WithinDeadlineAsync(process.Stream.Started, cancellationToken);
        return process;
    }

    /// <summary>Copies a file or directory tree of the host into the guest: content, modes, times, links, holes.</summary>
    /// <param name="hostPath">Path on the host.</param>
    /// <param name="guestPath">Absolute path the copy gets; with a '/' at the end, the directory it is put in.</param>
    /// <param name="cancellationToken">Cancelling stops the copy; what is copied stays.</param>
    /// <exception cref="GuestException">Something could not be read or written; the message names it.</exception>
    public async Task CopyInAsync(string hostPath, string guestPath, CancellationToken cancellationToken = default)
    {
        string source = Path.TrimEndingDirectorySeparator(Path.GetFullPath(hostPath));
        string target = guestPath.EndsWith('/') ? guestPath + Path.GetFileName(source) : guestPath;
        ChannelStream stream = OpenStream();
        stream.Send(FrameType.CopyIn, new CopyMessage(target).Encode);
        try
        {
            using var packer = new TreePacker(source);
            byte[] buffer = new byte[Protocol.SpoolChunk];
            while (!stream.Exited.IsCompleted && packer.Read(buffer) is > 0 and var n)
                await stream.Input.WriteAsync(buffer.AsMemory(0, n), cancellationToken);
        }
        catch (TreeException e)
        {
            throw new GuestException($"Cannot copy {hostPath} into the guest: {e.Message}", e) { Summary = e.Message };
        }
        finally
        {
            // Without its end record the guest refuses the tree, and the stream ends.
            await stream.Input.DisposeAsync();
        }

        try
        {
            using var warnings = new StreamReader(stream.Error);
            while (await warnings.ReadLineAsync(cancellationToken) is { } warning)
                Options.Logger.LogWarning("Copying {HostPath} into the guest: {Warning}", hostPath, warning);
            await stream.Exited.WaitAsync(cancellationToken);
        }
        catch (ExecException e)
        {
            throw new GuestException($"Cannot copy {hostPath} to {target} in the guest: {e.Summary}", e) { Summary = e.Summary };
        }
    }

    /// <summary>Copies a file or directory tree of the guest to the host.</summary>
    /// <param name="guestPath">Absolute path in the guest.</param>
    /// <param name="hostPath">Path the copy gets; with a '/' at the end, the directory it is put in. Missing parents are made.</param>
    /// <param name="cancellationToken">Cancelling stops the copy.</param>
    /// <exception cref="GuestException">Something could not be read or written; the message names it.</exception>
    public async Task CopyOutAsync(string guestPath, string hostPath, CancellationToken cancellationToken = default)
    {
        string target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(
            hostPath.EndsWith('/') ? Path.Combine(hostPath, Path.GetFileName(guestPath.TrimEnd('/'))) : hostPath));
        ChannelStream stream = OpenStream();
        stream.Send(FrameType.CopyOut, new CopyMessage(guestPath).Encode);
        try
        {
            using var unpacker = new TreeUnpacker(target);
            byte[] buffer = new byte[256 * 1024];
            while (await stream.Output.ReadAsync(buffer, cancellationToken) is > 0 and var n)
                unpacker.Write(buffer.AsSpan(0, n));
            await stream.Exited.WaitAsync(cancellationToken);
            unpacker.Complete();
            foreach (string warning in unpacker.Warnings)
                Options.Logger.LogWarning("Copying {GuestPath} out of the guest: {Warning}", guestPath, warning);
        }
        catch (Exception e) when (e is TreeException or ExecException)
        {
            string summary = e is ExecException failure ? failure.Summary : e.Message;
            throw new GuestException($"Cannot copy {guestPath} of the guest to {hostPath}: {summary}", e) { Summary = summary };
        }
    }

    /// <summary>
    /// Makes a unix socket in the guest whose connections reach a unix stream socket of the host, so that a program in the guest
    /// can talk to one on the host. Bytes pass in both directions; descriptors and credentials do not.
    /// </summary>
    /// <param name="guestPath">Absolute path in the guest, at most 107 bytes. A socket that is there is replaced; anyone in the guest may connect.</param>
    /// <param name="hostPath">The host's socket, connected to anew for each connection in the guest.</param>
    /// <param name="cancellationToken">Stops waiting for the guest.</param>
    /// <exception cref="ExecException">The socket cannot be made in the guest; the message says why.</exception>
    public Task<SocketForward> ForwardSocketAsync(string guestPath, string hostPath, CancellationToken cancellationToken = default) =>
        SocketForward.OpenAsync(this, guestPath, hostPath, cancellationToken);

    /// <summary>What the guest's processes are doing, for people: state, where each waits in the kernel, its kernel stack.</summary>
    /// <param name="cancellationToken">Stops waiting for the answer.</param>
    public Task<string> InspectAsync(CancellationToken cancellationToken = default) => InspectAsync([]).WaitAsync(cancellationToken);

    /// <summary>Powers the guest off and waits until nothing of it is left.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_streams)
            _disposal ??= StopAsync();
        return new ValueTask(_disposal);
    }

    /// <summary>Where the commands from now on are noted; null for nowhere.</summary>
    internal GuestTranscript? Transcript { get; set; }

    /// <summary>Whether the guest's kernel runs.</summary>
    internal bool IsAlive => !_supervisor.Exited.IsCompleted && !_death.IsCompleted;

    /// <summary>Makes a guest that was booted ahead, without artifacts, the one that is asked for now.</summary>
    /// <param name="options">What is asked for; equal to what was booted but for the artifacts.</param>
    /// <param name="cancellationToken">Stops copying artifacts.</param>
    internal async Task EquipAsync(GuestOptions options, CancellationToken cancellationToken)
    {
        BootPlan.ValidateFiles(options);
        Options = options;
        await CopyArtifactsAsync(cancellationToken);
    }

    /// <summary>Takes the guest down without giving it time for anything.</summary>
    internal ValueTask DisposeAtOnceAsync()
    {
        lock (_streams)
            _disposal ??= KillAsync();
        return new ValueTask(_disposal);
    }

    /// <summary>The state of the given streams' processes, from inside if the guest still answers, and from the kernel itself.</summary>
    internal async Task<string> InspectAsync(IReadOnlyList<uint> streams)
    {
        uint request = NextStream();
        var answer = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        _inspections[request] = answer;
        _channel.Send(FrameType.Inspect, request, new InspectMessage(streams).Encode);
        try
        {
            return await answer.Task.WaitAsync(InspectionTimeout);
        }
        catch (TimeoutException)
        {
            return await InspectFromOutsideAsync();
        }
        finally
        {
            _inspections.TryRemove(request, out _);
            PassTime();
        }
    }

    internal async Task<GuestTimeoutException> TimeoutAsync(string summary, string state)
    {
        string tail = KernelLog.Tail();
        string? file = await Task.Run(KeepLog);
        return new GuestTimeoutException(GuestException.Compose(summary, tail, file, state))
        {
            Summary = summary,
            KernelLogTail = tail,
            KernelLogFile = file,
            GuestState = state,
        };
    }

    private async Task BootAsync(BootPlan plan, RootImage? image, Stopwatch clock, TimeSpan planned, CancellationToken cancellationToken)
    {
        GuestStartedMessage started;
        try
        {
            started = await _supervisor.StartAsync(plan.Start).WaitAsync(Options.BootTimeout, cancellationToken);
        }
        catch (TimeoutException e)
        {
            throw new GuestBootException($"The guest's supervisor did not start it within {GuestProcess.Format(Options.BootTimeout)}.", e) { DeadlinePassed = true };
        }

        TimeSpan startedAt = clock.Elapsed;
        Options.Trace?.Started(started.Times);
        ProcessId = (int)started.ProcessId;
        Directory = started.Directory;
        Confinement = started.Confinement;
        // Opened before the guest runs anything, so that whatever the guest makes of its directory, these stay ours.
        KernelLog = new KernelLog(started.KernelLog, Options.KernelLogFile is { } file ? Path.GetFullPath(file) : null, Options.KernelLogListener, Options.Trace);
        _spool = Native.OpenDirectory(started.Spool);
        _supervisor.Opened();
        Options.Logger.LogDebug("Guest {Name}: kernel {Release} started as process {Pid}, confined by {Confinement}", plan.Start.Name, Kernel.Release, ProcessId, Confinement);
        Task receiving = ReceiveAsync();
        _death = WatchAsync(receiving);

        try
        {
            // The deadline is the guest's: it starts with the guest, not with a download before it.
            var age = Stopwatch.StartNew();
            HelloMessage hello = await WithinBootTimeout(_hello.Task, age, "did not reach its user space", cancellationToken);
            TimeSpan helloAt = clock.Elapsed;
            if (hello.Version != Protocol.Version)
                throw new WireException($"the agent speaks version {hello.Version} of the protocol, this library version {Protocol.Version}");
            Release = hello.Release;
            Options.Trace?.Mark(BootMoment.Hello);
            if (image?.AttributesPath is { } attributes)
                File.Copy(attributes, Path.Combine(started.Spool, BootPlan.AttributesFile));
            SendSetup(plan.Setup with { Spool = started.Spool });
            Options.Trace?.Mark(BootMoment.SetupSent);
            ReadyMessage ready = await WithinBootTimeout(_ready.Task, age, "did not finish its set-up", cancellationToken);
            Options.Trace?.Mark(BootMoment.Ready);
            Warnings = ready.Warnings;
            if (ready.Agent != 1)
                _ = WatchAgentAsync(ready.Agent);
            foreach (string warning in ready.Warnings)
                Options.Logger.LogWarning("Guest {Name}: {Warning}", plan.Start.Name, warning);
            _booted = true;
            PassTime();
            Timings = new BootTimings { Plan = planned, Spawn = startedAt - planned, Kernel = helloAt - startedAt, Setup = clock.Elapsed - helloAt };
        }
        catch (ExecException e)
        {
            throw await BootFailureAsync($"The guest could not be set up: {e.Summary}");
        }
        catch (WireException e)
        {
            throw await BootFailureAsync($"The guest broke the protocol: {e.Message}");
        }

        if (Options.Init is { } init)
        {
            try
            {
                SystemState = await SystemBoot.WaitAsync(this, init, Options.SystemTimeout, cancellationToken);
            }
            catch (GuestTimeoutException e)
            {
                throw new GuestBootException(e.Message, e) { DeadlinePassed = true, Summary = e.Summary, KernelLogTail = e.KernelLogTail, KernelLogFile = e.KernelLogFile };
            }

            foreach (FailedUnit unit in SystemState.FailedUnits)
                Options.Logger.LogWarning("Guest {Name}: {Unit}", plan.Start.Name, unit);
            Timings = Timings with { Init = clock.Elapsed - Timings.Total };
        }

        await CopyArtifactsAsync(cancellationToken);
    }

    private async Task CopyArtifactsAsync(CancellationToken cancellationToken)
    {
        foreach (GuestArtifact artifact in Options.Artifacts)
            await CopyInAsync(artifact.HostPath, artifact.GuestPath, cancellationToken);
    }

    private void SendSetup(SetupMessage setup)
    {
        var writer = new MessageWriter();
        setup.Encode(writer);
        if (writer.Written.Length > Frame.MaxPayload)
            throw new ArgumentException($"the guest's description takes {writer.Written.Length} bytes, over the limit of {Frame.MaxPayload}: use fewer mounts");
        _channel.Send(FrameType.Setup, 0, writer.Written);
    }

    private async Task<T> WithinBootTimeout<T>(Task<T> step, Stopwatch age, string what, CancellationToken cancellationToken)
    {
        TimeSpan left = Options.BootTimeout - age.Elapsed;
        if (left < TimeSpan.Zero)
            left = TimeSpan.Zero;
        if (await Task.WhenAny(step, _death, Task.Delay(left, cancellationToken)) is var first && first == step)
            return await step;
        cancellationToken.ThrowIfCancellationRequested();
        if (first == _death)
        {
            // The step may have been the last thing the guest did, and so may have been to say why it cannot be done.
            if (step.IsCompleted)
                return await step;
            GuestException? death = await _death;
            if (death is GuestConnectionException && StartupDiagnosis.Explain(KernelLog.Lines, Kernel.SupportsSeccomp) is { } complaint)
                throw new GuestUnavailableException(complaint, death);
            throw death switch
            {
                KernelPanicException panic => panic,
                null => await BootFailureAsync($"The guest {what}: its kernel ended"),
                _ => await BootFailureAsync($"The guest {what}: {death.Summary}"),
            };
        }

        string state = await InspectFromOutsideAsync();
        throw await BootFailureAsync($"The guest {what} within {GuestProcess.Format(Options.BootTimeout)}", state, deadlinePassed: true);
    }

    private async Task<GuestBootException> BootFailureAsync(string summary, string? state = null, bool deadlinePassed = false)
    {
        string tail = KernelLog.Tail();
        string? file = await Task.Run(KeepLog);
        return new GuestBootException(GuestException.Compose(summary, tail, file, state))
        {
            DeadlinePassed = deadlinePassed,
            Summary = summary,
            KernelLogTail = tail,
            KernelLogFile = file,
        };
    }

    private GuestProcess Open(ExecOptions options)
    {
        if (options.Arguments.IsDefaultOrEmpty)
            throw new ArgumentException("no command was given", nameof(options));
        foreach (string text in options.Arguments.Concat(options.Environment.Keys).Concat(options.Environment.Values))
        {
            if (text.Contains('\0'))
                throw new ArgumentException("an argument or variable holds a NUL character", nameof(options));
        }

        ChannelStream stream = OpenStream();
        var process = new GuestProcess(this, stream, options);
        string workingDirectory = options.WorkingDirectory ?? Options.WorkingDirectory ?? Image?.Record.WorkingDirectory ?? _callerDirectory ?? "";
        stream.Transcript = Transcript?.Begin(options, workingDirectory);
        var writer = new MessageWriter();
        new ExecMessage
        {
            Arguments = options.Arguments,
            Environment = [.. ImageEnvironment().SetItems(Options.Environment).SetItems(options.Environment).Select(v => $"{v.Key}={v.Value}")],
            WorkingDirectory = workingDirectory,
            User = options.User ?? Image?.Record.User ?? "",
            Stdin = options.RedirectStandardInput,
            Terminal = options.Terminal is not null,
            Columns = (uint)(options.Terminal?.Columns ?? 0),
            Rows = (uint)(options.Terminal?.Rows ?? 0),
        }.Encode(writer);
        if (writer.Written.Length > Protocol.SpoolChunk)
            throw new ArgumentException($"the command and its environment take {writer.Written.Length} bytes, over the limit of {Protocol.SpoolChunk}", nameof(options));
        if (writer.Written.Length <= Protocol.InlineInput * 2)
            _channel.Send(FrameType.Exec, stream.Number, writer.Written);
        else
            _channel.Send(FrameType.ExecSpool, stream.Number, new SpoolMessage(stream.Input.WriteSpoolFile(writer.Written), (uint)writer.Written.Length).Encode);
        return process;
    }

    private ImmutableSortedDictionary<string, string> ImageEnvironment() =>
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal)
            .SetItems((Image?.Record.Environment ?? []).Select(v => KeyValuePair.Create(v[..v.IndexOf('=', StringComparison.Ordinal)], v[(v.IndexOf('=', StringComparison.Ordinal) + 1)..])));

    internal ChannelStream OpenStream()
    {
        ObjectDisposedException.ThrowIf(_stopping, this);
        var stream = new ChannelStream(NextStream(), _channel, _spool!);
        _streams[stream.Number] = stream;
        // The guest may have died between the last use and this one.
        if (_death.IsCompleted)
            _ = FailStreamsAsync();
        return stream;
    }

    private uint NextStream() => (uint)Interlocked.Increment(ref _lastStream);

    private async Task ReceiveAsync()
    {
        try
        {
            await _channel.ReceiveAsync(Handle);
        }
        catch (WireException e)
        {
            _violation = e;
            _supervisor.Stop(TimeSpan.Zero, halt: false);
        }
    }

    private void Handle(ReceivedFrame frame)
    {
        ReadOnlySpan<byte> payload = frame.Payload.Span;
        switch (frame.Type)
        {
            case FrameType.Hello:
                _hello.TrySetResult(HelloMessage.Decode(payload));
                break;
            case FrameType.Ready:
                _ready.TrySetResult(ReadyMessage.Decode(payload));
                break;
            case FrameType.Failed when frame.Stream == 0:
                FailedMessage failure = FailedMessage.Decode(payload);
                _ready.TrySetException(new ExecException(failure.Text, (int)failure.Errno));
                break;
            case FrameType.Inspected:
                if (_inspections.TryGetValue(frame.Stream, out TaskCompletionSource<string>? inspection))
                    inspection.TrySetResult(TextMessage.Decode(frame.Type, payload).Text);
                break;
            case FrameType.ProtocolError:
                throw new WireException($"the guest says: {TextMessage.Decode(frame.Type, payload).Text}");
            default:
                if (!_streams.TryGetValue(frame.Stream, out ChannelStream? stream))
                    throw new WireException($"{frame.Type} on stream {frame.Stream}, which is not open");
                if (stream.Handle(frame))
                {
                    _streams.TryRemove(frame.Stream, out _);
                    PassTime();
                }

                break;
        }
    }

    // Virtual time passes while the guest boots or ends, and while somebody waits for something in it.
    private void PassTime()
    {
        if (!Options.VirtualTime)
            return;
        lock (_timeLock)
        {
            bool held = _booted && !_stopping && _streams.IsEmpty && _inspections.IsEmpty;
            if (held != _timeHeld)
                _supervisor.HoldTime(_timeHeld = held);
        }
    }

    /// <summary>Waits for the guest's end, finds out what it means and tells everyone who waits for the guest.</summary>
    private async Task<GuestException?> WatchAsync(Task receiving)
    {
        await Task.WhenAny(receiving, _supervisor.Exited);
        if (receiving.IsCompleted && !_stopping && _violation is null
            && await Task.WhenAny(_supervisor.Exited, Task.Delay(Options.ShutdownTimeout)) != _supervisor.Exited)
        {
            _supervisor.Stop(TimeSpan.Zero, halt: false);
        }

        GuestExitedMessage? exit = await _supervisor.Exited;
        // What the guest said last is still in the socket; its end of it is closed, so this ends.
        await Task.WhenAny(receiving, Task.Delay(Options.ShutdownTimeout));
        _channel.Dispose();
        await receiving;
        await KernelLog.EndAsync();
        if (KernelLog.CopyFailure is { } failure)
            Options.Logger.LogWarning("The kernel log could not be written to {File}: {Reason}", Options.KernelLogFile, failure);
        if (KernelLog.ListenerFailure is { } fault)
            Options.Logger.LogWarning("The listener of the kernel log failed and heard no more: {Reason}", fault);
        GuestException? death = _stopping && exit is { Signal: 0 } or { Killed: true } && _stopping ? null : Explain(exit);
        _ = Task.Run(FailStreamsAsync);
        return death;
    }

    // A PID 1 cannot be killed, but a process beside the guest's own init can: "kill -9 -1" is enough. The line does not end then, and
    // who waits for a command would wait for ever. An agent that does not answer may only be busy; the kernel itself says whether it is there.
    private async Task WatchAgentAsync(uint process)
    {
        while (!_supervisor.Exited.IsCompleted && !_stopping)
        {
            await Task.WhenAny(_supervisor.Exited, Task.Delay(AgentCheckInterval));
            if (_streams.IsEmpty || _stopping)
                continue;
            ChannelStream question = OpenStream();
            question.Send(FrameType.Await, new AwaitMessage(AwaitedKind.File, "/").Encode);
            if (await Task.WhenAny(question.Exited, _supervisor.Exited, Task.Delay(AgentPatience)) is var first && (first == question.Exited || first == _supervisor.Exited))
                continue;
            // arch/um/drivers/mconsole_kern.c, mconsole_proc: the only answer for a file that is not there.
            MconsoleReplyMessage reply = await _supervisor.MconsoleAsync($"proc {process}/comm", InspectionTimeout);
            if (!reply.Text.Contains("Failed to open file", StringComparison.Ordinal) || _stopping || _supervisor.Exited.IsCompleted)
                continue;
            _agentLost = true;
            _supervisor.Stop(TimeSpan.Zero, halt: false);
            return;
        }
    }

    private async Task FailStreamsAsync()
    {
        Exception death = await _death ?? (Exception)new ObjectDisposedException(nameof(Guest), "the guest was taken down while the command ran");
        foreach (uint number in _streams.Keys)
        {
            if (_streams.TryRemove(number, out ChannelStream? stream))
                stream.Fail(death);
        }

        foreach (TaskCompletionSource<string> inspection in _inspections.Values)
            inspection.TrySetResult("");
    }

    private GuestException Explain(GuestExitedMessage? exit)
    {
        string tail = KernelLog.Tail();
        string? file = KeepLog();
        const int Abort = 6;
        if (exit is { Signal: Abort })
        {
            // UML ends every panic, and nothing else, by SIGABRT; the report says which it was.
            KernelPanic? panic = KernelLog.Panic;
            string summary = panic is null ? "The guest's kernel aborted" : $"The guest's kernel panicked: {panic.Reason}";
            // SIGBUS on the memory file; UML says so itself only when it happens to one of the guest's processes (trap.c).
            if (KernelLog.Lines.Any(l => l.Text.Contains("Kernel mode signal 7", StringComparison.Ordinal) || l.Text.Contains("likely just ran out of space", StringComparison.Ordinal)))
                summary += $": {Path.GetDirectoryName(Directory)} ran out of space for the guest's memory; make room, or name another directory in UML_TMPDIR";
            return new KernelPanicException(GuestException.Compose(summary, tail, file)) { Summary = summary, KernelLogTail = tail, KernelLogFile = file, Panic = panic };
        }

        string text = (exit, _violation) switch
        {
            _ when _agentLost => "The agent in the guest was killed, and the guest with it: something in the guest kills every process (kill -9 -1)",
            (_, { } violation) => $"The guest broke the protocol: {violation.Message}",
            (null, _) => "The guest's supervisor was lost, and the guest with it",
            ({ Killed: true }, _) => "The guest hung up its console and was killed",
            ({ Signal: > 0 }, _) => $"The guest's kernel was killed by signal {exit.Signal}",
            _ => $"The guest ended by itself, with status {exit.Code}",
        };
        return new GuestConnectionException(GuestException.Compose(text, tail, file)) { Summary = text, KernelLogTail = tail, KernelLogFile = file };
    }

    private string? KeepLog() => Options.KernelLogFile is { } file ? Path.GetFullPath(file) : KernelLogArchive.Keep(Path.GetFileName(Directory), KernelLog);

    // The agent did not answer, so the kernel is asked: its interrupt side may still work when nothing else does.
    private async Task<string> InspectFromOutsideAsync()
    {
        MconsoleReplyMessage reply = await _supervisor.MconsoleAsync("sysrq w", InspectionTimeout);
        return reply.Status == 0
            ? "  the agent in the guest did not answer; the kernel's list of blocked tasks is at the end of its log\n"
            : $"  neither the agent nor the kernel in the guest answered ({reply.Text.TrimEnd()})\n";
    }

    private async Task StopAsync()
    {
        _stopping = true;
        Options.Trace?.Mark(BootMoment.StopAsked);
        if (!_supervisor.Exited.IsCompleted)
        {
            TimeSpan patience = Options.CoverageDirectory is null || Options.ShutdownTimeout > CoveragePatience ? Options.ShutdownTimeout : CoveragePatience;
            _channel.Send(FrameType.Shutdown, 0, []);
            _supervisor.Stop(patience, halt: false);
            // Letting go of the supervisor kills what still runs, so the guest gets its time first.
            await Task.WhenAny(_supervisor.Exited, Task.Delay(patience + TimeSpan.FromSeconds(1)));
        }

        Options.Trace?.Mark(BootMoment.KernelEnded);
        await FinishAsync();
    }

    private async Task KillAsync()
    {
        _stopping = true;
        if (!_supervisor.Exited.IsCompleted)
            _supervisor.Stop(TimeSpan.Zero, halt: false);
        await FinishAsync();
    }

    private async Task FinishAsync()
    {
        await _supervisor.DisposeAsync();
        Options.Trace?.Mark(BootMoment.Gone);
        await _death;
        _channel.Dispose();
        _spool?.Dispose();
        if (Options.CoverageDirectory is not { } coverage)
            return;
        try
        {
            CoverageNotes.CopyBesideCounts(Kernel.ExecutablePath, Path.GetFullPath(coverage));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Options.Logger.LogWarning("Notes for gcov could not be put beside the counts in {Directory}: {Reason}", coverage, e.Message);
        }
    }
}

/// <summary>Where the time of a boot went.</summary>
public sealed record BootTimings
{
    /// <summary>Until the kernel was resolved and everything prepared.</summary>
    public TimeSpan Plan { get; init; }

    /// <summary>From there until the kernel's process ran.</summary>
    public TimeSpan Spawn { get; init; }

    /// <summary>From there until the guest's first word.</summary>
    public TimeSpan Kernel { get; init; }

    /// <summary>From there until the guest's root was built and its shares mounted.</summary>
    public TimeSpan Setup { get; init; }

    /// <summary>From there until the guest's own system was up; zero without an init of its own.</summary>
    public TimeSpan Init { get; init; }

    /// <summary>All of it.</summary>
    public TimeSpan Total => Plan + Spawn + Kernel + Setup + Init;
}
