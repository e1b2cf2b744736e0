using Xunit;

namespace Uml.CI;

public sealed class BuildLogTests
{
    [Fact]
    public void Progress_goes_one_way_and_never_claims_the_end()
    {
        using Scratch scratch = new();
        Reports reports = new();
        StoppedClock clock = new();
        using (BuildLog log = new(scratch["log"], "it", 100, reports, clock))
        {
            for (int i = 0; i < 150; i++)
            {
                clock.Time += TimeSpan.FromSeconds(1);
                log.Add($"  CC {(i % 3 == 0 ? "[M] " : "")}     some/file{i}.o");
                log.Add("  HOSTCC  scripts/x");
                log.Add("  AR      some/built-in.a");
            }

            Assert.Equal(150, log.Compiled);
            log.Add("  LD      vmlinux");
        }

        KernelProgress[] files = [.. reports.All.Where(r => r.FilesDone is not null)];
        Assert.Equal(Enumerable.Range(1, 150), files.Select(r => r.FilesDone!.Value));
        Assert.All(files, r => Assert.True(r.FilesDone < r.FilesTotal));
        Assert.Equal(files.Select(r => r.FilesTotal!.Value).Order(), files.Select(r => r.FilesTotal!.Value));
        Assert.Null(files[5].TimeLeft);
        Assert.Equal(TimeSpan.FromSeconds(50), files[49].TimeLeft);
        Assert.Equal("linking it", reports.All.Last().Stage);
        Assert.Contains("  HOSTCC  scripts/x", File.ReadAllText(scratch["log"]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_build_of_unknown_length_promises_nothing()
    {
        using Scratch scratch = new();
        Reports reports = new();
        using BuildLog log = new(scratch["log"], "it", null, reports);
        log.Add("  CC      a.o");
        KernelProgress report = Assert.Single(reports.All);
        Assert.Equal((1, null, null), (report.FilesDone, report.FilesTotal, report.TimeLeft));
    }

    [Theory]
    [InlineData("/src/kernel/fork.c:12:3: error: 'x' undeclared (first use in this function)")]
    [InlineData("init/main.c:1:10: fatal error: linux/none.h: No such file or directory")]
    [InlineData("make[2]: *** No rule to make target 'x.o', needed by 'built-in.a'.  Stop.")]
    [InlineData("/usr/bin/ld: x.o: in function `f': x.c:(.text+0x1): undefined reference to `g'")]
    [InlineData("ERROR: modpost: \"x\" [y.ko] undefined!")]
    [InlineData("Makefile:229: *** source directory cannot contain spaces or colons.  Stop.")]
    public void The_first_error_is_found(string line)
    {
        using Scratch scratch = new();
        using BuildLog log = new(scratch["log"], "it", 0, null);
        log.Add("  CC      kernel/error.o");
        log.Add("a.c:1: warning: this is no error: at all");
        Assert.Null(log.FirstError);
        log.Add(line);
        log.Add("make[1]: *** [Makefile:1: all] Error 2");
        Assert.Equal(line, log.FirstError);
    }

    private sealed class StoppedClock : TimeProvider
    {
        public TimeSpan Time { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Time.Ticks;
    }
}
