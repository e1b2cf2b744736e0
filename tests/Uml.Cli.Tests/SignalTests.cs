using System.Diagnostics;
using System.Text;

namespace Uml.CI.Cli.Tests;

public sealed class SignalTests : ToolTests
{
    private const int Interrupt = 2, HangUp = 1, Terminate = 15;

    [Theory]
    [InlineData(Interrupt)]
    [InlineData(Terminate)]
    [InlineData(HangUp)]
    public async Task A_signal_goes_to_the_command(int signal)
    {
        using Process process = Start(["run", "sh", "-c", "echo ready; exec sleep 60"]);
        await ReadyAsync(process);
        Signal(process, signal);
        Run run = await EndAsync(process, null);
        Assert.True(run.ExitCode == 128 + signal, run.ToString());
    }

    [Fact]
    public async Task A_command_may_take_a_signal_its_own_way()
    {
        using Process process = Start(["run", "sh", "-c", "trap 'echo cleaning; exit 7' TERM; echo ready; while :; do sleep 0.1; done"]);
        await ReadyAsync(process);
        Signal(process, Terminate);
        Run run = await EndAsync(process, null);
        Assert.Equal((7, "cleaning\n"), (run.ExitCode, run.Output));
    }

    [Fact]
    public async Task A_second_signal_ends_the_guest()
    {
        using Process process = Start(["run", "sh", "-c", "trap '' TERM INT; echo ready; sleep 60; sleep 60"]);
        await ReadyAsync(process);
        Signal(process, Terminate);
        await Task.Delay(300, Cancel);
        Assert.False(process.HasExited);
        Signal(process, Terminate);
        Run run = await EndAsync(process, null);
        Assert.True(run.ExitCode == 143, run.ToString());
    }

    [Fact]
    public async Task A_signal_during_the_boot_ends_it()
    {
        using Process process = Start(["run", "--append", "initcall_blacklist=populate_rootfs rootwait root=/dev/nothing", "--kernel-log", "-", "true"]);
        var line = new StringBuilder();
        while (await process.StandardError.ReadLineAsync(Cancel) is { } text && !text.Contains("Linux version", StringComparison.Ordinal))
            line.AppendLine(text);
        Signal(process, Interrupt);
        Run run = await EndAsync(process, null);
        Assert.True(run.ExitCode == 130, line + run.ToString());
    }

    private static async Task ReadyAsync(Process process)
    {
        // Byte by byte, so that nothing of what follows is taken.
        byte[] word = new byte["ready\n".Length];
        await process.StandardOutput.BaseStream.ReadExactlyAsync(word, Cancel);
        Assert.Equal("ready\n"u8, word);
    }
}
