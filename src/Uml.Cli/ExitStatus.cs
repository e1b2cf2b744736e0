namespace Uml.CI.Cli;

/// <summary>What the tool's exit status means; the command's own statuses are passed on as they are.</summary>
internal static class ExitStatus
{
    public const int Complained = 122;
    public const int Lost = 123;
    public const int DeadlinePassed = 124;
    public const int NotProvided = 125;

    public const string Table = """
        Exit status:
          0-255  the command's own
          122    the guest's kernel complained (--fail-on-complaint), the command did not
          123    the guest's kernel panicked, or the guest was lost
          124    a deadline passed (--timeout, --boot-timeout)
          125    the guest could not be provided; bad usage; a file could not be written
          126    the command was found and is not executable
          127    the command was not found
          128+n  signal n ended the command
        """;

    /// <summary>The status of a run that a signal to the tool itself ended.</summary>
    public static int OfSignal(int signal) => 128 + signal;
}
