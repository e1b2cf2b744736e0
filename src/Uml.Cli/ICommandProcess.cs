namespace Uml.CI.Cli;

/// <summary>A command that runs in a guest, of this process or of another.</summary>
internal interface ICommandProcess
{
    Stream StandardInput { get; }

    Stream StandardOutput { get; }

    Stream StandardError { get; }

    /// <summary>Sends a signal to the command's process group.</summary>
    void Signal(int signal);

    /// <summary>Tells the command that its terminal has another size now.</summary>
    void Resize(TerminalSize size);
}
