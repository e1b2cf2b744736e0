using System.Collections.Immutable;
using System.Net.Sockets;

namespace Uml.CI.Cli;

/// <summary>Runs a command in a kept guest on this process's standard descriptors.</summary>
internal sealed class SessionExec : IDisposable
{
    private readonly ForwardedSignals _signals = new();

    /// <summary>What is asked for, whatever guest it is.</summary>
    public sealed record Options(SessionDirectory Guest, ImmutableArray<string> Command)
    {
        public string? Script { get; init; }

        public string[] Environment { get; init; } = [];

        public string? WorkingDirectory { get; init; }

        public string? User { get; init; }

        public TimeSpan? Timeout { get; init; }

        public bool NoInput { get; init; }

        public bool Terminal { get; init; }

        /// <summary>What the command writes goes to standard output, all of it, in a fence that keeps GitHub's runner from obeying it.</summary>
        public bool Fence { get; init; }
    }

    /// <summary>Runs it and returns the exit status.</summary>
    public static async Task<int> RunAsync(Options options)
    {
        using var session = new SessionExec();
        // The runner reads two streams in an order of its own; the fence needs one.
        if (options.Fence)
            Descriptor.Error.JoinTo(Descriptor.Output);
        using OutputFence? fence = options.Fence ? new OutputFence(Descriptor.Output) : null;
        Outcome outcome;
        try
        {
            outcome = await session.RunCommandAsync(options);
        }
        catch (OperationCanceledException)
        {
            outcome = new Outcome("interrupted", ExitStatus.OfSignal(session._signals.Last));
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            outcome = await EndOfAsync(options.Guest, e);
        }

        outcome.Print();
        return outcome.ExitStatus;
    }

    public void Dispose() => _signals.Dispose();

    private async Task<Outcome> RunCommandAsync(Options options)
    {
        SessionRecord? record = options.Guest.ReadRecord();
        bool hostRoot = record?.HostRoot ?? true;
        bool input = !options.NoInput && Descriptor.Input.HasContent;
        TerminalSize? size = options.Terminal ? RawTerminal.Size : null;
        var request = new SessionRequest
        {
            Verb = SessionRequest.Exec,
            Command = options.Command,
            Script = options.Script,
            Environment = GuestOptionSet.Variables(options.Environment, hostRoot, options.User is not null),
            WorkingDirectory = options.WorkingDirectory is { } named ? hostRoot ? Path.GetFullPath(named) : named : hostRoot ? Directory.GetCurrentDirectory() : null,
            User = options.User,
            Input = input,
            Columns = size?.Columns ?? 0,
            Rows = size?.Rows ?? 0,
            TimeoutSeconds = options.Timeout?.TotalSeconds,
        };
        using SessionProcess process = await SessionProcess.StartAsync(options.Guest, request, _signals.Stopped);
        (Outcome outcome, CommandStreams streams) = await CommandStreams.FollowAsync(process, _signals, input, options.Terminal, () => process.WaitAsync(_signals.Stopped));
        return outcome.Error is null ? streams.Judge(new GuestExit(outcome.ExitStatus, outcome.Signal)) : outcome;
    }

    /// <summary>Says why there is no such guest.</summary>
    private static async Task<Outcome> EndOfAsync(SessionDirectory guest, Exception failure)
    {
        // Its last words are being written.
        for (int i = 0; i < 50 && guest.IsHeld; i++)
            await Task.Delay(100);
        if (guest.IsHeld)
            return new Outcome("unavailable", ExitStatus.NotProvided) { Error = $"the guest \"{guest.Name}\" does not answer, or is still booting: {failure.Message}" };
        if (!guest.Exists)
            return new Outcome("unavailable", ExitStatus.NotProvided) { Error = $"there is no guest \"{guest.Name}\": start it with \"uml guest start --name {guest.Name}\"; \"uml guest list\" shows those there are" };
        SessionEnd end = guest.ReadEnd();
        return new Outcome(end.Reason, ExitStatus.Lost)
        {
            Error = $"the guest \"{guest.Name}\" is no more: {end.Error}",
            Detail = end.Detail,
            KernelLogFile = guest.ReadRecord()?.KernelLogFile is { } log && File.Exists(log) ? log : null,
            GuestAnswers = false,
        };
    }
}
