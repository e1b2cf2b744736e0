using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary>The process behind <c>uml guest start</c>; nobody calls it by hand.</summary>
internal static class GuestKeepCommand
{
    public const string Name = "keep";

    public static Command Create()
    {
        var options = new GuestStartOptions();
        var command = new Command(Name, "Keep a guest, in the foreground") { Hidden = true };
        options.AddTo(command);
        command.SetAction((result, _) => SessionOwner.RunAsync(options.Read(result)));
        return command;
    }
}
