namespace Uml.CI.Tests;

/// <summary>Selftests as installed, and what their ends mean.</summary>
public sealed class KselftestTests : IDisposable
{
    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("uml kselftest ");

    public void Dispose() => _scratch.Delete(recursive: true);

    [Fact]
    public void The_list_and_the_limits_are_read()
    {
        Write("kselftest-list.txt", "timers:nanosleep\nsize:get_size\n\ntimers:set-2038\nnet/forwarding:bridge.sh\n");
        Write("timers/settings", "# comment\ntimeout=0\n");
        Write("size/settings", "timeout=90\n");
        KselftestEntry[] all = [.. KselftestEntry.ReadAll(_scratch.FullName)];
        Assert.Equal(["net/forwarding:bridge.sh", "size:get_size", "timers:nanosleep", "timers:set-2038"], all.Select(t => t.ToString()));
        Assert.Equal([TimeSpan.FromSeconds(45), TimeSpan.FromSeconds(90), null, null], all.Select(t => t.Timeout));
    }

    [Fact]
    public void A_directory_without_tests_is_refused() =>
        Assert.Contains("kselftest-list.txt", Assert.Throws<ArgumentException>(() => KselftestEntry.ReadAll(_scratch.FullName)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(0, null, KtapOutcome.Passed)]
    [InlineData(1, null, KtapOutcome.Failed)]
    [InlineData(2, null, KtapOutcome.ExpectedFailure)]
    [InlineData(3, null, KtapOutcome.Failed)]
    [InlineData(4, null, KtapOutcome.Skipped)]
    [InlineData(5, null, KtapOutcome.Failed)]
    [InlineData(124, null, KtapOutcome.TimedOut)]
    [InlineData(132, 4, KtapOutcome.Failed)]
    public void Exit_statuses_have_their_meaning(int status, int? signal, KtapOutcome outcome) => Assert.Equal(outcome, KselftestRun.Meaning(new GuestExit(status, signal)).Outcome);

    [Theory]
    [InlineData("x.c:1:10: fatal error: sys/capability.h: No such file or directory\nmake: *** [x] Error 1", "sys/capability.h is missing (install libcap-dev)")]
    [InlineData("/usr/bin/ld: cannot find -lmnl: No such file", "mnl is missing (install libmnl-dev)")]
    [InlineData("/bin/sh: 1: clang: not found\nmake: *** [x] Error 127", "clang is missing (install clang)")]
    [InlineData("make[1]: flex: No such file or directory", "flex is missing (install flex)")]
    [InlineData("make[1]: *** sigaltstack: No such file or directory.  Stop.", "make[1]: *** sigaltstack: No such file or directory.  Stop")]
    [InlineData("x.c:3:1: error: unknown type name 'u99'", "x.c:3:1: error: unknown type name 'u99'")]
    public void What_is_missing_is_named(string log, string reason) => Assert.Equal(reason, KselftestBuild.Reason(log));

    private void Write(string name, string text)
    {
        string path = Path.Combine(_scratch.FullName, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }
}
