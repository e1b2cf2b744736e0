using System.Collections.Immutable;
using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary>The options of a command in a kept guest.</summary>
internal sealed class GuestExecOptions
{
    private readonly Option<string[]> _environment = new("--env", "-e") { HelpName = "NAME[=VALUE]", Description = "Set a variable; NAME alone passes the caller's on. Repeatable" };
    private readonly Option<string?> _workingDirectory = new("--workdir", "-w") { HelpName = "DIR", Description = "Working directory in the guest. Default: the current one (host root), else the guest's" };
    private readonly Option<string?> _user = new("--user", "-u") { HelpName = "USER[:GROUP]", Description = "User of the guest to run as, by name or number. Default: root" };
    private readonly Option<TimeSpan?> _timeout = new("--timeout") { HelpName = "TIME", Description = "How long the command may take. Default: no limit", CustomParser = GuestOptionSet.ParseDuration };
    private readonly Option<bool> _noStdin = new("--no-stdin", "-n") { Description = "Give the command an empty standard input and leave the tool's own unread" };
    private readonly Option<bool> _tty = new("--tty", "-t") { Description = "Run the command on a terminal. Ctrl-] three times within a second ends it" };

    public GuestExecOptions() => _environment.Validators.Add(GuestOptionSet.CheckEnvironment);

    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_environment, _workingDirectory, _user, _timeout, _noStdin, _tty])
            command.Options.Add(option);
    }

    public SessionExec.Options Read(ParseResult result, SessionDirectory guest, ImmutableArray<string> words) => new(guest, words)
    {
        Environment = result.GetValue(_environment) ?? [],
        WorkingDirectory = result.GetValue(_workingDirectory),
        User = result.GetValue(_user),
        Timeout = result.GetValue(_timeout),
        NoInput = result.GetValue(_noStdin),
        Terminal = result.GetValue(_tty),
    };
}
