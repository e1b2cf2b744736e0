using Xunit;

namespace Uml.CI.Wire.Tests;

public sealed class MessageTests
{
    private static readonly Message[] s_all =
    [
        new("Hello", new HelloMessage(Protocol.Version, "0.1.0", "7.2.7-um").Encode, p => HelloMessage.Decode(p).Encode),
        new("Setup", Setup.Encode, p => SetupMessage.Decode(p).Encode),
        new("Setup of nothing", new SetupMessage().Encode, p => SetupMessage.Decode(p).Encode),
        new("Ready", new ReadyMessage(["no /dev/shm", ""]).Encode, p => ReadyMessage.Decode(p).Encode),
        new("Exec", Exec.Encode, p => ExecMessage.Decode(p).Encode),
        new("Spool", new SpoolMessage("000017", Protocol.SpoolChunk).Encode, p => SpoolMessage.Decode(p).Encode),
        new("Window", new WindowMessage(uint.MaxValue, 7).Encode, p => WindowMessage.Decode(p).Encode),
        new("Signal", new SignalMessage(64).Encode, p => SignalMessage.Decode(p).Encode),
        new("Resize", new ResizeMessage(211, 57).Encode, p => ResizeMessage.Decode(p).Encode),
        new("Inspect", new InspectMessage([1, 2, uint.MaxValue]).Encode, p => InspectMessage.Decode(p).Encode),
        new("Await", new AwaitMessage(AwaitedKind.File, "/run/ü").Encode, p => AwaitMessage.Decode(p).Encode),
        new("Listen", new ListenMessage("/run/a b/ü.sock").Encode, p => ListenMessage.Decode(p).Encode),
        new("Copy", new CopyMessage("/opt/a b/ü").Encode, p => CopyMessage.Decode(FrameType.CopyIn, p).Encode),
        new("Failed", new FailedMessage(2, "no such file").Encode, p => FailedMessage.Decode(p).Encode),
        new("Ack", new AckMessage(0x80000001).Encode, p => AckMessage.Decode(p).Encode),
        new("Started", new StartedMessage(4242).Encode, p => StartedMessage.Decode(p).Encode),
        new("Exited", new ExitedMessage(255, 9).Encode, p => ExitedMessage.Decode(p).Encode),
        new("Text", new TextMessage("two\nlines").Encode, p => TextMessage.Decode(FrameType.Inspected, p).Encode),
        new("StartGuest", StartGuest.Encode, p => StartGuestMessage.Decode(p).Encode),
        new("GuestStarted", new GuestStartedMessage(1, "/a", "/a/log", "/a/spool", "landlock:7", new SupervisorTimes(1, 2, 3, 4)).Encode, p => GuestStartedMessage.Decode(p).Encode),
        new("Mconsole", new MconsoleMessage("sysrq t", 1000).Encode, p => MconsoleMessage.Decode(p).Encode),
        new("MconsoleReply", new MconsoleReplyMessage(1, "ERR").Encode, p => MconsoleReplyMessage.Decode(p).Encode),
        new("HoldTime", new HoldTimeMessage(true).Encode, p => HoldTimeMessage.Decode(p).Encode),
        new("StopGuest", new StopGuestMessage(500, true).Encode, p => StopGuestMessage.Decode(p).Encode),
        new("GuestExited", new GuestExitedMessage(0, 6, true).Encode, p => GuestExitedMessage.Decode(p).Encode),
    ];

    private delegate Action<MessageWriter> Decoder(ReadOnlySpan<byte> payload);

    public static TheoryData<string> Names => [.. s_all.Select(message => message.Name)];

    private static SetupMessage Setup => new()
    {
        Root = "/",
        Disk = "/dev/ubda2",
        DiskType = "ext4",
        DiskWritable = true,
        Scratch = "/dev/ubdb",
        Attributes = "attributes",
        Spool = "/tmp/spool",
        Modules = "/lib/modules/7.2.7",
        LoadModules = ["kernel/fs/overlayfs/overlay.ko.xz"],
        Shares =
        [
            new ShareMessage("/home/me/data", "/data", ShareMode.ReadOnly),
            new ShareMessage("/home/me/ü", "/out", ShareMode.CopyOnWrite),
        ],
        Hostname = "guest",
        WorkingDirectory = "/home/me",
        ClockNanoseconds = 1_700_000_000_123_456_789,
    };

    private static ExecMessage Exec => new()
    {
        Arguments = ["sh", "-c", "echo \"$1\"", "", "日本語 \U0001F427"],
        Environment = ["PATH=/bin", "A="],
        WorkingDirectory = "/tmp",
        User = "nobody:users",
        Stdin = true,
        Terminal = true,
        Columns = 80,
        Rows = 25,
    };

    private static StartGuestMessage StartGuest => new()
    {
        BaseDirectory = "/run/user/1000/uml",
        Name = "g-1",
        Kernel = "/cache/linux",
        Arguments = ["con0=null,fd:{log}", "quiet"],
        Initramfs = "/cache/my initramfs.cpio",
        Disks = ["/images/a, b.squashfs", "/scratch"],
        Environment = ["LANG=C"],
        ReadPaths = ["/cache"],
        WritePaths = ["/out"],
        Confine = false,
        OneProcessor = true,
        VirtualTime = true,
    };

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_message_comes_back_as_it_was_written(string name)
    {
        Message message = Find(name);
        byte[] payload = message.Payload();
        var writer = new MessageWriter();
        message.Decode(payload)(writer);
        Assert.Equal(payload, writer.Written.ToArray());
    }

    [Fact]
    public void Fields_come_back_in_their_places()
    {
        SetupMessage setup = SetupMessage.Decode(Payload(Setup.Encode));
        Assert.Equal(Protocol.Version, setup.Version);
        Assert.Equal("/", setup.Root);
        Assert.Equal("/tmp/spool", setup.Spool);
        Assert.Equal("/lib/modules/7.2.7", setup.Modules);
        Assert.Equal(Setup.LoadModules, setup.LoadModules);
        Assert.Equal(Setup.Shares, setup.Shares);
        Assert.Equal("guest", setup.Hostname);
        Assert.Equal("/home/me", setup.WorkingDirectory);
        Assert.Equal(1_700_000_000_123_456_789u, setup.ClockNanoseconds);

        ExecMessage exec = ExecMessage.Decode(Payload(Exec.Encode));
        Assert.Equal(Exec.Arguments, exec.Arguments);
        Assert.Equal(Exec.Environment, exec.Environment);
        Assert.Equal("/tmp", exec.WorkingDirectory);
        Assert.Equal("nobody:users", exec.User);
        Assert.True(exec.Stdin);
        Assert.True(exec.Terminal);
        Assert.Equal(80u, exec.Columns);
        Assert.Equal(25u, exec.Rows);
        Assert.False(ExecMessage.Decode(Payload((Exec with { Terminal = false }).Encode)).Terminal);

        StartGuestMessage start = StartGuestMessage.Decode(Payload(StartGuest.Encode));
        Assert.Equal("/run/user/1000/uml", start.BaseDirectory);
        Assert.Equal("g-1", start.Name);
        Assert.Equal("/cache/linux", start.Kernel);
        Assert.Equal(StartGuest.Arguments, start.Arguments);
        Assert.Equal(StartGuest.Environment, start.Environment);
        Assert.Equal(StartGuest.ReadPaths, start.ReadPaths);
        Assert.Equal(StartGuest.WritePaths, start.WritePaths);
        Assert.False(start.Confine);

        Assert.Equal(new HelloMessage(1, "a", "r"), HelloMessage.Decode(Payload(new HelloMessage(1, "a", "r").Encode)));
        Assert.Equal(new GuestStartedMessage(1, "d", "l", "s", "c", new SupervisorTimes(1, 2, 3, 4)), GuestStartedMessage.Decode(Payload(new GuestStartedMessage(1, "d", "l", "s", "c", new SupervisorTimes(1, 2, 3, 4)).Encode)));
        Assert.Equal(new GuestExitedMessage(1, 2, false), GuestExitedMessage.Decode(Payload(new GuestExitedMessage(1, 2, false).Encode)));
        Assert.Equal(new WindowMessage(1, 2), WindowMessage.Decode(Payload(new WindowMessage(1, 2).Encode)));
        Assert.Equal(new ResizeMessage(1, 2), ResizeMessage.Decode(Payload(new ResizeMessage(1, 2).Encode)));
        Assert.Equal(new ExitedMessage(1, 2), ExitedMessage.Decode(Payload(new ExitedMessage(1, 2).Encode)));
        Assert.Equal([1u, 2u], InspectMessage.Decode(Payload(new InspectMessage([1, 2]).Encode)).Streams);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_message_that_is_too_short_or_too_long_is_refused(string name)
    {
        Message message = Find(name);
        byte[] payload = message.Payload();
        for (int length = 0; length < payload.Length; length++)
            Assert.Throws<WireException>(() => message.Decode(payload.AsSpan(0, length)));
        Assert.Throws<WireException>(() => message.Decode([.. payload, 0]));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Mutated_messages_decode_or_end_in_a_WireException_and_allocate_little(string name)
    {
        Message message = Find(name);
        byte[] payload = message.Payload();
        int refused = 0;
        for (int seed = 0; seed < 10_000; seed++)
        {
            byte[] mutated = Mutation.Apply(payload, new Random(seed));
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                message.Decode(mutated);
            }
            catch (WireException)
            {
                refused++;
            }

            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(allocated < 256 * 1024, $"{name}, seed {seed}: {mutated.Length} bytes made the decoder allocate {allocated}");
        }

        Assert.True(refused > 1000, $"only {refused} were refused");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_huge_count_allocates_nothing(string name)
    {
        Message message = Find(name);
        byte[] payload = message.Payload();
        for (int offset = 0; offset + 4 <= payload.Length; offset++)
        {
            foreach (byte top in new byte[] { 0x7F, 0xFF })
            {
                byte[] bad = [.. payload];
                bad.AsSpan(offset, 3).Fill(0xFF);
                bad[offset + 3] = top;
                long before = GC.GetAllocatedBytesForCurrentThread();
                try
                {
                    message.Decode(bad);
                }
                catch (WireException)
                {
                }

                Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 64 * 1024, $"{name}: a count at {offset} was believed");
            }
        }
    }

    [Fact]
    public void Values_that_mean_nothing_are_refused()
    {
        Refused(() => SignalMessage.Decode(Payload(new SignalMessage(0).Encode)), "no signal 0");
        Refused(() => SignalMessage.Decode(Payload(new SignalMessage(65).Encode)), "no signal 65");
        Refused(() => HelloMessage.Decode(Payload(new HelloMessage(2, "x", "y").Encode)), "agent speaks version 2");
        Refused(() => HelloMessage.Decode([2, 0, 0, 0, 99]), "agent speaks version 2");
        Refused(() => SetupMessage.Decode(Payload((Setup with { Version = 9 }).Encode)), "host speaks version 9");
        Refused(() => SetupMessage.Decode(Payload((Setup with { Shares = [new ShareMessage("/a", "/b", (ShareMode)3)] }).Encode)), "share mode 3");
        Refused(() => StopGuestMessage.Decode([0, 0, 0, 0, 2]), "a flag is 2");
        Refused(() => SpoolMessage.Decode(Payload(new SpoolMessage("a", Protocol.SpoolChunk + 1).Encode)), "over the limit");
        Refused(() => TextMessage.Decode(FrameType.Inspected, [1, 0, 0, 0, 0xFF]), "Inspected: a string is not UTF-8");
        foreach (string name in new[] { "", ".", "..", "a/b", "/a", "a\0b" })
            Refused(() => SpoolMessage.Decode(Payload(new SpoolMessage(name, 1).Encode)), "is not a file name");

        static void Refused(Func<object> decode, string text) =>
            Assert.Contains(text, Assert.Throws<WireException>(decode).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_writer_grows()
    {
        var writer = new MessageWriter();
        string text = new('x', 100_000);
        writer.Byte(1).String(text).UInt64(ulong.MaxValue);
        var reader = new MessageReader(FrameType.Inspected, writer.Written);
        Assert.Equal(1, reader.Byte());
        Assert.Equal(text, reader.String());
        Assert.Equal(ulong.MaxValue, reader.UInt64());
        reader.End();
    }

    private static Message Find(string name) => s_all.Single(message => message.Name == name);

    private static byte[] Payload(Action<MessageWriter> encode)
    {
        var writer = new MessageWriter();
        encode(writer);
        return writer.Written.ToArray();
    }

    private sealed record Message(string Name, Action<MessageWriter> Encode, Decoder Decode)
    {
        public byte[] Payload() => MessageTests.Payload(Encode);
    }
}
