using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary>The options of <c>uml guest start</c>, which the process that keeps the guest gets as they are.</summary>
internal sealed class GuestStartOptions
{
    private static readonly TimeSpan DefaultIdleTimeout = TimeSpan.FromHours(1);

    // The longest a job of GitHub's runners may take.
    private static readonly TimeSpan DefaultLifetime = TimeSpan.FromHours(6);

    private readonly GuestOptionSet _guest = new();
    private readonly Option<string> _name = new("--name") { HelpName = "NAME", Description = $"What the guest is called. Default: {SessionDirectory.DefaultName}", DefaultValueFactory = _ => SessionDirectory.DefaultName };
    private readonly Option<TimeSpan?> _idleTimeout = new("--idle-timeout") { HelpName = "TIME", Description = "End the guest when no command has run in it for so long. Default: 1h", CustomParser = GuestOptionSet.ParseDuration };
    private readonly Option<TimeSpan?> _lifetime = new("--lifetime") { HelpName = "TIME", Description = "End the guest after so long, whatever runs in it. Default: 6h", CustomParser = GuestOptionSet.ParseDuration };

    public GuestStartOptions() => _name.Validators.Add(result =>
    {
        foreach (string problem in result.Tokens.Select(t => SessionDirectory.ProblemWith(t.Value)).OfType<string>())
            result.AddError(problem);
    });

    public void AddTo(Command command)
    {
        command.Options.Add(_name);
        command.Options.Add(_idleTimeout);
        command.Options.Add(_lifetime);
        _guest.AddKeptTo(command);
    }

    public KeepRequest Read(ParseResult result) => new(
        result.GetValue(_name)!,
        _guest.Read(result, [], shell: false),
        result.GetValue(_idleTimeout) ?? DefaultIdleTimeout,
        result.GetValue(_lifetime) ?? DefaultLifetime);
}
