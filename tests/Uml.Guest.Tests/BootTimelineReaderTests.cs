using System.Text;

namespace Uml.CI.Tests;

public sealed class BootTimelineReaderTests
{
    private static readonly Dictionary<BootMoment, TimeSpan> Moments = new()
    {
        [BootMoment.Start] = TimeSpan.Zero,
        [BootMoment.KernelFound] = Ms(1),
        [BootMoment.Planned] = Ms(2),
        [BootMoment.SupervisorSpawned] = Ms(3),
        [BootMoment.SupervisorRunning] = Ms(5),
        [BootMoment.SupervisorAsked] = Ms(5.1),
        [BootMoment.Forked] = Ms(6),
        [BootMoment.Executed] = Ms(7),
        [BootMoment.Started] = Ms(7.2),
        [BootMoment.Hello] = Ms(44),
        [BootMoment.SetupSent] = Ms(44.1),
        [BootMoment.Ready] = Ms(50),
        [BootMoment.CommandSent] = Ms(50.1),
        [BootMoment.CommandStarted] = Ms(55),
        [BootMoment.CommandEnded] = Ms(56),
        [BootMoment.StopAsked] = Ms(57),
        [BootMoment.KernelEnded] = Ms(70),
        [BootMoment.Gone] = Ms(72),
    };

    [Fact]
    public void Initcalls_have_their_levels_durations_and_places()
    {
        BootTimeline boot = Read(BootSamples.Sid);

        Assert.True(boot.IsLive);
        Assert.Equal(["trace_init", "param_sysfs_init", "init_jfs_fs", "raid6", "stdio_init", "ovl_init"], boot.Initcalls.Select(c => c.Name));
        Assert.Equal(["early", "core", "device", "device", "late", ""], boot.Initcalls.Select(c => c.Level));
        Assert.Equal("overlay", boot.Initcalls[^1].Module);
        BootInitcall jfs = boot.Initcalls[2];
        Assert.Equal((Ms(4.5), Ms(23)), (jfs.Duration, jfs.Start));
        Assert.Equal(-19, boot.Initcalls[3].Result);
        Assert.Equal((Ms(50), Ms(56), null), (boot.Ready, boot.Result, boot.Failure));
    }

    [Fact]
    public void Phases_follow_one_another_from_the_start_to_the_end()
    {
        BootTimeline boot = Read(BootSamples.Sid);

        BootPhase[] kernel = [.. boot.Phases.Where(p => p is { Actor: BootActor.Kernel, Background: false })];
        Assert.Equal(
            ["load, look at the host", "before the initcalls", "initcalls: early", "initcalls: core", "initcalls: device", "initcalls: late", "to user space"],
            kernel.Select(p => p.Name));
        Assert.Equal(Ms(7), kernel[0].Start);
        for (int i = 1; i < kernel.Length; i++)
            Assert.Equal(kernel[i - 1].End, kernel[i].Start);
        Assert.Equal(Ms(39), kernel[^1].End);
        Assert.Contains(boot.Phases, p => p is { Name: "unpack the initramfs", Background: true });
        Assert.Equal(["start", "devices, /proc", "open the line", "hello, await set-up", "mount the root", "enter the root", "say so"], boot.Phases.Where(p => p.Actor == BootActor.Agent).Select(p => p.Name));
        Assert.Equal(["power off", "the kernel's exit", "clear away"], boot.Phases.Where(p => p.Actor == BootActor.Teardown).Select(p => p.Name));
        Assert.Equal(Ms(72), boot.End);
        Assert.All(boot.Phases, p => Assert.True(p.Duration >= TimeSpan.Zero));
    }

    [Fact]
    public void What_a_second_console_repeats_counts_once()
    {
        BootLogLine[] twice = [.. BootSamples.Sid.Take(16), .. BootSamples.Sid.Take(16).Select(l => l with { At = Ms(35) }), .. BootSamples.Sid.Skip(16)];

        Assert.Equal(Read(BootSamples.Sid).Initcalls, Read(twice).Initcalls);
    }

    [Fact]
    public void Lines_that_are_read_late_do_not_lead_the_agent_astray()
    {
        BootTimeline boot = Read([.. BootSamples.Sid.Select(l => l.Text.StartsWith("uml-agent", StringComparison.Ordinal) || l.Text.StartsWith("Run ", StringComparison.Ordinal) ? l with { At = Ms(53) } : l)]);

        Assert.All(boot.Phases.Where(p => p.Actor == BootActor.Agent), p => Assert.True(p.End <= Ms(50), p.ToString()));
        Assert.Contains(boot.Phases, p => p.Name == "to user space" && p.End == Ms(44));
    }

    [Fact]
    public void A_kernel_that_names_no_levels_has_one_phase_of_initcalls()
    {
        BootTimeline boot = Read([.. BootSamples.Sid.Where(l => !l.Text.StartsWith("entering", StringComparison.Ordinal))]);

        Assert.Contains(boot.Phases, p => p.Name == "initcalls");
        Assert.All(boot.Initcalls, c => Assert.Equal("", c.Level));
    }

    [Fact]
    public void Without_names_there_are_addresses()
    {
        BootTimeline boot = Read([At(10, "calling  0x0000000060001234 @ 1"), At(12, "initcall 0x0000000060001234 returned 0 after 1900 usecs")]);

        BootInitcall call = Assert.Single(boot.Initcalls);
        Assert.Equal(("0x0000000060001234", Ms(1.9)), (call.Name, call.Duration));
    }

    [Theory]
    [InlineData("initcall slow+0x0/0x10 returned 0 after 1500 usecs ")]
    [InlineData("initcall slow+0x0/0x10 returned 0 with disabled interrupts after 1500 usecs")]
    [InlineData("initcall slow+0x0/0x10 returned after 1500 usecs")]
    public void Every_form_of_a_return_is_read(string line)
    {
        BootInitcall call = Assert.Single(Read([At(10, "calling  slow+0x0/0x10 @ 1"), At(12, line)]).Initcalls);

        Assert.Equal((Ms(1.5), 0), (call.Duration, call.Result));
    }

    [Fact]
    public void Calls_that_arrive_all_at_once_stand_back_to_back()
    {
        var lines = new List<BootLogLine>();
        for (int i = 0; i < 20; i++)
        {
            lines.Add(At(40, $"calling  f{i}+0x0/0x10 @ 1"));
            lines.Add(At(40, $"initcall f{i}+0x0/0x10 returned 0 after 1000 usecs"));
        }

        BootTimeline boot = Read(lines);

        Assert.False(boot.IsLive);
        Assert.Equal(Ms(20), boot.Initcalls[0].Start);
        for (int i = 1; i < 20; i++)
            Assert.Equal(boot.Initcalls[i - 1].Start + Ms(1), boot.Initcalls[i].Start);
    }

    [Fact]
    public void A_call_within_a_call_does_not_push_it_away()
    {
        BootTimeline boot = Read([
            At(10, "calling  outer+0x0/0x10 @ 1"), At(12, "calling  inner+0x0/0x10 [m] @ 1"),
            At(13, "initcall inner+0x0/0x10 [m] returned 0 after 900 usecs"), At(20, "initcall outer+0x0/0x10 returned 0 after 9900 usecs")]);

        Assert.Equal(Ms(10), boot.Initcalls.Single(c => c.Name == "outer").Start);
        Assert.Equal(Ms(12), boot.Initcalls.Single(c => c.Name == "inner").Start);
    }

    [Fact]
    public void A_panic_ends_the_chart_where_it_struck()
    {
        var moments = Moments.Where(m => m.Key <= BootMoment.Started).ToDictionary();
        BootTimeline boot = BootTimelineReader.Read(moments, [
            At(8, "Linux version 7.2.7"), At(15, "calling  bad_init+0x0/0x10 @ 1"), At(18, "Kernel panic - not syncing: no"), At(19, "CPU: 0")]);

        Assert.Equal(("Kernel panic - not syncing: no", Ms(18)), (boot.Failure, boot.FailedAt));
        Assert.Null(Assert.Single(boot.Initcalls).Duration);
        Assert.Null(boot.Goal);
        Assert.Equal(Ms(18), boot.Phases.Single(p => p.Name == "initcalls").End);
    }

    [Fact]
    public void A_kernel_that_tells_nothing_still_has_phases()
    {
        BootTimeline boot = Read([]);

        Assert.Empty(boot.Initcalls);
        Assert.Equal(Ms(37), boot.Phases.Single(p => p.Actor == BootActor.Kernel).Duration);
        Assert.Equal(Ms(6), boot.Phases.Single(p => p.Actor == BootActor.Agent).Duration);
    }

    [Fact]
    public void Nothing_at_all_is_an_empty_chart()
    {
        BootTimeline boot = BootTimelineReader.Read(new Dictionary<BootMoment, TimeSpan>(), []);

        Assert.Empty(boot.Phases);
        Assert.Equal(TimeSpan.Zero, boot.End);
    }

    [Theory]
    [InlineData("initcall never_called+0x0/0x10 returned 0 after 5 usecs")]
    [InlineData("calling ")]
    [InlineData("calling  x @ 99999999999999999999")]
    [InlineData("initcall x returned 0 after 99999999999999999999999999999999999999 usecs")]
    [InlineData("entering initcall level: ")]
    [InlineData("uml-agent: reached ")]
    [InlineData("** 99999999999999 printk messages dropped **")]
    [InlineData("\0\u0001\ud800")]
    public void Odd_lines_do_no_harm(string line)
    {
        BootTimeline boot = Read([At(9, "calling  x+0x0/0x10 @ 1"), At(9, line), At(8, line), At(7000, line)]);

        Assert.All(boot.Initcalls, c => Assert.True(c.Start >= Ms(7)));
    }

    [Fact]
    public void Damaged_logs_are_read_as_far_as_they_go()
    {
        var random = new Random(1);
        for (int round = 0; round < 300; round++)
        {
            BootLogLine[] lines = [.. BootSamples.Sid.Where(_ => random.Next(5) > 0).Select(l => new BootLogLine(TimeSpan.FromTicks(random.NextInt64(1_000_000)), Damage(l.Text, random)))];
            BootTimeline boot = Read(lines);
            Assert.All(boot.Phases, p => Assert.True(p.Duration >= TimeSpan.Zero));
            BootChartTests.AssertDrawable(BootSamples.Measure(boot));
        }
    }

    private static string Damage(string text, Random random)
    {
        var damaged = new StringBuilder(text);
        for (int i = random.Next(4); i > 0 && damaged.Length > 0; i--)
            damaged[random.Next(damaged.Length)] = (char)random.Next(0x20, 0x250);
        return damaged.ToString()[..random.Next(damaged.Length + 1)];
    }

    private static BootTimeline Read(IReadOnlyList<BootLogLine> lines) => BootTimelineReader.Read(Moments, lines);

    private static BootLogLine At(double milliseconds, string text) => new(Ms(milliseconds), text);

    private static TimeSpan Ms(double milliseconds) => TimeSpan.FromMilliseconds(milliseconds);
}
