using System.Text;
using Uml.CI.Wire;

namespace Uml.CI.Agent.Init;

/// <summary>PID 1 of the guest.</summary>
internal static class GuestInit
{
    private const int PowerOffCommand = 0x4321FEDC;

    public static int Run()
    {
        try
        {
            BootMarks.Reach("agent");
            Linux.DefaultSignals();
            Linux.Yield();
            GuestRoot.MountEarly();
            BootMarks.Reach("devices");
            var line = new Line(Protocol.GuestDevice);
            BootMarks.Reach("line");
            Send(line, FrameType.Hello, 0, new HelloMessage(Protocol.Version, Version, Release()).Encode);
            Serve(line);
        }
        catch (Exception e)
        {
            // /dev/console is the kernel log: this is how the host learns of a broken agent.
            Console(e.ToString());
        }

        PowerOff();
        return 1;
    }

    public static void PowerOff()
    {
        Linux.sync();
        Linux.reboot(PowerOffCommand);
    }

    public static void Send(Line line, FrameType type, uint stream, Action<MessageWriter> encode)
    {
        var writer = new MessageWriter();
        encode(writer);
        line.Send(type, stream, writer.Written);
    }

    private static string Version => typeof(GuestInit).Assembly.GetName().Version?.ToString(3) ?? "0";

    private static string Release() => (Linux.ReadText("/proc/sys/kernel/osrelease") ?? "unknown").Trim();

    private static void Serve(Line line)
    {
        try
        {
            if (!SetUp(line, out int spool))
                return;
            new RequestLoop(line, spool).Run();
        }
        catch (WireException e)
        {
            Send(line, FrameType.ProtocolError, 0, new TextMessage(e.Message).Encode);
        }
    }

    private static bool SetUp(Line line, out int spool)
    {
        spool = -1;
        ReceivedFrame frame;
        while (!line.TryRead(out frame))
        {
            if (!line.Receive())
                return false;
        }

        if (frame.Type != FrameType.Setup)
            throw new WireException($"the first frame must be Setup, not {frame.Type}");

        BootMarks.Reach("order");
        try
        {
            List<string> warnings = GuestRoot.Build(SetupMessage.Decode(frame.Payload.Span), out spool);
            Send(line, FrameType.Ready, 0, new ReadyMessage(warnings).Encode);
            return true;
        }
        catch (SetupException e)
        {
            Send(line, FrameType.Failed, 0, new FailedMessage((uint)e.Errno, e.Message).Encode);
            return false;
        }
    }

    private static unsafe void Console(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes("uml-agent: " + text + "\n");
        fixed (byte* p = bytes)
            Linux.write(2, p, (nuint)bytes.Length);
    }
}
