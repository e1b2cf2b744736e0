namespace Uml.CI.Wire;

/// <summary>A guest for the supervisor to start. The first frame on its control socket.</summary>
public sealed record StartGuestMessage
{
    /// <summary>Existing directory below which the supervisor makes the guest's own; it must allow executable mappings and have room for the guest's memory.</summary>
    public required string BaseDirectory { get; init; }

    /// <summary>Name of the guest's directory below <see cref="BaseDirectory"/>; also its umid. Letters, digits, '-', '_' and '.'.</summary>
    public required string Name { get; init; }

    /// <summary>The kernel executable.</summary>
    public required string Kernel { get; init; }

    /// <summary>
    /// Arguments without argv[0]. <c>{console}</c> and <c>{log}</c> are replaced by the numbers of the inherited descriptors,
    /// <c>{initramfs}</c> by a short name for <see cref="Initramfs"/>, <c>{disk0}</c> and so on by one for each of <see cref="Disks"/>.
    /// </summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The archive the kernel unpacks as its first root, or empty. A kernel's command line has no quoting, so it gets a link without spaces.</summary>
    public string Initramfs { get; init; } = "";

    /// <summary>Files that are the guest's disks.</summary>
    public IReadOnlyList<string> Disks { get; init; } = [];

    /// <summary>The kernel's whole environment, NAME=VALUE each; TMPDIR and HOME are added by the supervisor.</summary>
    public IReadOnlyList<string> Environment { get; init; } = [];

    /// <summary>Files and directories the kernel may read and execute.</summary>
    public IReadOnlyList<string> ReadPaths { get; init; } = [];

    /// <summary>Files and directories of the host that the guest may change.</summary>
    public IReadOnlyList<string> WritePaths { get; init; } = [];

    /// <summary>Whether to confine the kernel by Landlock where the host has it.</summary>
    public bool Confine { get; init; } = true;

    /// <summary>Whether the guest has one CPU, so that its processes are best kept on one CPU of the host.</summary>
    public bool OneProcessor { get; init; }

    /// <summary>Whether the supervisor keeps the guest's clock; the arguments name its socket, <c>clock</c>, to the kernel.</summary>
    public bool VirtualTime { get; init; }

    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer
        .String(BaseDirectory).String(Name).String(Kernel).Strings(Arguments).String(Initramfs).Strings(Disks).Strings(Environment)
        .Strings(ReadPaths).Strings(WritePaths).Bool(Confine).Bool(OneProcessor).Bool(VirtualTime);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static StartGuestMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.StartGuest, payload);
        var message = new StartGuestMessage
        {
            BaseDirectory = reader.String(),
            Name = reader.String(),
            Kernel = reader.String(),
            Arguments = reader.Strings(),
            Initramfs = reader.String(),
            Disks = reader.Strings(),
            Environment = reader.Strings(),
            ReadPaths = reader.Strings(),
            WritePaths = reader.Strings(),
            Confine = reader.Bool(),
            OneProcessor = reader.Bool(),
            VirtualTime = reader.Bool(),
        };
        reader.End();
        return message;
    }
}

/// <summary>The kernel was started.</summary>
/// <param name="ProcessId">The kernel's main process on the host; also its process group and session once UML has called setsid.</param>
/// <param name="Directory">The guest's directory.</param>
/// <param name="KernelLog">The file the kernel log is written to.</param>
/// <param name="Spool">The directory through which input is handed over.</param>
/// <param name="Confinement">What confines and tracks the kernel, for people: <c>landlock:7 metadata-filter cgroup</c>, or empty.</param>
/// <param name="Times">When the supervisor did what.</param>
public sealed record GuestStartedMessage(uint ProcessId, string Directory, string KernelLog, string Spool, string Confinement, SupervisorTimes Times)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) =>
        writer.UInt32(ProcessId).String(Directory).String(KernelLog).String(Spool).String(Confinement)
            .UInt64(Times.Running).UInt64(Times.Asked).UInt64(Times.Forked).UInt64(Times.Executed);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static GuestStartedMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.GuestStarted, payload);
        var message = new GuestStartedMessage(
            reader.UInt32(), reader.String(), reader.String(), reader.String(), reader.String(),
            new SupervisorTimes(reader.UInt64(), reader.UInt64(), reader.UInt64(), reader.UInt64()));
        reader.End();
        return message;
    }
}

/// <summary>Moments of a guest's start, in nanoseconds of the host's monotonic clock (CLOCK_MONOTONIC), the same for all its processes.</summary>
/// <param name="Running">The inner supervisor's first own instruction.</param>
/// <param name="Asked">The order to start the guest was read.</param>
/// <param name="Forked">Directory and rules were ready; the kernel's process was about to be made.</param>
/// <param name="Executed">The kernel was executed.</param>
public readonly record struct SupervisorTimes(ulong Running, ulong Asked, ulong Forked, ulong Executed);

/// <summary>A command for the guest's management console (mconsole).</summary>
/// <param name="Command">For example <c>sysrq t</c> or <c>stack 1</c>; at most 511 bytes.</param>
/// <param name="TimeoutMilliseconds">How long to wait for the answer.</param>
public sealed record MconsoleMessage(string Command, uint TimeoutMilliseconds)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.String(Command).UInt32(TimeoutMilliseconds);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static MconsoleMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.Mconsole, payload);
        var message = new MconsoleMessage(reader.String(), reader.UInt32());
        reader.End();
        return message;
    }
}

/// <summary>The answer to an <see cref="MconsoleMessage"/>; its frame has the same stream number.</summary>
/// <param name="Status">0 on success, 1 if the guest refused, 2 if it did not answer in time or has no mconsole.</param>
/// <param name="Text">What it printed, or what went wrong.</param>
public sealed record MconsoleReplyMessage(uint Status, string Text)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.UInt32(Status).String(Text);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static MconsoleReplyMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.MconsoleReply, payload);
        var message = new MconsoleReplyMessage(reader.UInt32(), reader.String());
        reader.End();
        return message;
    }
}

/// <summary>Ends the guest.</summary>
/// <param name="GraceMilliseconds">How long to wait for an orderly end (the guest was told to power off, or mconsole's halt) before everything is killed; 0 kills at once.</param>
/// <param name="Halt">Whether to send mconsole's halt; else the guest was told over its console.</param>
public sealed record StopGuestMessage(uint GraceMilliseconds, bool Halt)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.UInt32(GraceMilliseconds).Bool(Halt);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static StopGuestMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.StopGuest, payload);
        var message = new StopGuestMessage(reader.UInt32(), reader.Bool());
        reader.End();
        return message;
    }
}

/// <summary>Whether the clock of a guest on virtual time stands still. It runs at first.</summary>
/// <param name="Held">True to have it stand still as soon as the guest has nothing to do.</param>
public readonly record struct HoldTimeMessage(bool Held)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.Bool(Held);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static HoldTimeMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.HoldTime, payload);
        var message = new HoldTimeMessage(reader.Bool());
        reader.End();
        return message;
    }
}

/// <summary>The kernel's main process ended.</summary>
/// <param name="Code">Its exit status; 0 if a signal ended it.</param>
/// <param name="Signal">The signal that ended it, or 0. SIGABRT (6) is a panic (arch/um/kernel/um_arch.c, panic_exit).</param>
/// <param name="Killed">Whether the supervisor killed it.</param>
public sealed record GuestExitedMessage(uint Code, uint Signal, bool Killed)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.UInt32(Code).UInt32(Signal).Bool(Killed);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static GuestExitedMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.GuestExited, payload);
        var message = new GuestExitedMessage(reader.UInt32(), reader.UInt32(), reader.Bool());
        reader.End();
        return message;
    }
}
