using System.Runtime.InteropServices;
using System.Text;
using static Uml.CI.Agent.Supervise.Native;

namespace Uml.CI.Agent.Supervise;

/// <summary>The outer process: starts the inner one, waits, and finishes its work if it dies.</summary>
internal static unsafe class Sentinel
{
    // What the inner process reports over the link, one datagram each, so that the guest can be ended without it.
    internal const byte DirectoryRecord = (byte)'D', ControlGroupRecord = (byte)'C', ProcessRecord = (byte)'P', StartedRecord = (byte)'S';

    public static int Run()
    {
        // Away from the terminal: Ctrl-C is for the program that asked, which then says what to do or just closes.
        SetSession();
        CloseFrom(Supervisor.ConsoleLine + 1);

        // Above the numbers that the inner process is to find them at.
        int* ends = stackalloc int[4];
        if (SocketPair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0 || Pipe2(ends + 2, O_CLOEXEC) != 0)
            return Fail("cannot make a socket pair and a pipe", Error);
        const int above = 16;
        for (int i = 0; i < 4; i++)
        {
            int moved = Fcntl(ends[i], F_DUPFD_CLOEXEC, above);
            Close(ends[i]);
            ends[i] = moved;
        }

        // Executed anew rather than only forked: this runtime's other thread does not survive a fork.
        byte** arguments = stackalloc byte*[4];
        arguments[0] = (byte*)Marshal.StringToCoTaskMemUTF8("uml-agent");
        arguments[1] = (byte*)Marshal.StringToCoTaskMemUTF8("supervise");
        arguments[2] = (byte*)Marshal.StringToCoTaskMemUTF8(Supervisor.InnerArgument);
        arguments[3] = null;
        byte** environment = stackalloc byte*[1];
        environment[0] = null;
        byte* self = (byte*)Marshal.StringToCoTaskMemUTF8("/proc/self/exe");

        int inner = Fork();
        if (inner < 0)
            return Fail("fork", Error);
        if (inner == 0)
        {
            Dup2(ends[1], Supervisor.Link);
            Dup2(ends[2], Supervisor.LifeLine);
            Dup2(ends[3], Supervisor.LifeLineOwn);
            Syscall(SYS_execve, (nint)self, (nint)arguments, (nint)environment, 0, 0, 0);
            ExitNow(127);
        }

        Close(ends[1]);
        Close(ends[2]);
        Close(Supervisor.ConsoleLine);
        int link = ends[0];

        var remains = new GuestRemains();
        while (remains.Take(Receive(link, wait: true)))
        {
            if (remains is { Started: true, BaseDirectory: { } directory })
            {
                // The one moment with nothing else to do: clear away what supervisors left that were killed in pairs.
                GuestDirectory.SweepStale(directory);
                if (remains.ControlGroup is { } group)
                    ControlGroup.SweepStale(group);
                break;
            }
        }

        OwnText.GiveBack();
        int status = 0;
        while (WaitPid(inner, &status, 0) < 0 && Error == EINTR)
        {
        }

        if (status == 0)
            return 0;

        while (remains.Take(Receive(link, wait: false)))
        {
        }

        Complain(status == 127 << 8
            ? "cannot execute /proc/self/exe: is /proc mounted?"
            : $"the supervising process ended unexpectedly (wait status {status}); ending its guest");
        remains.End();
        return 1;
    }

    private static byte[] Receive(int link, bool wait)
    {
        byte[] buffer = new byte[8192];
        nint n;
        do
        {
            fixed (byte* p = buffer)
                n = Native.Receive(link, p, (nuint)buffer.Length, wait ? 0 : MSG_DONTWAIT);
        }
        while (n < 0 && Error == EINTR);

        return n <= 0 ? [] : buffer[..(int)n];
    }

    private static int Fail(string what, int error)
    {
        Complain($"{what}: {ErrorText(error)}");
        return 1;
    }

    /// <summary>What is known of a guest whose supervisor died.</summary>
    private sealed class GuestRemains
    {
        private int _process;

        public string? BaseDirectory { get; private set; }

        public string? Directory { get; private set; }

        public string? ControlGroup { get; private set; }

        public bool Started { get; private set; }

        public bool Take(ReadOnlySpan<byte> record)
        {
            if (record.IsEmpty)
                return false;

            string text = Encoding.UTF8.GetString(record[1..]);
            switch (record[0])
            {
                case DirectoryRecord:
                    Directory = text;
                    BaseDirectory = text[..text.LastIndexOf('/')];
                    break;
                case ControlGroupRecord:
                    ControlGroup = text;
                    break;
                case ProcessRecord:
                    _process = int.Parse(text);
                    break;
                case StartedRecord:
                    Started = true;
                    break;
            }

            return true;
        }

        public void End()
        {
            string? survivor = ProcessTree.End(_process, ControlGroup, onMain: null);
            if (survivor is not null)
                Complain(survivor);
            if (Directory is not null)
                GuestDirectory.RemoveIfStale(Directory);
            if (ControlGroup is not null)
                Supervise.ControlGroup.RemoveIfStale(ControlGroup);
        }
    }
}
