namespace Uml.CI.Cli;

/// <summary>A command in a guest of this process.</summary>
internal sealed class OwnCommandProcess(GuestProcess process) : ICommandProcess
{
    public Stream StandardInput => process.StandardInput;

    public Stream StandardOutput => process.StandardOutput;

    public Stream StandardError => process.StandardError;

    public void Signal(int signal) => process.Signal(signal);

    public void Resize(TerminalSize size) => process.Resize(size);
}
