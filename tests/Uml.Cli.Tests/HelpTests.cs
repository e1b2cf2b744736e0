using System.CommandLine;

namespace Uml.CI.Cli.Tests;

public sealed class HelpTests
{
    [Fact]
    public void Help_of_run() => Verify(HelpText.Of(Find("run")), nameof(Help_of_run));

    [Fact]
    public void Help_of_test() => Verify(HelpText.Of(Find("test")), nameof(Help_of_test));

    [Fact]
    public void Help_of_boot_chart() => Verify(HelpText.Of(Find("boot-chart")), nameof(Help_of_boot_chart));

    [Fact]
    public void Help_of_kernel_build() => Verify(HelpText.Of(Find("kernel").Subcommands.Single(c => c.Name == "build")), nameof(Help_of_kernel_build));

    [Fact]
    public void Help_of_report_diff() => Verify(HelpText.Of(Find("report").Subcommands.Single(c => c.Name == "diff")), nameof(Help_of_report_diff));

    [Fact]
    public void The_exit_statuses_stand_in_the_help()
    {
        Assert.Contains(ExitStatus.Table, HelpText.Of(Find("run")), StringComparison.Ordinal);
        Assert.Contains(ExitStatus.Table, HelpText.Of(Find("shell")), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_command_and_option_is_described()
    {
        var commands = new Queue<Command>([CommandLine.Create()]);
        while (commands.TryDequeue(out Command? command))
        {
            Assert.False(string.IsNullOrEmpty(command.Description), command.Name);
            Assert.All(command.Options, o => Assert.False(string.IsNullOrEmpty(o.Description), o.Name));
            Assert.All(HelpText.Of(command).Split('\n'), line => Assert.True(line.Length <= 100, line));
            foreach (Command child in command.Subcommands)
                commands.Enqueue(child);
        }
    }

    private static Command Find(string name) => CommandLine.Create().Subcommands.Single(c => c.Name == name);

    // Named as Verify names them; the received text is written beside the tests to be compared.
    private static void Verify(string received, string test)
    {
        string file = Path.Combine(AppContext.BaseDirectory, $"{nameof(HelpTests)}.{test}.verified.txt");
        string expected = File.Exists(file) ? File.ReadAllText(file) : "";
        if (received != expected)
            File.WriteAllText(Path.ChangeExtension(file, null)[..^".verified".Length] + ".received.txt", received);
        Assert.Equal(expected, received);
    }
}
