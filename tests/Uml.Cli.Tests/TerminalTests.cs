namespace Uml.CI.Cli.Tests;

public sealed class TerminalTests : ToolTests
{
    [Fact]
    public async Task Without_a_terminal_of_the_callers_the_guests_has_the_usual_size()
    {
        Run run = await RunAsync("run", "--tty", "sh", "-c", "tty; stty size; exit 5");
        Assert.True(run.ExitCode == 5, run.ToString());
        Assert.Equal("/dev/pts/0\r\n24 80\r\n", run.Output);
    }

    [Fact]
    public async Task Without_the_option_there_is_none()
    {
        Run run = await RunAsync("run", "tty");
        Assert.Equal("not a tty\n", run.Output);
    }

    [Fact]
    public async Task The_callers_terminal_is_the_guests()
    {
        // script(1) provides the terminal; stty shows that it works again afterwards. Its input stays open: at its end script types a
        // character, at a time of its own.
        Run run = await ShellAsync(@"mkfifo hold; exec 3<>hold; script -qec ""stty rows 33 cols 111; stty -g > before; uml run --tty -- sh -c 'stty size; test -t 0 && test -t 2 && echo all'; echo status \$?; stty -g > after"" /dev/null <&3; cmp before after");
        Assert.True(run.ExitCode == 0, run.ToString());
        Assert.Contains("33 111\r\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("all\r\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("status 0\r\n", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_shell_takes_commands()
    {
        Run run = await RunAsync(["shell", "sh"], "uname -s; exit 9\n"u8.ToArray());
        Assert.True(run.ExitCode == 9, run.ToString());
        Assert.Contains("Linux\r\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("Ctrl-]", run.Error, StringComparison.Ordinal);
    }
}
