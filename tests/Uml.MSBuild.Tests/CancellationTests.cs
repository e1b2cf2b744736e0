using Xunit;

namespace Uml.CI.MSBuild;

/// <summary>However a build ends, nothing of its guests stays.</summary>
public sealed class CancellationTests
{
    [Theory]
    [InlineData("INT", "")]
    [InlineData("TERM", "")]
    [InlineData("KILL", "")]
    [InlineData("INT", "TaskHostFactory")]
    [InlineData("KILL", "TaskHostFactory")]
    public async Task A_signal_to_the_build_ends_the_guest(string signal, string factory)
    {
        using Build build = new Build().Start("""<RunInGuest Command="echo the guest is here; sleep 1000" />""", $"-p:UmlTaskFactory={factory}");
        await build.WaitForOutputAsync("the guest is here");
        int[] processes = build.GuestProcesses();
        Assert.NotEmpty(processes);
        Assert.NotEmpty(Directory.EnumerateFileSystemEntries(build.GuestDirectory));

        build.Signal(signal);

        int status = await build.WaitAsync();
        await build.AssertGuestsGoneAsync(processes);
        // MSBuild ends with 0 on SIGTERM.
        if (signal != "TERM")
            Assert.NotEqual(0, status);
    }
}
