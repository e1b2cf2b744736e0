using System.CommandLine;

namespace Uml.CI.Cli.Tests;

public sealed class ParsingTests
{
    [Theory]
    [InlineData("2s", 2)]
    [InlineData("500ms", 0.5)]
    [InlineData("1m", 60)]
    [InlineData("1h30m", 5400)]
    [InlineData("1m2s3ms", 62.003)]
    [InlineData("90", 90)]
    [InlineData("1.5", 1.5)]
    [InlineData("0.25m", 15)]
    public void Durations(string text, double seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), Duration.Parse(text, out _));

    [Theory]
    [InlineData("")]
    [InlineData("s")]
    [InlineData("2x")]
    [InlineData("-1s")]
    [InlineData("2s3m")]
    [InlineData("2s2s")]
    [InlineData("1h30")]
    [InlineData("1..5s")]
    [InlineData("0")]
    [InlineData("0ms")]
    [InlineData("99999h")]
    [InlineData("1e3")]
    [InlineData("∞")]
    public void What_is_no_duration_is_named(string text)
    {
        Assert.Null(Duration.Parse(text, out string problem));
        Assert.Contains($"\"{text}\"", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("data:/data", "data", "/data", MountMode.ReadOnly)]
    [InlineData("data:/data:ro", "data", "/data", MountMode.ReadOnly)]
    [InlineData("data:/data:rw", "data", "/data", MountMode.ReadWrite)]
    [InlineData("/a b/ü:/x y:cow", "/a b/ü", "/x y", MountMode.CopyOnWrite)]
    [InlineData(@"C\:x:/d\:e:rw", "C:x", "/d:e", MountMode.ReadWrite)]
    [InlineData(@"a\\:/b\c", @"a\", @"/b\c", MountMode.ReadOnly)]
    public void Mounts(string text, string host, string guest, MountMode mode) =>
        Assert.Equal(new GuestMount(host, guest, mode), PathList.ParseMount(text, out _));

    [Theory]
    [InlineData("data")]
    [InlineData("data:")]
    [InlineData(":/data")]
    [InlineData("data:data")]
    [InlineData("data:/data:x")]
    [InlineData("data:/data:")]
    [InlineData("a:/b:rw:/c")]
    public void What_is_no_mount_is_named(string text)
    {
        Assert.Null(PathList.ParseMount(text, out string problem));
        Assert.Contains($"\"{text}\"", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Copies_go_in_and_out()
    {
        Assert.Equal(new GuestArtifact("a", "/b/"), PathList.ParseCopyIn("a:/b/", out _));
        Assert.Equal(new CopyOut("/b", "a:c"), PathList.ParseCopyOut(@"/b:a\:c", out _));
        Assert.Null(PathList.ParseCopyOut("b:a", out string problem));
        Assert.Contains("absolute", problem, StringComparison.Ordinal);
        Assert.Null(PathList.ParseCopyIn("a:/b:ro", out _));
    }

    [Theory]
    [InlineData("run uname -r", "run -- uname -r")]
    [InlineData("run -- uname -r", "run -- uname -r")]
    [InlineData("run --memory 1G -v ls --memory 2G", "run --memory 1G -v -- ls --memory 2G")]
    [InlineData("run --memory=1G ls", "run --memory=1G -- ls")]
    [InlineData("run -vt ls -- x", "run -vt -- ls -- x")]
    [InlineData("run -tm 1G ls", "run -tm 1G -- ls")]
    [InlineData("run --env A=B --env C env", "run --env A=B --env C -- env")]
    [InlineData("run --timeout 2s - x", "run --timeout 2s -- - x")]
    [InlineData("shell --kernel x ls -l", "shell --kernel x -- ls -l")]
    [InlineData("kernel pull x --lock", "kernel pull x --lock")]
    [InlineData("[suggest:3] uml --nothing", "[suggest:3] uml --nothing")]
    public void The_command_begins_at_the_first_word_that_is_no_option(string line, string expected) =>
        Assert.Equal(expected.Split(' '), CommandLine.MarkCommand(CommandLine.Create(), line.Split(' ')));

    [Theory]
    [InlineData("run --nothing ls", "--nothing")]
    [InlineData("run -vx ls", "-vx")]
    [InlineData("kernel pull --bogus=1", "--bogus")]
    [InlineData("kernel bogus", "bogus")]
    [InlineData("bogus", "bogus")]
    public void What_is_neither_is_named(string line, string word)
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => CommandLine.MarkCommand(CommandLine.Create(), line.Split(' ')));
        Assert.Contains($"\"{word}\"", error.Message, StringComparison.Ordinal);
        Assert.Contains("--help", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--timeout=2x", "\"2x\" is not a duration")]
    [InlineData("--memory=much", "\"much\" is not a size")]
    [InlineData("--cpus=-1", "\"-1\" is not a number of CPUs")]
    [InlineData("--mount=x", "\"x\" is not a mount")]
    [InlineData("--copy-out=x:y", "\"x\" in \"x:y\" is not an absolute path")]
    [InlineData("--kernel=nope", "'nope'")]
    [InlineData("--env==x", "\"=x\" is not a variable")]
    public void A_bad_value_is_named(string option, string expected)
    {
        ParseResult result = CommandLine.Parse(CommandLine.Create(), ["run", option, "true"]);
        Assert.Contains(result.Errors, e => e.Message.Contains(expected, StringComparison.Ordinal));
    }

    [Fact]
    public void Words_of_the_command_are_left_alone()
    {
        ParseResult result = CommandLine.Parse(CommandLine.Create(), ["run", "echo", "@file", "[x]", "", "--help", "-v"]);
        Assert.Empty(result.Errors);
        var words = (Argument<string[]>)result.CommandResult.Command.Arguments.Single();
        Assert.Equal(["echo", "@file", "[x]", "", "--help", "-v"], result.GetValue(words) ?? []);
    }

    [Theory]
    [InlineData("plain-word_1=/a,b:c", "plain-word_1=/a,b:c")]
    [InlineData("", "''")]
    [InlineData("a b", "'a b'")]
    [InlineData("it's", @"'it'\''s'")]
    [InlineData("$x`y`", "'$x`y`'")]
    public void Shell_quoting(string word, string expected) => Assert.Equal(expected, ShellText.Quote(word));

    [Fact]
    public void The_way_out_is_three_keys_within_a_second()
    {
        var clock = new ManualClock();
        var escape = new EscapeSequence(clock);
        Assert.False(escape.Completes([0x1d, (byte)'x', 0x1d, 0x1d]));
        clock.Advance(TimeSpan.FromSeconds(2));
        Assert.False(escape.Completes([0x1d]));
        Assert.False(escape.Completes([0x1d]));
        Assert.True(escape.Completes([0x1d]));
    }

    [Fact]
    public void Of_the_callers_environment_what_points_at_the_host_stays_behind()
    {
        var caller = new Dictionary<string, string>
        {
            ["HOME"] = "/home/me",
            ["PATH"] = "/usr/bin",
            ["LANG"] = "C.UTF-8",
            ["CI"] = "true",
            ["USER"] = "me",
            ["SSH_AUTH_SOCK"] = "/run/x",
            ["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/run/y",
            ["XDG_RUNTIME_DIR"] = "/run/user/1",
            ["DISPLAY"] = ":0",
            ["WAYLAND_DISPLAY"] = "wayland-0",
            ["TMPDIR"] = "/run/tmp",
            ["EMPTY"] = "",
        };
        var passed = HostEnvironment.Select(caller, otherUser: false);
        Assert.Equal(["CI", "EMPTY", "HOME", "LANG", "PATH"], passed.Keys);
        Assert.StartsWith("/usr/bin:", passed["PATH"], StringComparison.Ordinal);
        Assert.Contains(":/usr/sbin", passed["PATH"], StringComparison.Ordinal);
        Assert.DoesNotContain("HOME", HostEnvironment.Select(caller, otherUser: true).Keys);
    }

    [Fact]
    public void Exceptions_become_exit_statuses()
    {
        (Exception Exception, int Status, string Name)[] all =
        [
            (new KernelPanicException("x"), 123, "panic"),
            (new GuestConnectionException("x"), 123, "lost"),
            (new GuestTimeoutException("x"), 124, "timeout"),
            (new GuestBootException("x") { DeadlinePassed = true }, 124, "boot-timeout"),
            (new GuestBootException("x"), 125, "boot-failed"),
            (new GuestUnavailableException("x"), 125, "unavailable"),
            (new KernelException("x"), 125, "unavailable"),
            (new ArgumentException("x"), 125, "unavailable"),
            (new ExecException("x", 13), 126, "not-executable"),
            (new ExecException("x", 2), 127, "not-found"),
            (new ExecException("x", 0), 125, "not-started"),
            (new OperationCanceledException(), 130, "interrupted"),
        ];
        Assert.All(all, c =>
        {
            Outcome? outcome = Outcome.Of(c.Exception, signal: 2);
            Assert.Equal((c.Status, c.Name), (outcome?.ExitStatus ?? -1, outcome?.Name));
        });
        Assert.Null(Outcome.Of(new InvalidOperationException(), 0));
    }

    [Fact]
    public void The_lock_file_is_looked_for_up_to_the_root_of_the_work_tree()
    {
        string top = Path.Combine(Path.GetTempPath(), $"uml-lock-{Guid.NewGuid():N}");
        string work = Path.Combine(top, "work");
        string deep = Path.Combine(work, "a", "b");
        Directory.CreateDirectory(deep);
        try
        {
            File.WriteAllText(Path.Combine(top, KernelLock.FileName), "{}");
            Assert.Null(KernelLock.FindFile(deep));
            Directory.CreateDirectory(Path.Combine(work, ".git"));
            Assert.Null(KernelLock.FindFile(deep));
            Assert.Equal(Path.Combine(work, KernelLock.FileName), KernelLock.FindOrPlaceFile(deep));
            File.WriteAllText(Path.Combine(work, KernelLock.FileName), "{}");
            Assert.Equal(Path.Combine(work, KernelLock.FileName), KernelLock.FindFile(deep));
            File.WriteAllText(Path.Combine(deep, KernelLock.FileName), "{}");
            Assert.Equal(Path.Combine(deep, KernelLock.FileName), KernelLock.FindFile(deep));
        }
        finally
        {
            Directory.Delete(top, recursive: true);
        }
    }

    [Fact]
    public void Sizes_are_for_people() =>
        Assert.Equal(["5 B", "1.5 kB", "35.8 MB", "2.02 GB"], ((long[])[5, 1500, 35_800_000, 2_020_000_000]).Select(Size.Format));

    private sealed class ManualClock : TimeProvider
    {
        private long _now = 1;

        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => _now;

        public void Advance(TimeSpan time) => _now += (long)time.TotalMilliseconds;
    }
}
