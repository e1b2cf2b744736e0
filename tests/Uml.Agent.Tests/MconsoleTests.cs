using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Uml.CI.Wire;

namespace Uml.CI.Agent.Tests;

/// <summary>The management console, played by a socket of the test's in the guest's directory.</summary>
public sealed class MconsoleTests : SupervisorFixture
{
    private const int HeaderSize = 12, CommandSize = 512;

    [Fact]
    public void An_answer_in_several_packets_arrives_whole()
    {
        using var supervisor = new SupervisorProcess();
        GuestStartedMessage started = supervisor.Start(Kernel("read line <&4"));
        using Socket console = Listen(started);
        Ask(supervisor, 7, "sysrq t");
        (string command, string sender) = Take(console, started);
        Assert.Equal("sysrq t", command);
        Reply(console, sender, 0, more: true, "one ");
        Reply(console, sender, 0, more: true, "two ");
        Reply(console, sender, 0, more: false, "three");
        Assert.Equal(new MconsoleReplyMessage(0, "one two three"), supervisor.ExpectReply(7));
    }

    [Fact]
    public void A_lost_last_packet_does_not_lose_the_answer()
    {
        using var supervisor = new SupervisorProcess();
        GuestStartedMessage started = supervisor.Start(Kernel("read line <&4"));
        using Socket console = Listen(started);
        Ask(supervisor, 1, "log", 15_000);
        (_, string sender) = Take(console, started);
        Reply(console, sender, 0, more: true, "most of it");
        Assert.Equal(new MconsoleReplyMessage(0, "most of it"), supervisor.ExpectReply(1));
    }

    [Fact]
    public void A_refusal_is_told_apart()
    {
        using var supervisor = new SupervisorProcess();
        GuestStartedMessage started = supervisor.Start(Kernel("read line <&4"));
        using Socket console = Listen(started);
        Ask(supervisor, 1, "bogus");
        (_, string sender) = Take(console, started);
        Reply(console, sender, 1, more: false, "Unknown command");
        Assert.Equal(new MconsoleReplyMessage(1, "Unknown command"), supervisor.ExpectReply(1));
    }

    [Fact]
    public void Requests_wait_for_each_other_and_a_late_answer_is_nobody_elses()
    {
        using var supervisor = new SupervisorProcess();
        GuestStartedMessage started = supervisor.Start(Kernel("read line <&4"));
        using Socket console = Listen(started);
        Ask(supervisor, 1, "stack 1", 60);
        Ask(supervisor, 2, "stack 2", 15_000);
        (string first, string firstSender) = Take(console, started);
        Assert.Equal("stack 1", first);
        Assert.Equal(2u, supervisor.ExpectReply(1).Status);
        (string second, string secondSender) = Take(console, started);
        Assert.Equal("stack 2", second);
        Assert.NotEqual(firstSender, secondSender);
        Assert.ThrowsAny<SocketException>(() => Reply(console, firstSender, 0, more: false, "late"));
        Reply(console, secondSender, 0, more: false, "in time");
        Assert.Equal(new MconsoleReplyMessage(0, "in time"), supervisor.ExpectReply(2));
    }

    [Fact]
    public void A_console_that_comes_up_late_is_waited_for()
    {
        using var supervisor = new SupervisorProcess();
        GuestStartedMessage started = supervisor.Start(Kernel("read line <&4"));
        Ask(supervisor, 1, "version", 15_000);
        Thread.Sleep(50);
        using Socket console = Listen(started);
        (_, string sender) = Take(console, started);
        Reply(console, sender, 0, more: false, "Linux");
        Assert.Equal(new MconsoleReplyMessage(0, "Linux"), supervisor.ExpectReply(1));
    }

    [Fact]
    public void A_request_that_was_not_noticed_is_followed_by_a_prod()
    {
        using var supervisor = new SupervisorProcess();
        GuestStartedMessage started = supervisor.Start(Kernel("read line <&4"));
        using Socket console = Listen(started);
        Ask(supervisor, 1, "sysrq m", 15_000);
        (_, string sender) = Take(console, started);

        byte[] prod = new byte[HeaderSize + CommandSize];
        Assert.Equal(prod.Length, console.Receive(prod));
        Assert.Equal("version", Encoding.UTF8.GetString(prod, HeaderSize, 7));
        Reply(console, sender, 0, more: false, "memory");
        Assert.Equal(new MconsoleReplyMessage(0, "memory"), supervisor.ExpectReply(1));
    }

    [Fact]
    public void A_guest_without_a_console_says_so()
    {
        using var supervisor = new SupervisorProcess();
        supervisor.Start(Kernel("read line <&4"));
        Ask(supervisor, 3, "version", 30);
        Assert.Equal(new MconsoleReplyMessage(2, "the guest has no management console (yet)"), supervisor.ExpectReply(3));
        Ask(supervisor, 4, new string('x', CommandSize));
        Assert.Equal(1u, supervisor.ExpectReply(4).Status);
    }

    [Fact]
    public void A_text_too_long_for_a_frame_is_cut()
    {
        using var supervisor = new SupervisorProcess();
        GuestStartedMessage started = supervisor.Start(Kernel("read line <&4"));
        using Socket console = Listen(started);
        Ask(supervisor, 1, "sysrq t", 15_000);
        (_, string sender) = Take(console, started);
        for (int i = 0; i < 200; i++)
            Reply(console, sender, 0, more: i < 199, new string('x', 511));
        MconsoleReplyMessage reply = supervisor.ExpectReply(1);
        Assert.EndsWith("x\n[cut here; the rest is in the kernel log]\n", reply.Text, StringComparison.Ordinal);
        Assert.InRange(reply.Text.Length, 50_000, Frame.MaxPayload);
    }

    [Fact]
    public void A_stop_with_halt_comes_before_other_requests()
    {
        using var supervisor = new SupervisorProcess();
        GuestStartedMessage started = supervisor.Start(Kernel("read line <&4; exit 0"));
        using Socket console = Listen(started);
        Ask(supervisor, 1, "stack 1", 60_000);
        Take(console, started);
        Ask(supervisor, 2, "stack 2", 60_000);
        supervisor.Stop(15_000, halt: true);
        Assert.Equal(new MconsoleReplyMessage(2, "the guest is being stopped"), supervisor.ExpectReply(1));
        Assert.Equal(new MconsoleReplyMessage(2, "the guest is being stopped"), supervisor.ExpectReply(2));
        Assert.Equal("halt", Take(console, started).Command);
        supervisor.Console.Send("off\n"u8);
        Assert.Equal(new GuestExitedMessage(0, 0, Killed: false), supervisor.ExpectEnd());
    }

    [Fact]
    public void Requests_of_a_guest_that_ends_are_answered()
    {
        using var supervisor = new SupervisorProcess();
        GuestStartedMessage started = supervisor.Start(Kernel("read line <&4; exit 0"));
        using Socket console = Listen(started);
        Ask(supervisor, 1, "stack 1", 60_000);
        Take(console, started);
        supervisor.Console.Send("off\n"u8);
        Assert.Equal(new MconsoleReplyMessage(2, "the guest has ended"), supervisor.ExpectReply(1));
        supervisor.ExpectEnd();
    }

    private static void Ask(SupervisorProcess supervisor, uint stream, string command, uint timeout = 15_000) =>
        supervisor.Send(FrameType.Mconsole, stream, new MconsoleMessage(command, timeout).Encode);

    private static Socket Listen(GuestStartedMessage started)
    {
        string directory = $"{started.Directory}/guest/uml/{Path.GetFileName(started.Directory)}";
        Directory.CreateDirectory(directory);
        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 20_000 };
        socket.Bind(new UnixDomainSocketEndPoint($"{directory}/mconsole"));
        return socket;
    }

    private static (string Command, string Sender) Take(Socket console, GuestStartedMessage started)
    {
        const int familySize = 2;
        byte[] packet = new byte[HeaderSize + CommandSize];
        var from = new SocketAddress(AddressFamily.Unix);
        int n;
        do
        {
            from.Size = 110;
            n = console.ReceiveFrom(packet, SocketFlags.None, from);

            // A prod has no sender.
        }
        while (from.Size <= familySize);

        string sender = Encoding.UTF8.GetString(from.Buffer.Span[familySize..from.Size]).TrimEnd('\0');
        Assert.Equal(packet.Length, n);
        Assert.Equal(0xcafebabe, BinaryPrimitives.ReadUInt32LittleEndian(packet));
        Assert.Equal(2u, BinaryPrimitives.ReadUInt32LittleEndian(packet.AsSpan(4)));
        int length = (int)BinaryPrimitives.ReadUInt32LittleEndian(packet.AsSpan(8));
        return (Encoding.UTF8.GetString(packet, HeaderSize, length), Path.Combine(started.Directory, sender));
    }

    private static void Reply(Socket console, string sender, int error, bool more, string text)
    {
        byte[] packet = new byte[HeaderSize + Encoding.UTF8.GetByteCount(text) + 1];
        BinaryPrimitives.WriteInt32LittleEndian(packet, error);
        BinaryPrimitives.WriteInt32LittleEndian(packet.AsSpan(4), more ? 1 : 0);
        BinaryPrimitives.WriteInt32LittleEndian(packet.AsSpan(8), packet.Length - HeaderSize);
        Encoding.UTF8.GetBytes(text, packet.AsSpan(HeaderSize));
        console.SendTo(packet, new UnixDomainSocketEndPoint(sender));
    }
}
