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

    [Theory]
    [InlineData("INT", "")]
    [InlineData("INT", "-mt")]
    [InlineData("TERM", "")]
    [InlineData("KILL", "")]
    [InlineData("KILL", "-mt")]
    public async Task A_signal_at_any_moment_leaves_nothing_of_the_guest_commands(string signal, string argument)
    {
        using var build = new Build();
        build.WriteProject("""
            <UmlKernel Include="debian:bookworm;debian:sid" />
            <UmlGuestCommand Include="true" />
            <UmlGuestCommand Include="sleep 1000" Kernel="debian:sid" />
            """);
        Directory.CreateDirectory(build["obj"]);
        int[] moments = [.. Enumerable.Range(0, 4).Select(_ => Random.Shared.Next(2500))];
        foreach (int moment in moments)
        {
            File.Delete(build["obj/test.proj.UmlGuestCommands.stamp"]);
            build.StartBuild("test.proj", argument.Length > 0 ? [argument] : []);
            await Task.Delay(moment, TestContext.Current.CancellationToken);
            int[] processes = build.GuestProcesses();

            build.Signal(signal);

            await build.WaitAsync();
            await build.AssertGuestsGoneAsync(processes, $"SIG{signal} after {moment} ms");
        }
    }
}
