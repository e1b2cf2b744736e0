using Uml.CI.Wire;

namespace Uml.CI.Agent.Tests;

/// <summary>Whoever dies, and however, takes the whole guest along.</summary>
public sealed class DeathTests : SupervisorFixture
{
    // Some in the kernel's process group, some out of it, all deaf.
    private static string Tree(string mark) =>
        $"trap '' TERM HUP INT; for i in 1 2 3 4 5; do sleep {mark} & setsid -f sleep {mark}; done; echo up >&4; sleep {mark}";

    [Fact]
    public void Of_the_program_that_asked()
    {
        string mark = NewMark();
        using var supervisor = Running(mark, out _);
        supervisor.Control.Close();
        Assert.Equal(0, supervisor.Reap());
        AssertNoneLeft(mark);
        AssertNothingInBase();
    }

    [Fact]
    public void Of_the_program_that_asked_before_it_had_asked()
    {
        using var supervisor = new SupervisorProcess();
        int inner = supervisor.FindInner();
        supervisor.Control.Close();
        Assert.Equal(0, supervisor.Reap());
        Assert.DoesNotContain(HostProcess.All(), p => p.Id == inner && p.Name == "uml-agent");
    }

    [Fact]
    public void Of_the_inner_supervisor()
    {
        string mark = NewMark();
        using var supervisor = Running(mark, out _);
        Native.Kill(supervisor.FindInner(), Native.SIGKILL);

        // End-of-file comes when everything is cleaned up, not before.
        Assert.Null(supervisor.Receive());
        Assert.DoesNotContain(HostProcess.All(), p => p.CommandLine.Contains(mark, StringComparison.Ordinal));
        AssertNothingInBase();
        Assert.Equal(1 << 8, supervisor.Reap());
    }

    [Fact]
    public void Of_the_outer_supervisor()
    {
        string mark = NewMark();
        using var supervisor = Running(mark, out _);
        Native.Kill(supervisor.ProcessId, Native.SIGKILL);
        Assert.Equal(new GuestExitedMessage(0, 9, Killed: true), supervisor.ExpectEnd());
        Assert.DoesNotContain(HostProcess.All(), p => p.CommandLine.Contains(mark, StringComparison.Ordinal));
        AssertNothingInBase();
    }

    [Fact]
    public void Of_both_supervisors_at_once()
    {
        string mark = NewMark();
        string script = $"trap '' TERM HUP INT; for i in 1 2 3 4 5; do sleep {mark} & done; echo up >&4; sleep {mark}";
        string directory;
        using (var supervisor = Running(mark, out GuestStartedMessage started, script))
        {
            directory = started.Directory;
            int inner = supervisor.FindInner();

            // Stopped, so that neither sees the other die.
            Native.Kill(inner, Native.SIGSTOP);
            Native.Kill(supervisor.ProcessId, Native.SIGKILL);
            Native.Kill(inner, Native.SIGKILL);
            Assert.Null(supervisor.Receive());
            AssertNoneLeft(mark);
            Assert.True(Directory.Exists(directory));
        }

        // The next guest's supervisor clears away what is left.
        using var next = new SupervisorProcess();
        next.Start(Kernel("read line <&4"));
        SupervisorProcess.Eventually(() => !Directory.Exists(directory), $"{directory} is left");
        next.Stop(0);
        next.ExpectEnd();
        AssertNothingInBase();
    }

    [Fact]
    public void Of_the_kernel_itself()
    {
        string mark = NewMark();
        using var supervisor = Running(mark, out GuestStartedMessage started);
        Native.Kill((int)started.ProcessId, Native.SIGKILL);
        Assert.Equal(new GuestExitedMessage(0, 9, Killed: false), supervisor.ExpectEnd());
        Assert.DoesNotContain(HostProcess.All(), p => p.CommandLine.Contains(mark, StringComparison.Ordinal));
        AssertNothingInBase();
    }

    [Fact]
    public void The_directory_of_a_live_guest_is_not_cleared_away()
    {
        using var first = new SupervisorProcess();
        GuestStartedMessage started = first.Start(Kernel("read line <&4"));

        // There in one step: the first supervisor may still be looking for such directories, and takes half a one for one, too.
        string made = Directory.CreateDirectory($"{Base}/made/guest/mem").Parent!.Parent!.FullName, stale = $"{Base}/uml-stale";
        File.WriteAllText($"{made}/.uml-guest", "");
        Directory.Move(made, stale);
        string other = Directory.CreateDirectory($"{Base}/other").FullName;
        string namesake = Directory.CreateDirectory($"{Base}/uml-of-somebody/files").FullName;
        using var second = new SupervisorProcess();
        second.Start(Kernel("read line <&4"));
        SupervisorProcess.Eventually(() => !Directory.Exists(stale), "the stale directory is left");
        second.Stop(0);
        second.ExpectEnd();
        Assert.True(File.Exists(started.KernelLog));
        Assert.True(Directory.Exists(other));
        Assert.True(Directory.Exists(namesake));
    }

    [Fact]
    public void At_random_moments()
    {
        const int rounds = 60;
        for (int round = 0; round < rounds; round++)
        {
            string mark = NewMark();
            using var supervisor = new SupervisorProcess();
            supervisor.Send(FrameType.StartGuest, 0, Kernel(Tree(mark)).Encode);
            Thread.Sleep(Random.Shared.Next(0, 12));
            if (round % 3 == 0)
                supervisor.Control.Close();
            else if (round % 3 == 1)
                Native.Kill(supervisor.ProcessId, Native.SIGKILL);
            else if (HostProcess.All().Find(p => p.Parent == supervisor.ProcessId) is { } inner)
                Native.Kill(inner.Id, Native.SIGKILL);
            else
                Native.Kill(supervisor.ProcessId, Native.SIGKILL);

            while (round % 3 != 0 && supervisor.Receive() is not null)
            {
            }

            supervisor.Reap();
            AssertNoneLeft(mark);
        }

        // What was killed between making a directory and saying so is for the next one to clear away.
        using var last = new SupervisorProcess();
        last.Start(Kernel("read line <&4"));
        SupervisorProcess.Eventually(() => Directory.GetDirectories(Base).Length == 1, "directories are left");
        last.Stop(0);
        last.ExpectEnd();
        AssertNothingInBase();
    }

    private SupervisorProcess Running(string mark, out GuestStartedMessage started, string? script = null)
    {
        var supervisor = new SupervisorProcess();
        started = supervisor.Start(Kernel(script ?? Tree(mark)));
        byte[] up = new byte[3];
        Assert.Equal(3, supervisor.Console.Receive(up));
        return supervisor;
    }
}
