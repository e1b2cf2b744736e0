using System.Text;
using Uml.CI.Wire;

namespace Uml.CI.Agent.Tests;

/// <summary>What a kernel is given, and what is said of its end.</summary>
public sealed class GuestLifeTests : SupervisorFixture
{
    [Fact]
    public void A_kernel_gets_its_arguments_directory_environment_and_log()
    {
        using var supervisor = new SupervisorProcess();
        StartGuestMessage options = Kernel("""
            echo "args $0 $1 $2 $3"; echo "cwd $(pwd)"; echo "tmp $TMPDIR"; echo "home $HOME"; echo errors >&2
            eval "echo logged >&${1#log=}"; eval "echo hello >&${0#console=}"; eval "read line <&${0#console=}"; exit 7
            """);
        GuestStartedMessage started = supervisor.Start(options);

        Assert.Equal($"{Base}/{options.Name}", started.Directory);
        byte[] buffer = new byte[100];
        int n = supervisor.Console.Receive(buffer);
        Assert.Equal("hello\n", Encoding.UTF8.GetString(buffer, 0, n));
        string log = File.ReadAllText(started.KernelLog);
        Assert.Contains($"args console=4 log=", log, StringComparison.Ordinal);
        Assert.Contains($" uml_dir=guest/uml/ umid={options.Name}\n", log, StringComparison.Ordinal);
        Assert.Contains($"cwd {started.Directory}\n", log, StringComparison.Ordinal);
        Assert.Contains($"tmp {started.Directory}/guest/mem\n", log, StringComparison.Ordinal);
        Assert.Contains($"home {started.Directory}\n", log, StringComparison.Ordinal);
        Assert.Contains("errors\nlogged\n", log, StringComparison.Ordinal);
        Assert.True(Directory.Exists(started.Spool));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(started.Directory));

        supervisor.Console.Send("go\n"u8);
        Assert.Equal(new GuestExitedMessage(7, 0, Killed: false), supervisor.ExpectEnd());
        Assert.Equal(0, supervisor.Reap());
        AssertNothingInBase();
    }

    [Fact]
    public void A_kernel_leads_its_own_session_and_starts_with_signals_and_limits_as_new()
    {
        using var supervisor = new SupervisorProcess();

        // Built-ins only: dash blocks every signal in itself while it starts a program (vforkexec in its jobs.c), and the
        // program may read the shell's mask before the shell has put it back.
        GuestStartedMessage started = supervisor.Start(Kernel("""
            read id name state parent group session rest < /proc/$$/stat; echo $id $group $session
            while read key value; do case $key in SigBlk:|SigIgn:) echo $key $value;; esac; done < /proc/$$/status
            test $(ulimit -n) = $(ulimit -Hn) && echo files ok; echo core $(ulimit -c)
            read line <&4
            """));
        string log = "";
        SupervisorProcess.Eventually(() => (log = File.ReadAllText(started.KernelLog)).Contains("core ", StringComparison.Ordinal), "no log");
        Assert.Contains($"{started.ProcessId} {started.ProcessId} {started.ProcessId}\n", log, StringComparison.Ordinal);
        Assert.Contains("SigBlk: 0000000000000000\n", log, StringComparison.Ordinal);
        Assert.Contains("SigIgn: 0000000000000000\n", log, StringComparison.Ordinal);
        Assert.Contains("files ok\ncore 0\n", log, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kernel_holds_no_descriptor_but_its_own()
    {
        using var supervisor = new SupervisorProcess();
        GuestStartedMessage started = supervisor.Start(Kernel("""ls -l /proc/self/fd | sed -n 's/.* \([0-9]* -> .*\)/fd \1/p'; echo done; read line <&4"""));
        string log = "";
        SupervisorProcess.Eventually(() => (log = File.ReadAllText(started.KernelLog)).Contains("done", StringComparison.Ordinal), "no log");
        string[] open = log.Split('\n').Where(line => line.StartsWith("fd ", StringComparison.Ordinal) && !line.Contains("/proc/", StringComparison.Ordinal)).ToArray();

        // 1 is ls's pipe.
        Assert.Contains("fd 0 -> /dev/null", open);
        Assert.Contains($"fd 2 -> {started.KernelLog}", open);
        Assert.Single(open, line => line.StartsWith("fd 4 -> socket:", StringComparison.Ordinal));
        Assert.Equal(5, open.Length);
    }

    [Fact]
    public void The_signal_that_ended_a_kernel_is_reported()
    {
        using var supervisor = new SupervisorProcess();
        supervisor.Start(Kernel("kill -ABRT $$"));
        Assert.Equal(new GuestExitedMessage(0, 6, Killed: false), supervisor.ExpectEnd());
    }

    [Fact]
    public void A_stop_without_grace_kills()
    {
        string mark = NewMark();
        using var supervisor = new SupervisorProcess();
        supervisor.Start(Kernel($"trap '' TERM HUP INT; sleep {mark} & sleep {mark}"));
        supervisor.Stop(0);
        Assert.Equal(new GuestExitedMessage(0, 9, Killed: true), supervisor.ExpectEnd());
        AssertNoneLeft(mark);
        AssertNothingInBase();
    }

    [Fact]
    public void A_kernel_may_use_the_grace_it_is_given()
    {
        using var supervisor = new SupervisorProcess();
        supervisor.Start(Kernel("read line <&4; exit 3"));
        supervisor.Stop(15_000);
        supervisor.Console.Send("power off\n"u8);
        Assert.Equal(new GuestExitedMessage(3, 0, Killed: false), supervisor.ExpectEnd());
    }

    [Fact]
    public void A_kernel_that_lets_its_grace_pass_is_killed()
    {
        using var supervisor = new SupervisorProcess();
        supervisor.Start(Kernel("read line <&4"));
        supervisor.Stop(50);
        Assert.Equal(new GuestExitedMessage(0, 9, Killed: true), supervisor.ExpectEnd());
    }

    [Fact]
    public void A_later_stop_shortens_the_grace()
    {
        using var supervisor = new SupervisorProcess();
        supervisor.Start(Kernel("read line <&4"));
        supervisor.Stop(3_600_000);
        supervisor.Stop(0);
        Assert.True(supervisor.ExpectEnd().Killed);
    }

    [Fact]
    public void Processes_that_left_the_session_end_with_the_kernel()
    {
        string mark = NewMark();
        using var supervisor = new SupervisorProcess();
        supervisor.Start(Kernel($"setsid -f sleep {mark}; setsid -f sh -c 'sleep {mark} & sleep {mark}'; read line <&4; exit 0"));
        SupervisorProcess.Eventually(
            () => HostProcess.All().Count(p => p.CommandLine.StartsWith($"sleep {mark}", StringComparison.Ordinal)) == 3, "they never ran");
        supervisor.Console.Send("go\n"u8);
        Assert.Equal(new GuestExitedMessage(0, 0, Killed: false), supervisor.ExpectEnd());
        Assert.DoesNotContain(HostProcess.All(), p => p.CommandLine.Contains(mark, StringComparison.Ordinal));
    }

    [Fact]
    public void Processes_that_keep_forking_end_with_the_kernel()
    {
        string mark = NewMark();
        using var supervisor = new SupervisorProcess();
        supervisor.Start(Kernel($"for i in 1 2 3 4; do setsid -f sh -c 'while :; do setsid -f sleep {mark}; sleep 0.01; done'; done; read line <&4"));
        SupervisorProcess.Eventually(
            () => HostProcess.All().Count(p => p.CommandLine.StartsWith($"sleep {mark}", StringComparison.Ordinal)) > 20, "they never ran");
        supervisor.Stop(0);
        supervisor.ExpectEnd();
        Assert.DoesNotContain(HostProcess.All(), p => p.CommandLine.Contains(mark, StringComparison.Ordinal));
    }

    [Fact]
    public void A_directory_made_hard_to_remove_is_removed_and_links_are_not_followed()
    {
        string outside = Directory.CreateDirectory($"{Base}/outside").FullName;
        File.WriteAllText($"{outside}/precious", "yes");
        using var supervisor = new SupervisorProcess();
        supervisor.Start(Kernel($$"""
            cd guest; ln -s '{{outside}}' link; mkdir -p a/b/c; ln -s '{{outside}}' a/b/c/link; touch a/b/c/file; chmod 0 a/b/c a/b a
            i=0; while [ $i -lt 600 ]; do mkdir deep; cd deep || exit 9; touch file; i=$((i+1)); done; exit 0
            """));
        Assert.Equal(new GuestExitedMessage(0, 0, Killed: false), supervisor.ExpectEnd());
        Assert.Equal(["outside"], Directory.EnumerateFileSystemEntries(Base).Select(Path.GetFileName));
        Assert.Equal("yes", File.ReadAllText($"{outside}/precious"));
    }

    [Fact]
    public void The_control_group_goes_with_the_guest()
    {
        using var supervisor = new SupervisorProcess();
        GuestStartedMessage started = supervisor.Start(Kernel("read line <&4"));
        Assert.SkipUnless(started.Confinement.Contains("cgroup", StringComparison.Ordinal), "no control group can be made here");
        string? path = FindGroup(started.ProcessId);
        Assert.NotNull(path);
        supervisor.Stop(0);
        supervisor.ExpectEnd();
        Assert.False(Directory.Exists(path), $"{path} is left");
    }

    private static string? FindGroup(uint processId)
    {
        string own = File.ReadLines($"/proc/{processId}/cgroup").First(line => line.StartsWith("0::", StringComparison.Ordinal))[3..];
        string mount = File.ReadLines("/proc/self/mountinfo").First(line => line.Contains(" - cgroup2 ", StringComparison.Ordinal)).Split(' ')[4];
        return Directory.Exists(mount + own) ? mount + own : null;
    }
}
