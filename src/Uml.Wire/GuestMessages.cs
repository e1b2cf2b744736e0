namespace Uml.CI.Wire;

/// <summary>Numbers both sides of the guest console agree on.</summary>
public static class Protocol
{
    /// <summary>Version of the protocol. A guest and a host of different versions do not talk.</summary>
    public const uint Version = 1;

    /// <summary>
    /// Bytes the host may have sent that the guest has not acknowledged. More than 3968 unread bytes kill a UML serial
    /// line for good: n_tty throttles at 4096-128 (drivers/tty/n_tty.c), and line_unthrottle (arch/um/drivers/line.c)
    /// never puts the descriptor back into the epoll set.
    /// </summary>
    public const int LineWindow = 3840;

    /// <summary>The guest acknowledges at the latest when this many bytes are unacknowledged.</summary>
    public const int AckEvery = 1024;

    /// <summary>The longest input frame payload worth sending over the line; anything longer goes through the spool share.</summary>
    public const int InlineInput = 1024;

    /// <summary>The longest spool file, in bytes.</summary>
    public const int SpoolChunk = 1024 * 1024;

    /// <summary>Input a stream may have outstanding before the guest grants more, in bytes.</summary>
    public const int InputWindow = 4 * SpoolChunk;

    /// <summary>Output a stream may have outstanding before the host grants more, in bytes, per descriptor.</summary>
    public const int OutputWindow = 1024 * 1024;

    /// <summary>Set to 1 on the kernel's command line, the agent says on the kernel's console how far the start has come.</summary>
    public const string BootMarksVariable = "UML_BOOT_MARKS";

    /// <summary>What a line of those begins with; a step's name follows.</summary>
    public const string BootMark = "uml-agent: reached ";

    /// <summary>The device the guest end of the console line has.</summary>
    public const string GuestDevice = "/dev/ttyS0";
}

/// <summary>The guest is up. Its first frame.</summary>
/// <param name="Version">The guest's <see cref="Protocol.Version"/>.</param>
/// <param name="Agent">The agent's version, for people.</param>
/// <param name="Release">The guest kernel's release, as <c>uname -r</c> prints it.</param>
public sealed record HelloMessage(uint Version, string Agent, string Release)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.UInt32(Version).String(Agent).String(Release);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static HelloMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.Hello, payload);
        uint version = reader.UInt32();
        if (version != Protocol.Version)
            throw new WireException($"the guest's agent speaks version {version} of the protocol, this host version {Protocol.Version}");

        var message = new HelloMessage(version, reader.String(), reader.String());
        reader.End();
        return message;
    }
}

/// <summary>How a directory or file of the host appears in the guest.</summary>
public enum ShareMode : byte
{
    /// <summary>The guest can read it.</summary>
    ReadOnly = 0,

    /// <summary>What the guest writes is written on the host.</summary>
    ReadWrite = 1,

    /// <summary>The guest can write; what it writes stays in the guest.</summary>
    CopyOnWrite = 2,
}

/// <summary>A directory or file of the host and where it is mounted.</summary>
/// <param name="HostPath">Absolute path on the host.</param>
/// <param name="GuestPath">Absolute path in the guest; made if missing.</param>
/// <param name="Mode">What writing does.</param>
public sealed record ShareMessage(string HostPath, string GuestPath, ShareMode Mode);

/// <summary>What the guest should look like. The host's first frame.</summary>
public sealed record SetupMessage
{
    /// <summary>The host's <see cref="Protocol.Version"/>.</summary>
    public uint Version { get; init; } = Protocol.Version;

    /// <summary>Host directory that becomes the guest's root, under a copy-on-write layer; empty for a root of nothing but the agent.</summary>
    public string Root { get; init; } = "";

    /// <summary>Block device with the guest's root, such as <c>/dev/ubda</c>; empty for none. It goes before <see cref="Root"/>.</summary>
    public string Disk { get; init; } = "";

    /// <summary>Type of the file system on <see cref="Disk"/>.</summary>
    public string DiskType { get; init; } = "";

    /// <summary>Whether the guest writes on <see cref="Disk"/> itself, without a copy-on-write layer.</summary>
    public bool DiskWritable { get; init; }

    /// <summary>Block device with an ext4 file system that takes the copy-on-write layer; empty for the guest's memory.</summary>
    public string Scratch { get; init; } = "";

    /// <summary>File in the spool that lists extended attributes of the root, for kernels that do not see those of the disk; empty for none.</summary>
    public string Attributes { get; init; } = "";

    /// <summary>Host directory through which the host hands over input; mounted where commands do not see it.</summary>
    public string Spool { get; init; } = "";

    /// <summary>Host directory of the kernel's modules (the one that holds modules.dep), or empty.</summary>
    public string Modules { get; init; } = "";

    /// <summary>Modules to load at once, in order, as paths below <see cref="Modules"/>.</summary>
    public IReadOnlyList<string> LoadModules { get; init; } = [];

    /// <summary>Shares to mount, in order.</summary>
    public IReadOnlyList<ShareMessage> Shares { get; init; } = [];

    /// <summary>The guest's host name.</summary>
    public string Hostname { get; init; } = "";

    /// <summary>A directory that must exist when commands start (the host's current directory); empty for none.</summary>
    public string WorkingDirectory { get; init; } = "";

    /// <summary>The guest's clock at set-up in nanoseconds since 1970, or 0 for the host's time.</summary>
    public ulong ClockNanoseconds { get; init; }

    /// <summary>Absolute paths of the program that becomes PID 1 of the guest's root; the first that is there. Empty: the agent stays PID 1.</summary>
    public IReadOnlyList<string> Init { get; init; } = [];

    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer)
    {
        writer.UInt32(Version).String(Root).String(Disk).String(DiskType).Bool(DiskWritable).String(Scratch).String(Attributes);
        writer.String(Spool).String(Modules).Strings(LoadModules);
        writer.UInt32((uint)Shares.Count);
        foreach (ShareMessage share in Shares)
            writer.String(share.HostPath).String(share.GuestPath).Byte((byte)share.Mode);
        writer.String(Hostname).String(WorkingDirectory).UInt64(ClockNanoseconds).Strings(Init);
    }

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static SetupMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.Setup, payload);
        uint version = reader.UInt32();
        if (version != Protocol.Version)
            throw new WireException($"the host speaks version {version} of the protocol, this agent version {Protocol.Version}");

        string root = reader.String();
        string disk = reader.String();
        string diskType = reader.String();
        bool diskWritable = reader.Bool();
        string scratch = reader.String();
        string attributes = reader.String();
        string spool = reader.String();
        string modules = reader.String();
        string[] load = reader.Strings();
        var shares = new ShareMessage[reader.Count(9)];
        for (int i = 0; i < shares.Length; i++)
        {
            string host = reader.String();
            string guest = reader.String();
            byte mode = reader.Byte();
            if (mode > (byte)ShareMode.CopyOnWrite)
                throw new WireException($"Setup: share mode {mode} is unknown");
            shares[i] = new ShareMessage(host, guest, (ShareMode)mode);
        }

        var message = new SetupMessage
        {
            Version = version,
            Root = root,
            Disk = disk,
            DiskType = diskType,
            DiskWritable = diskWritable,
            Scratch = scratch,
            Attributes = attributes,
            Spool = spool,
            Modules = modules,
            LoadModules = load,
            Shares = shares,
            Hostname = reader.String(),
            WorkingDirectory = reader.String(),
            ClockNanoseconds = reader.UInt64(),
            Init = reader.Strings(),
        };
        reader.End();
        return message;
    }
}

/// <summary>The guest is as the host asked.</summary>
/// <param name="Warnings">What did not work but need not stop a guest, a line each.</param>
/// <param name="Agent">The agent's process number from now on: 1 unless the guest has an init of its own.</param>
public sealed record ReadyMessage(IReadOnlyList<string> Warnings, uint Agent = 1)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.Strings(Warnings).UInt32(Agent);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static ReadyMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.Ready, payload);
        var message = new ReadyMessage(reader.Strings(), reader.UInt32());
        reader.End();
        return message;
    }
}

/// <summary>A program to run.</summary>
public sealed record ExecMessage
{
    /// <summary>Program and arguments; the program is looked up in PATH of <see cref="Environment"/> unless it has a slash.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The whole environment, NAME=VALUE each.</summary>
    public IReadOnlyList<string> Environment { get; init; } = [];

    /// <summary>Working directory; empty for the root directory.</summary>
    public string WorkingDirectory { get; init; } = "";

    /// <summary>User name or number, optionally with :GROUP; empty for root.</summary>
    public string User { get; init; } = "";

    /// <summary>Whether the program gets a standard input from the host; else /dev/null.</summary>
    public bool Stdin { get; init; }

    /// <summary>Whether the program gets a pseudo-terminal for all three descriptors.</summary>
    public bool Terminal { get; init; }

    /// <summary>Columns of the pseudo-terminal.</summary>
    public uint Columns { get; init; }

    /// <summary>Rows of the pseudo-terminal.</summary>
    public uint Rows { get; init; }

    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer
        .Strings(Arguments).Strings(Environment).String(WorkingDirectory).String(User)
        .Bool(Stdin).Bool(Terminal).UInt32(Columns).UInt32(Rows);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static ExecMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.Exec, payload);
        var message = new ExecMessage
        {
            Arguments = reader.Strings(),
            Environment = reader.Strings(),
            WorkingDirectory = reader.String(),
            User = reader.String(),
            Stdin = reader.Bool(),
            Terminal = reader.Bool(),
            Columns = reader.UInt32(),
            Rows = reader.UInt32(),
        };
        reader.End();
        return message;
    }
}

/// <summary>Input that waits in a file of the spool share. The guest removes the file when it is done with it.</summary>
/// <param name="Name">File name, without directories.</param>
/// <param name="Length">Its size in bytes.</param>
public sealed record SpoolMessage(string Name, uint Length)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.String(Name).UInt32(Length);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed, or the name is not a plain file name.</exception>
    public static SpoolMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.StdinSpool, payload);
        var message = new SpoolMessage(reader.String(), reader.UInt32());
        reader.End();
        if (message.Name.Length == 0 || message.Name.AsSpan().ContainsAny('/', '\0') || message.Name is "." or "..")
            throw new WireException($"Spool: \"{message.Name}\" is not a file name");
        if (message.Length > Protocol.SpoolChunk)
            throw new WireException($"Spool: {message.Length} bytes are over the limit of {Protocol.SpoolChunk}");
        return message;
    }
}

/// <summary>More bytes that may be sent on a stream.</summary>
/// <param name="Primary">Bytes of standard output (or, towards the host, of standard input).</param>
/// <param name="Secondary">Bytes of standard error.</param>
public readonly record struct WindowMessage(uint Primary, uint Secondary)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.UInt32(Primary).UInt32(Secondary);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static WindowMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.OutputWindow, payload);
        var message = new WindowMessage(reader.UInt32(), reader.UInt32());
        reader.End();
        return message;
    }
}

/// <summary>A signal for a stream's process group.</summary>
/// <param name="Number">Linux signal number, 1 to 64.</param>
public readonly record struct SignalMessage(uint Number)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.UInt32(Number);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed, or the number is no signal's.</exception>
    public static SignalMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.Signal, payload);
        var message = new SignalMessage(reader.UInt32());
        reader.End();
        if (message.Number is 0 or > 64)
            throw new WireException($"Signal: there is no signal {message.Number}");
        return message;
    }
}

/// <summary>The size of a pseudo-terminal.</summary>
/// <param name="Columns">Columns, 0 if unknown.</param>
/// <param name="Rows">Rows, 0 if unknown.</param>
public readonly record struct ResizeMessage(uint Columns, uint Rows)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.UInt32(Columns).UInt32(Rows);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static ResizeMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.Resize, payload);
        var message = new ResizeMessage(reader.UInt32(), reader.UInt32());
        reader.End();
        return message;
    }
}

/// <summary>Asks for the state of the guest's processes.</summary>
/// <param name="Streams">Streams whose process trees are of interest; empty for all processes.</param>
public sealed record InspectMessage(IReadOnlyList<uint> Streams)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer)
    {
        writer.UInt32((uint)Streams.Count);
        foreach (uint stream in Streams)
            writer.UInt32(stream);
    }

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static InspectMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.Inspect, payload);
        var streams = new uint[reader.Count(4)];
        for (int i = 0; i < streams.Length; i++)
            streams[i] = reader.UInt32();
        reader.End();
        return new InspectMessage(streams);
    }
}

/// <summary>A file tree to move; what travels on the stream is described at <see cref="TreeFormat"/>.</summary>
/// <param name="Path">Absolute path in the guest: where to create the tree, or which one to read.</param>
public sealed record CopyMessage(string Path)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.String(Path);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static CopyMessage Decode(FrameType type, ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(type, payload);
        var message = new CopyMessage(reader.String());
        reader.End();
        return message;
    }
}

/// <summary>A unix socket of the guest whose next connection the stream is to carry.</summary>
/// <param name="Path">Absolute path in the guest, at most 107 bytes (sockaddr_un, unix(7)).</param>
public sealed record ListenMessage(string Path)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.String(Path);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static ListenMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.Listen, payload);
        var message = new ListenMessage(reader.String());
        reader.End();
        return message;
    }
}

/// <summary>What a guest can wait for by itself.</summary>
public enum AwaitedKind : byte
{
    /// <summary>That a path exists.</summary>
    File = 0,

    /// <summary>That something listens at a TCP port, on any address.</summary>
    TcpPort = 1,
}

/// <summary>Something to wait for in the guest. Opens a stream.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Name">An absolute path, or a port's decimal number.</param>
public sealed record AwaitMessage(AwaitedKind Kind, string Name)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.Byte((byte)Kind).String(Name);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static AwaitMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.Await, payload);
        byte kind = reader.Byte();
        if (kind > (byte)AwaitedKind.TcpPort)
            throw new WireException($"Await: kind {kind} is unknown");
        var message = new AwaitMessage((AwaitedKind)kind, reader.String());
        reader.End();
        return message;
    }
}

/// <summary>Something was refused or went wrong.</summary>
/// <param name="Errno">The Linux error number behind it, or 0.</param>
/// <param name="Text">What went wrong, one line.</param>
public sealed record FailedMessage(uint Errno, string Text)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.UInt32(Errno).String(Text);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static FailedMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.Failed, payload);
        var message = new FailedMessage(reader.UInt32(), reader.String());
        reader.End();
        return message;
    }
}

/// <summary>How many bytes the guest has taken off the line since it opened it.</summary>
/// <param name="Total">The count, modulo 2^32.</param>
public readonly record struct AckMessage(uint Total)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.UInt32(Total);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static AckMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.Ack, payload);
        var message = new AckMessage(reader.UInt32());
        reader.End();
        return message;
    }
}

/// <summary>A stream's process runs.</summary>
/// <param name="ProcessId">Its process number in the guest; also its process group and session.</param>
public readonly record struct StartedMessage(uint ProcessId)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.UInt32(ProcessId);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static StartedMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.Started, payload);
        var message = new StartedMessage(reader.UInt32());
        reader.End();
        return message;
    }
}

/// <summary>How a stream's process ended.</summary>
/// <param name="Code">Exit status, 0 to 255; 0 if a signal ended it.</param>
/// <param name="Signal">The signal that ended it, or 0.</param>
public readonly record struct ExitedMessage(uint Code, uint Signal)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.UInt32(Code).UInt32(Signal);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static ExitedMessage Decode(ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(FrameType.Exited, payload);
        var message = new ExitedMessage(reader.UInt32(), reader.UInt32());
        reader.End();
        return message;
    }
}

/// <summary>A text for people.</summary>
/// <param name="Text">The text, any number of lines.</param>
public sealed record TextMessage(string Text)
{
    /// <summary>Writes the payload.</summary>
    public void Encode(MessageWriter writer) => writer.String(Text);

    /// <summary>Reads a payload.</summary>
    /// <exception cref="WireException">The payload is malformed.</exception>
    public static TextMessage Decode(FrameType type, ReadOnlySpan<byte> payload)
    {
        var reader = new MessageReader(type, payload);
        var message = new TextMessage(reader.String());
        reader.End();
        return message;
    }
}
