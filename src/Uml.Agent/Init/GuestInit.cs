using System.Diagnostics.CodeAnalysis;
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

    /// <summary>Goes on with the line beside the guest's own init, which is PID 1 now.</summary>
    public static int Continue(ReadOnlySpan<string> arguments)
    {
        try
        {
            (LinePosition position, int spool) = InitHandover.Parse(arguments);
            InitHandover.SetCloseOnExec(position.Descriptor, true);
            InitHandover.SetCloseOnExec(spool, true);
            Linux.IgnoreBrokenPipes();
            CommandLauncher.RestoresBrokenPipes = true;
            Linux.Yield();
            Serve(new Line(position), spool);
        }
        catch (Exception e)
        {
            Console(e.ToString());
        }

        // An orderly end is the init's own; this is the end of a host that wants the guest gone.
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

    private static void Serve(Line line, int? spool = null)
    {
        try
        {
            if (spool is not null || SetUp(line, out spool))
                new RequestLoop(line, spool.GetValueOrDefault()).Run();
        }
        catch (WireException e)
        {
            Send(line, FrameType.ProtocolError, 0, new TextMessage(e.Message).Encode);
        }
    }

    private static bool SetUp(Line line, [NotNullWhen(true)] out int? spool)
    {
        spool = null;
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
            SetupMessage setup = SetupMessage.Decode(frame.Payload.Span);
            List<string> warnings = GuestRoot.Build(setup, out int directory);
            if (setup.Init.Count > 0)
            {
                BecomeInit(line, directory, InitHandover.Find(setup.Init), warnings);
                return false;
            }

            Send(line, FrameType.Ready, 0, new ReadyMessage(warnings).Encode);
            spool = directory;
            return true;
        }
        catch (SetupException e)
        {
            Send(line, FrameType.Failed, 0, new FailedMessage((uint)e.Errno, e.Message).Encode);
            return false;
        }
    }

    private static void BecomeInit(Line line, int spool, string init, List<string> warnings)
    {
        LinePosition position = line.Position;
        // The server says nothing before the host does, and the host nothing before Ready, which is still PID 1's to send.
        int server = InitHandover.StartServer(position with { Sent = position.Sent + 1 }, spool);
        Send(line, FrameType.Ready, 0, new ReadyMessage(warnings, (uint)server).Encode);
        int error = InitHandover.Become(init, position, spool);
        Console($"cannot execute {init}: {Linux.Describe(error)}");
    }

    private static unsafe void Console(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes("uml-agent: " + text + "\n");
        fixed (byte* p = bytes)
            Linux.write(2, p, (nuint)bytes.Length);
    }
}
