using System.CommandLine;

namespace Uml.CI.Cli;

/// <summary><c>uml guest start</c>: boots a guest that stays.</summary>
internal static class GuestStartCommand
{
    public static Command Create()
    {
        var options = new GuestStartOptions();
        var command = new Command("start", "Boot a guest that stays, for uml guest exec");
        options.AddTo(command);
        command.SetAction((result, _) =>
        {
            KeepRequest request = options.Read(result);
            if (request.Run.ShowKernelLog)
                throw new ArgumentException("--kernel-log of a guest that stays needs a file: \"uml guest log\" shows the log");
            if (request.Run.Guest.KernelLogFile is { } log)
                OutputFile.Create(log, "--kernel-log").Dispose();
            // What follows "guest start" on the command line, as it was written.
            return SessionStart.RunAsync(Environment.GetCommandLineArgs().Skip(1).SkipWhile(a => a != "start").Skip(1), request.Name);
        });
        HelpText.Describe(command, "uml guest start [--name NAME] [options]", """
            Exit status:
              0      the guest serves commands; its name is on standard output
              124    it did not within --boot-timeout
              125    it could not be provided; a guest of that name is there already
            """, """
            The guest ends with "uml guest stop", when no command has run in it for an hour, and with the
            process that keeps it, which is this tool in the background.

            Example:
              uml guest start --name sid --kernel debian:sid --mount .:/src:rw
            """);
        return command;
    }
}
